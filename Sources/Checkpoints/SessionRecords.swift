package import Engine
import Foundation
import Glibc
package import Wire

/// What is on disk for those who ask what sessions there are and what is in them: a folder for each
/// session beside those of its models (`SessionFolders`), with a record of the session and one of each
/// of its sampling sessions, and a record in each model's folder. All of it goes with the session.
///
/// A record is written before the answer to the request that it is of.
package struct SessionRecords: Sendable {
  /// What is kept of `Sessions.Create`.
  package struct Session: Codable, Sendable, Equatable {
    package var id: String
    /// Who opened it.
    package var tenant: String
    package var displayName: String
    package var tags: [String]
    package var userMetadata: [String: String]
    package var projectID: String
    package var createdUnixMilliseconds: UInt64

    package init(_ id: String, tenant: String, _ request: CreateSessionRequest) {
      self.id = id
      self.tenant = tenant
      displayName = request.displayName
      tags = request.tags
      userMetadata = request.userMetadata
      projectID = request.projectID
      createdUnixMilliseconds = CheckpointStore.now()
    }
  }

  /// What is kept of `Training.CreateModel`.
  package struct Run: Codable, Sendable, Equatable {
    package var model: String
    package var baseModel: String
    package var rank: Int
    package var alpha: Float
    package var trainAttention: Bool
    package var trainMLP: Bool
    package var trainUnembed: Bool
    package var userMetadata: [String: String]
    package var createdUnixMilliseconds: UInt64

    package init(
      _ model: String, baseModel: String, rank: Int, alpha: Float, trainAttention: Bool,
      trainMLP: Bool, trainUnembed: Bool, userMetadata: [String: String]
    ) {
      self.model = model
      self.baseModel = baseModel
      self.rank = rank
      self.alpha = alpha
      self.trainAttention = trainAttention
      self.trainMLP = trainMLP
      self.trainUnembed = trainUnembed
      self.userMetadata = userMetadata
      createdUnixMilliseconds = CheckpointStore.now()
    }
  }

  /// What is kept of `Sampling.CreateSamplingSession`.
  package struct Sampler: Codable, Sendable, Equatable {
    package var id: String
    package var baseModel: String
    /// nil for the base model itself.
    package var modelPath: String?
    package var createdUnixMilliseconds: UInt64

    package init(_ id: String, baseModel: String, modelPath: String?) {
      self.id = id
      self.baseModel = baseModel
      self.modelPath = modelPath
      createdUnixMilliseconds = CheckpointStore.now()
    }
  }

  /// Sampling sessions of one session that are kept, the last ones.
  package static let samplers = 1024
  private static let samplerSuffix = ".json"

  private let root: String
  private let storage: any Storage

  package init(dataFolder: String, storage: any Storage) {
    root = "\(dataFolder)/\(SessionFolders.name)"
    self.storage = storage
  }

  // MARK: Sessions

  package func write(_ session: Session) throws {
    try storage.makeDirectory(folder(session.id))
    try write(try SealedManifest(session).encoded(), to: sessionFile(session.id))
  }

  /// The record of a session; nil if there is none that can be read.
  package func session(_ id: String) -> Session? {
    guard Self.isPlain(id) else { return nil }
    let found: Session? = read(sessionFile(id))
    return found?.id == id ? found : nil
  }

  // MARK: Models

  /// Keeps a model's record; the first one where its creation is replayed.
  package func write(_ run: Run) throws {
    guard self.run(run.model) == nil else { return }
    try storage.makeDirectory(folder(run.model))
    try write(try SealedManifest(run).encoded(), to: runFile(run.model))
  }

  /// The record of a model; nil if there is none that can be read.
  package func run(_ model: String) -> Run? {
    guard Self.isPlain(model) else { return nil }
    let found: Run? = read(runFile(model))
    return found?.model == model ? found : nil
  }

  /// The models of some sessions, in the order of their ids.
  package func models(of sessions: Set<String>) -> [String] {
    Self.names(in: root).filter {
      sessions.contains(SessionFolders.session(of: $0)) && access(runFile($0), F_OK) == 0
    }.sorted()
  }

  /// When anything was last written in a model's folder, in milliseconds since 1970.
  package func lastChange(of model: String) -> UInt64 {
    let folder = folder(model)
    let paths = [folder] + Self.names(in: folder).map { "\(folder)/\($0)" }
    return paths.compactMap { FileIdentity($0)?.changedUnixMilliseconds }.max() ?? 0
  }

  // MARK: Sampling sessions

  /// Of a session that is not recorded, or under a name that no file can have, none is kept.
  package func write(_ sampler: Sampler) throws {
    let session = SessionFolders.session(of: sampler.id)
    guard Self.isPlain(sampler.id), access(sessionFile(session), F_OK) == 0 else { return }
    let (folder, file) = (samplerFolder(session), samplerFile(sampler.id))
    try storage.makeDirectory(folder)
    let names = Self.names(in: folder)
    if names.count >= Self.samplers, access(file, F_OK) != 0 {
      let oldest = names.min { (age("\(folder)/\($0)"), $0) < (age("\(folder)/\($1)"), $1) }
      if let oldest { try storage.remove("\(folder)/\(oldest)") }
    }
    try write(try SealedManifest(sampler).encoded(), to: file)
  }

  private func age(_ file: String) -> UInt64 { FileIdentity(file)?.changedUnixMilliseconds ?? 0 }

  /// The record of a sampling session; nil if there is none that can be read.
  package func sampler(_ id: String) -> Sampler? {
    guard Self.isPlain(id) else { return nil }
    let found: Sampler? = read(samplerFile(id))
    return found?.id == id ? found : nil
  }

  /// The sampling sessions of a session, in the order of their numbers.
  package func samplers(of session: String) -> [String] {
    Self.names(in: samplerFolder(session)).filter { $0.hasSuffix(Self.samplerSuffix) }
      .map { "\(session):\($0.dropLast(Self.samplerSuffix.count))" }
      .sorted { $0.compare($1, options: .numeric) == .orderedAscending }
  }

  // MARK: Files

  private func folder(_ name: String) -> String { "\(root)/\(name)" }
  private func sessionFile(_ id: String) -> String { "\(folder(id))/session.json" }
  private func runFile(_ model: String) -> String { "\(folder(model))/run.json" }
  private func samplerFolder(_ session: String) -> String { "\(folder(session))/samplers" }
  private func samplerFile(_ id: String) -> String {
    let session = SessionFolders.session(of: id)
    return "\(samplerFolder(session))/\(id.dropFirst(session.count + 1))\(Self.samplerSuffix)"
  }

  /// Whether a client's text can be the name of a file.
  private static func isPlain(_ name: String) -> Bool {
    (try? CheckpointPath.check(name, field: "")) != nil
  }

  private func write(_ data: Data, to file: String) throws {
    try storage.replaceFile(file) { written in
      try data.withUnsafeBytes { try written.append($0) }
    }
  }

  /// One that is damaged is as good as none: nobody can be told anything of it.
  private func read<Value: Codable>(_ file: String) -> Value? { try? SealedManifest.read(file) }

  private static func names(in folder: String) -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
  }
}
