import Checkpoints
import Dispatch
package import Engine
import Foundation
import Logging
package import RPC
import Synchronization
package import Wire

/// What the keeper answers about checkpoints, sessions and models, and the removal of what is over.
///
/// Files are read and written on queues of its own, so that the keeper's loop never waits: short work
/// in turn on one, copies and exports on the other, where tenants take turns.
package final class CheckpointKeeper: Sendable {
  let store: CheckpointStore
  let exports: ModelExports
  let log = Logger(label: "tinsmith.catalog")
  let catalog: Confined<CatalogIndex>
  let register: SessionRegister
  private let requests: FairQueueOfWork
  private let transfers = FairQueueOfWork(label: "tinsmith.transfers")
  private let folders: SessionFolders
  private let sweep: Mutex<SessionSweep>
  private let sweeps = DispatchQueue(label: "tinsmith.sweeps", qos: .utility)
  /// Set once, by `init`, and cancelled by `deinit`.
  private nonisolated(unsafe) var timers: [any DispatchSourceTimer] = []

  /// Begins to remove what has expired, now and once a minute.
  /// - Parameter leaseMilliseconds: how long a session lives without a word.
  package init(
    dataFolder: String, storage: any Storage,
    leaseMilliseconds: UInt64 = RouterLimits.leaseMilliseconds
  ) {
    sweep = Mutex(SessionSweep(leaseMilliseconds: leaseMilliseconds))
    let store = CheckpointStore(folder: dataFolder, storage: storage)
    self.store = store
    exports = ModelExports(dataFolder: dataFolder, storage: storage)
    folders = SessionFolders(dataFolder: dataFolder, storage: storage)
    register = SessionRegister(dataFolder: dataFolder, storage: storage)
    let queue = DispatchQueue(label: "tinsmith.catalog")
    requests = FairQueueOfWork(on: queue)
    catalog = Confined(CatalogIndex(file: "\(dataFolder)/catalog.sqlite", store: store), to: queue)
    timers = [
      Self.timer(every: 60, on: queue) { [weak self] in self?.removeExpired() },
      Self.timer(every: 600, on: queue) { [weak self] in self?.removeLeftovers() },
    ]
  }

  deinit { for timer in timers { timer.cancel() } }

  // MARK: Methods

  /// The methods, for `RouterServer`.
  package var methods: MethodTable {
    var table = MethodTable()
    handle(.checkpointsList, &table) { keeper, request, context in
      try keeper.list(request, context)
    }
    handle(.checkpointsInfo, &table) {
      (keeper, request: CheckpointRequest, context) in
      let path = try CheckpointPath(request.path, field: "path")
      return Checkpoint(try keeper.store.manifest(path, for: context.tenant), path)
    }
    handle(.checkpointsDelete, &table) {
      (keeper, request: CheckpointRequest, context) in
      try keeper.store.remove(keeper.removable(request.path, context))
      return DeleteCheckpointResponse()
    }
    handle(.checkpointsSetTTL, &table) {
      (keeper, request: SetCheckpointTTLRequest, context) in
      let expires = Self.expiry(request.ttlSeconds)
      return try keeper.change(request.path, context) { $0.expiresUnixMilliseconds = expires }
    }
    handle(.checkpointsPublish, &table) {
      (keeper, request: CheckpointRequest, context) in
      try keeper.change(request.path, context) { $0.isPublished = true }
    }
    handle(.checkpointsUnpublish, &table) {
      (keeper, request: CheckpointRequest, context) in
      try keeper.change(request.path, context) { $0.isPublished = false }
    }
    handleTransfer(.checkpointsExport, &table) { keeper, request, context in
      try keeper.export(request, context)
    }
    handleTransfer(.checkpointsCopy, &table) { keeper, request, context in
      try keeper.copy(request, context)
    }
    handleTransfer(.checkpointsReadExport, &table) {
      (keeper, request: ReadExportRequest, context) in
      try keeper.exports.read(request, for: String(context.tenant), keeper.store)
    }
    addListing(to: &table)
    return table
  }

  /// Short work, tenants in turns.
  func handle<Request: WireMessage, Response: WireMessage>(
    _ method: Method, _ table: inout MethodTable,
    _ body: @escaping @Sendable (CheckpointKeeper, Request, CallContext) throws -> Response
  ) {
    table.handle(method, Request.self, Response.self) { [self] request, context, reply in
      requests.add(for: String(context.tenant)) { [self] in
        answer(reply, context) { try body($0, request, context) }
      }
    }
  }

  /// Work that takes as long as its files are large.
  private func handleTransfer<Request: WireMessage, Response: WireMessage>(
    _ method: Method, _ table: inout MethodTable,
    _ body: @escaping @Sendable (CheckpointKeeper, Request, CallContext) throws -> Response
  ) {
    table.handle(method, Request.self, Response.self) { [self] request, context, reply in
      transfers.add(for: String(context.tenant)) { [self] in
        answer(reply, context) { try body($0, request, context) }
      }
    }
  }

  private func answer<Response: WireMessage>(
    _ reply: Reply<Response>, _ context: CallContext,
    _ body: (CheckpointKeeper) throws -> Response
  ) {
    do {
      guard !context.isCancelled else { throw RPCError(.cancelled, "cancelled by the client") }
      reply.finish(try body(self))
    } catch {
      reply.fail(.from(error))
    }
  }

  private func list(
    _ request: ListCheckpointsRequest, _ context: CallContext
  ) throws -> ListCheckpointsResponse {
    if !request.modelID.isEmpty {
      try CheckpointPath.check(request.modelID, field: "model_id")
    }
    let start = try request.pageToken.isEmpty ? nil : PageToken.read(request.pageToken)
    let page = try catalog.value.page(
      tenant: String(context.tenant), model: request.modelID.isEmpty ? nil : request.modelID,
      after: start, limit: request.limit == 0 ? 100 : request.limit)
    return ListCheckpointsResponse(
      checkpoints: try page.manifests.map {
        Checkpoint($0, try CheckpointPath($0.path, field: "path"))
      }, nextPageToken: page.end.map(PageToken.text) ?? "")
  }

  private func export(
    _ request: CheckpointRequest, _ context: CallContext
  ) throws -> ExportCheckpointResponse {
    let path = try CheckpointPath(request.path, field: "path")
    let manifest = try store.verified(path, for: context.tenant)
    let names = [AdapterFiles.configName, AdapterFiles.weightsName]
    for name in names where manifest.files[name]?.bytes ?? 0 > Limits.maxFrameBytes {
      throw RPCError(
        .failedPrecondition, "\(name) has more than the \(Limits.maxFrameBytes) bytes of a frame")
    }
    return ExportCheckpointResponse(
      files: try names.map { name in
        let file = URL(fileURLWithPath: "\(store.url(path))/\(name)")
        let content = try Data(contentsOf: file, options: .alwaysMapped)
        return CheckpointFile(name: name, content: content.withUnsafeBytes { Bytes(copying: $0) })
      })
  }

  private func copy(
    _ request: CopyCheckpointRequest, _ context: CallContext
  ) throws -> Checkpoint {
    let source = try CheckpointPath(request.path, field: "path")
    guard !source.isUnnamed || !request.name.isEmpty else {
      throw RPCError(
        .invalidArgument, "the original has no name: its copy needs one", field: "name")
    }
    let target = try CheckpointPath(
      model: context.checkpointModel("copy"), kind: source.kind,
      name: request.name.isEmpty ? source.name : request.name, field: "name")
    let manifest = try store.copy(
      source, to: target, tenant: context.tenant, expires: Self.expiry(request.ttlSeconds))
    return Checkpoint(manifest, target)
  }

  private func change(
    _ text: String, _ context: CallContext,
    _ change: (inout CheckpointStore.Manifest) -> Void
  ) throws -> Checkpoint {
    let path = try owned(text, context)
    guard !path.isUnnamed else {
      throw RPCError(
        .failedPrecondition,
        "weights without a name go with their session; copy them under a name to keep them",
        field: "path")
    }
    try catalog.value.willChange(path)
    return Checkpoint(try store.update(path, change), path)
  }

  /// The path of a checkpoint that the caller may change.
  /// - Throws: NOT_FOUND; PERMISSION_DENIED for one that the caller may only read.
  private func owned(_ text: String, _ context: CallContext) throws -> CheckpointPath {
    let path = try CheckpointPath(text, field: "path")
    let manifest = try store.manifest(path, for: context.tenant)
    guard manifest.tenant == context.tenant else {
      throw RPCError(
        .permissionDenied, "\(path.text) belongs to another tenant, who has published it",
        field: "path")
    }
    return path
  }

  /// The path of a checkpoint that the caller may delete: one of its own, and one of its session's
  /// models whatever the manifest says, which may be damaged.
  private func removable(_ text: String, _ context: CallContext) throws -> CheckpointPath {
    do {
      return try owned(text, context)
    } catch let error as EngineError where error.code == .dataLoss {
      let path = try CheckpointPath(text, field: "path")
      guard SessionFolders.session(of: path.model) == context.session else { throw error }
      return path
    }
  }

  /// In milliseconds since 1970; 0 for never.
  private static func expiry(_ seconds: UInt64?) -> UInt64 {
    seconds.map { CheckpointStore.now() + $0 * 1000 } ?? 0
  }

  // MARK: Housekeeping

  private func removeExpired() {
    do {
      for path in try catalog.value.expired() {
        // The manifest decides, which may have been changed since.
        guard let manifest = try? store.stored(path), manifest.isExpired(at: CheckpointStore.now())
        else { continue }
        do {
          try store.remove(path)
          log.info("\(path.text) has expired")
        } catch {
          log.warning("\(path.text) has expired and stays: \(error)")
        }
      }
    } catch {
      log.warning("checkpoints that have expired stay for now: \(error)")
    }
  }

  /// A session begins: it is recorded, to be listed while it lives.
  /// - Parameter done: called on any thread, with why it will not be listed if so.
  package func sessionBegins(
    _ id: String, tenant: String, _ request: CreateSessionRequest,
    _ done: @escaping @Sendable (String?) -> Void
  ) {
    register.add(SessionRecords.Session(id, tenant: tenant, request), done)
  }

  /// A session has ended: it is not listed any more. What its models left goes with their owners, or
  /// is swept up.
  package func sessionEnded(_ id: String) { register.ended(id) }

  /// Removes what sessions left that are over, whoever was away when they ended.
  /// - Parameter alive: the sessions there are; told now and then.
  package func sessionsAlive(_ alive: Set<String>) {
    sweeps.async { [self] in
      let over = sweep.withLock {
        $0.next(here: folders.sessions(), alive: alive, now: Monotonic.milliseconds())
      }
      for session in over {
        log.info("session \(session) is over")
        register.ended(session)
        folders.remove(session: session)
      }
    }
  }

  /// Waits for what `sessionsAlive` has begun; for tests.
  func sweepsDone() { sweeps.sync {} }

  private func removeLeftovers() {
    do {
      try store.removeLeftovers()
      try folders.removeLeftovers()
      try exports.removeOld()
    } catch {
      log.warning("what crashed writes left stays for now: \(error)")
    }
  }

  private static func timer(
    every seconds: Int, on queue: DispatchQueue, _ body: @escaping @Sendable () -> Void
  ) -> any DispatchSourceTimer {
    let timer = DispatchSource.makeTimerSource(queue: queue)
    timer.setEventHandler(handler: body)
    timer.schedule(deadline: .now(), repeating: .seconds(seconds), leeway: .seconds(1))
    timer.activate()
    return timer
  }
}

/// `page_token`: where a page ended. Those of other lists begin with other letters: one of them would
/// find a wrong place without a word.
enum PageToken {
  static func text(_ position: CatalogIndex.Position) -> String {
    "c:\(position.created):\(position.path)"
  }

  /// - Throws: INVALID_ARGUMENT.
  static func read(_ text: String) throws(RPCError) -> CatalogIndex.Position {
    let parts = text.split(separator: ":", maxSplits: 2)
    guard parts.count == 3, parts[0] == "c", let created = UInt64(parts[1]),
      let path = try? CheckpointPath(String(parts[2]), field: "page_token")
    else { throw refusal }
    return CatalogIndex.Position(created: created, path: path.text)
  }

  static var refusal: RPCError {
    RPCError(.invalidArgument, "is not a token of an answer of this list", field: "page_token")
  }
}

/// A value that is used on one queue only.
///
/// `@unchecked Sendable`: every access checks that it is on the queue.
final class Confined<Value>: @unchecked Sendable {
  private let content: Value
  private let queue: DispatchQueue

  init(_ value: Value, to queue: DispatchQueue) {
    content = value
    self.queue = queue
  }

  var value: Value {
    dispatchPrecondition(condition: .onQueue(queue))
    return content
  }
}
