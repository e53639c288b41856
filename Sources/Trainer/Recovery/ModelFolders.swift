import Checkpoints
import Engine
import Foundation
import Logging

/// The records of all models of a data folder.
package enum ModelFolders {
  /// Removes the records of models that nobody has used for some days.
  /// - Parameter days: counted from the last change of a model's records.
  package static func removeUnused(in dataFolder: String, days: Int) {
    let root = "\(dataFolder)/\(SessionFolders.name)"
    let oldest = Date(timeIntervalSinceNow: -86_400 * Double(days))
    let manager = FileManager.default
    // A session's own folder goes with the session, and its models' times are not in it.
    for model in (try? manager.contentsOfDirectory(atPath: root)) ?? []
    where SessionFolders.session(of: model) != model {
      let folder = "\(root)/\(model)"
      // A commit changes a file, a snapshot the folder.
      let files = (try? manager.contentsOfDirectory(atPath: folder)) ?? []
      let changes = ([folder] + files.map { "\(folder)/\($0)" }).compactMap { path in
        (try? manager.attributesOfItem(atPath: path))?[.modificationDate] as? Date
      }
      guard let last = changes.max(), last < oldest else { continue }
      do {
        try FileStorage().remove(folder)
      } catch {
        Logger(label: "tinsmith.journal").warning("the records of \(model) stay: \(error)")
      }
    }
  }
}
