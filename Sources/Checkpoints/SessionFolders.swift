package import Engine
import Foundation
import Glibc
import Logging

/// What ends with a session, on disk: a folder for each of its models, `models/<model>` below the
/// data folder, with the model's records and the weights that were saved for sampling without a name,
/// and `models/<session>`, with what `SessionRecords` keeps.
package struct SessionFolders: Sendable {
  /// Of the folder that holds them, below the data folder.
  package static let name = "models"

  private let root: String
  private let storage: any Storage

  package init(dataFolder: String, storage: any Storage) {
    root = "\(dataFolder)/\(Self.name)"
    self.storage = storage
  }

  /// The session of a model or another stream, which begins with it, `<session>:…`.
  package static func session(of model: String) -> String {
    String(model.prefix { $0 != ":" })
  }

  /// The sessions that have something here.
  package func sessions() -> Set<String> { Set(folders().map(Self.session)) }

  /// Removes what a session had: gone for readers at once. An owner that still writes, writes into
  /// files that nobody finds.
  package func remove(session: String) {
    for folder in folders() where Self.session(of: folder) == session { remove(folder) }
  }

  /// Removes what `SessionRecords` keeps of a session; the folders of its models stay.
  package func removeRecords(of session: String) { remove(session) }

  private func remove(_ folder: String) {
    // No model is called so.
    let aside = "\(root)/.\(folder).\(getpid())\(Leftover.goneSuffix)"
    do {
      try storage.remove(aside)
      try storage.rename("\(root)/\(folder)", to: aside)
      try storage.remove(aside)
    } catch {
      // Everybody who hears of the end removes them, and somebody is first.
      guard access("\(root)/\(folder)", F_OK) == 0 else { return }
      Logger(label: "tinsmith.sessions").warning("the folder of \(folder) stays for now: \(error)")
    }
  }

  /// Removes what a crash left of folders that were being removed.
  package func removeLeftovers() throws {
    try Leftover.removeAll(in: root, storage: storage) { !$0.hasPrefix(".") }
  }

  private func folders() -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
    return names.filter { !$0.hasPrefix(".") }
  }
}

/// Which sessions are over, told by who is alive: those that nobody has known for a lease. That a
/// service was started again, or that an owner was away when a session ended, makes no difference. A
/// pure value.
package struct SessionSweep: Sendable {
  private let leaseMilliseconds: UInt64
  /// When each was alive last, or first looked at, in milliseconds.
  private var lastKnown: [String: UInt64] = [:]

  /// - Parameter leaseMilliseconds: how long a session lives without a word.
  package init(leaseMilliseconds: UInt64) { self.leaseMilliseconds = leaseMilliseconds }

  /// - Parameters:
  ///   - here: sessions that have something on disk.
  ///   - alive: sessions that the router knows.
  ///   - now: in milliseconds.
  /// - Returns: the sessions that are over.
  package mutating func next(here: Set<String>, alive: Set<String>, now: UInt64) -> Set<String> {
    var next: [String: UInt64] = [:]
    for session in here {
      next[session] = alive.contains(session) ? now : lastKnown[session] ?? now
    }
    // One that cannot be removed is tried again.
    lastKnown = next
    return Set(next.filter { now >= $1 + leaseMilliseconds }.keys)
  }
}
