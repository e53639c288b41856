import Checkpoints
import Engine
import Foundation
import RPC
import Wire

/// What there is: sessions with what was made in them, and models.
///
/// A session is there while its record is; its sampling sessions, and models without a checkpoint, are
/// there with it. A model with a checkpoint is there as long as that is.
extension CheckpointKeeper {
  /// Items of one answer, whatever is asked for: each is read from files.
  private static let pageItems = 1024

  func addListing(to table: inout MethodTable) {
    handle(.sessionsList, &table) { (keeper, request: ListSessionsRequest, context) in
      try keeper.list(request, String(context.tenant))
    }
    handle(.sessionsInfo, &table) { (keeper, request: SessionInfoRequest, context) in
      guard keeper.register.has(request.sessionID, of: String(context.tenant)),
        let info = keeper.info(
          of: request.sessionID, models: keeper.register.records.models(of: [request.sessionID]))
      else {
        throw RPCError(
          .notFound, "there is no session \(request.sessionID)", field: "session_id")
      }
      return info
    }
    handle(.sessionsSampler, &table) { (keeper, request: SamplerRequest, context) in
      let id = request.samplingSessionID
      guard keeper.register.has(SessionFolders.session(of: id), of: String(context.tenant)),
        let sampler = keeper.register.records.sampler(id)
      else {
        throw RPCError(
          .notFound, "there is no sampling session \(id)", field: "sampling_session_id")
      }
      return SamplerInfo(
        samplingSessionID: id, baseModel: sampler.baseModel, modelPath: sampler.modelPath ?? "",
        createdUnixMilliseconds: sampler.createdUnixMilliseconds)
    }
    handle(.sessionsListRuns, &table) { (keeper, request: ListRunsRequest, context) in
      try keeper.list(request, String(context.tenant))
    }
    handle(.sessionsRun, &table) { (keeper, request: RunRequest, context) in
      try CheckpointPath.check(request.modelID, field: "model_id")
      guard let run = try keeper.run(request.modelID, for: String(context.tenant)) else {
        throw RPCError(.notFound, "there is no model \(request.modelID)", field: "model_id")
      }
      return run
    }
  }

  // MARK: Sessions

  private func list(
    _ request: ListSessionsRequest, _ tenant: String
  ) throws -> ListSessionsResponse {
    var entries = register.sessions(of: tenant)[...]
    if !request.pageToken.isEmpty {
      let (created, id) = try SessionToken.read(request.pageToken)
      entries = entries.drop { ($0.created, $0.id) >= (created, id) }
    }
    let models = register.records.models(of: Set(entries.map(\.id)))
    let byID = Dictionary(grouping: models, by: SessionFolders.session)
    var page = Page<SessionInfo>(limit: request.limit)
    for entry in entries {
      // It may have ended just now.
      guard let info = info(of: entry.id, models: byID[entry.id] ?? []) else { continue }
      guard page.add(info, token: SessionToken.text(entry)) else { break }
    }
    return ListSessionsResponse(sessions: page.items, nextPageToken: page.nextToken)
  }

  private func info(of id: String, models: [String]) -> SessionInfo? {
    register.records.session(id).map { session in
      SessionInfo(
        sessionID: id, createdUnixMilliseconds: session.createdUnixMilliseconds,
        displayName: session.displayName, tags: session.tags,
        userMetadata: session.userMetadata, projectID: session.projectID,
        modelIDs: models.sorted { $0.compare($1, options: .numeric) == .orderedAscending },
        samplingSessionIDs: register.records.samplers(of: id))
    }
  }

  // MARK: Models

  private func list(_ request: ListRunsRequest, _ tenant: String) throws -> ListRunsResponse {
    let start = try request.pageToken.isEmpty ? "" : RunToken.read(request.pageToken)
    let sessions = Set(register.sessions(of: tenant).map(\.id))
    let created = register.records.models(of: sessions).filter { $0 > start }
    let saved = try catalog.value.models(tenant: tenant, after: start)
    var page = Page<RunInfo>(limit: request.limit)
    for id in Set(created + saved).sorted() {
      guard let run = try run(id, for: tenant) else { continue }
      guard page.add(run, token: RunToken.text(id)) else { break }
    }
    return ListRunsResponse(runs: page.items, nextPageToken: page.nextToken)
  }

  /// What a tenant may know of a model; nil for nothing.
  private func run(_ model: String, for tenant: String) throws -> RunInfo? {
    let (records, session) = (register.records, SessionFolders.session(of: model))
    let record = register.has(session, of: tenant) ? records.run(model) : nil
    let newest = try catalog.value.newest(of: model, tenant: tenant)
    let checkpoints = try [newest.training, newest.sampler].map { manifest in
      try manifest.map { Checkpoint($0, try CheckpointPath($0.path, field: "path")) }
    }
    let last = checkpoints.compactMap(\.self).max {
      $0.createdUnixMilliseconds < $1.createdUnixMilliseconds
    }
    guard var run = record.map(RunInfo.init) ?? last.map(RunInfo.init(of:)) else {
      return nil
    }
    // The clock of files is a coarse one.
    run.changedUnixMilliseconds = max(
      run.createdUnixMilliseconds, record == nil ? 0 : records.lastChange(of: model),
      last?.createdUnixMilliseconds ?? 0)
    (run.lastCheckpoint, run.lastSamplerCheckpoint) = (checkpoints[0], checkpoints[1])
    return run
  }

  // MARK: Pages

  /// One answer of a list.
  private struct Page<Item: WireMessage> {
    private let limit: Int
    private(set) var items: [Item] = []
    /// Where the next page starts; empty if there is none.
    private(set) var nextToken = ""
    private var lastToken = ""
    private var bytes = 0

    /// - Parameter limit: as the client says; 0 for what is usual.
    init(limit: Int) {
      self.limit = limit == 0 ? 100 : min(limit, CheckpointKeeper.pageItems)
    }

    /// - Parameter token: finds what is behind the item.
    /// - Returns: false for an item that does not fit: it is the first of the next page.
    mutating func add(_ item: Item, token: String) -> Bool {
      let size = item.encode().byteCount
      guard items.isEmpty || items.count < limit && bytes + size <= CatalogIndex.pageBytes else {
        nextToken = lastToken
        return false
      }
      items.append(item)
      bytes += size
      lastToken = token
      return true
    }
  }
}

/// `page_token` of a list of sessions: the last one of the page before, which may be over by now.
enum SessionToken {
  static func text(_ entry: SessionRegister.Entry) -> String { "s:\(entry.created):\(entry.id)" }

  /// - Throws: INVALID_ARGUMENT.
  static func read(_ text: String) throws(RPCError) -> (created: UInt64, id: String) {
    let parts = text.split(separator: ":", maxSplits: 2)
    guard parts.count == 3, parts[0] == "s", let created = UInt64(parts[1]) else {
      throw PageToken.refusal
    }
    return (created, String(parts[2]))
  }
}

/// `page_token` of a list of models: the last one of the page before.
private enum RunToken {
  static func text(_ model: String) -> String { "r:\(model)" }

  /// - Throws: INVALID_ARGUMENT.
  static func read(_ text: String) throws(RPCError) -> String {
    let model = String(text.dropFirst(2))
    let isName = (try? CheckpointPath.check(model, field: "page_token")) != nil
    guard text.hasPrefix("r:"), isName else { throw PageToken.refusal }
    return model
  }
}

extension RunInfo {
  /// As it was created.
  fileprivate init(_ record: SessionRecords.Run) {
    self.init(
      modelID: record.model, baseModel: record.baseModel,
      lora: LoraConfig(
        rank: record.rank, alpha: Double(record.alpha), trainAttention: record.trainAttention,
        trainMLP: record.trainMLP, trainUnembed: record.trainUnembed),
      userMetadata: record.userMetadata, createdUnixMilliseconds: record.createdUnixMilliseconds)
  }

  /// As its checkpoint knows it.
  fileprivate init(of checkpoint: Checkpoint) {
    self.init(
      modelID: checkpoint.modelID, baseModel: checkpoint.baseModel, lora: checkpoint.lora,
      userMetadata: checkpoint.modelUserMetadata)
  }
}
