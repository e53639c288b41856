import Checkpoints
import Engine
import Foundation
import RPC
import Wire

/// The methods of the service `Checkpoints` that need a base model; the keeper has the others.
///
/// They run beside the compute thread, one at a time and tenants in turns: reading and merging take
/// longer than a batch may.
extension Handlers {
  func addCheckpoints(to table: inout MethodTable) {
    handleAside(&table, .checkpointsImport, ImportCheckpointRequest.self) {
      worker, request, context in
      let (base, work) = (try worker.base(request.baseModel).model, AdapterWork(worker, compute))
      return { try work.importAdapter(request, base, context) }
    }
    handleAside(&table, .checkpointsExportMerged, CheckpointRequest.self) {
      worker, request, context in
      let path = try CheckpointPath(request.path, field: "path")
      let manifest = try worker.checkpoints.manifest(path, for: context.tenant)
      let (base, work) = (try worker.base(manifest.baseModel).model, AdapterWork(worker, compute))
      return { try work.exportMerged(path, base, context) }
    }
  }

  /// A method whose work `prepare`, on the compute thread, gives to the queue for such.
  private func handleAside<Request: WireMessage, Response: WireMessage>(
    _ table: inout MethodTable, _ method: Method, _ request: Request.Type,
    _ prepare:
      @escaping @Sendable (Worker, Request, CallContext) throws -> (() throws -> Response)
  ) {
    let queue = asideQueue
    table.handle(method, Request.self, Response.self) { request, context, reply in
      compute.submit { worker in
        do {
          try Self.refuseIfUnwanted(context)
          // Nothing else refers to the work's own objects, and the base model is only read.
          nonisolated(unsafe) let work = try prepare(worker, request, context)
          queue.add(for: String(context.tenant)) {
            do {
              try Self.refuseIfUnwanted(context)
              reply.finish(try work())
            } catch {
              reply.fail(.from(error))
            }
          }
        } catch {
          reply.fail(.from(error))
        }
      }
    }
  }
}

/// Taking adapters in and merging them into their base.
private struct AdapterWork {
  private let dataFolder: String
  private let storage: any Storage
  private let checkpoints: CheckpointStore
  private let memory: MemoryAccount
  private let compute: ComputeThread

  init(_ worker: Worker, _ compute: ComputeThread) {
    memory = worker.memory
    self.compute = compute
    dataFolder = worker.configuration.dataFolder
    storage = worker.storage
    checkpoints = worker.checkpoints
  }

  /// Asks for an adapter's memory; the compute thread, which has what may give way, makes room.
  private func admit(_ bytes: Int) throws(EngineError) -> AnyObject? {
    if memory.free(.adapters) < bytes {
      let done = DispatchSemaphore(value: 0)
      compute.submit { worker in
        worker.makeRoom(bytes)
        done.signal()
      }
      // It does not come back from a worker that is stopping.
      _ = done.wait(timeout: .now() + 10)
    }
    return try memory.admit(bytes, "the adapter")
  }

  /// A checkpoint of an adapter in PEFT's layout, or what an earlier attempt made of it.
  func importAdapter(
    _ request: ImportCheckpointRequest, _ base: Engine.BaseModel, _ context: CallContext
  ) throws -> Checkpoint {
    let path = try CheckpointPath(
      model: context.checkpointModel("import"), kind: request.kind, name: request.name,
      field: "name")
    if checkpoints.exists(path) {
      return Checkpoint(try checkpoints.manifest(path, for: context.tenant), path)
    }
    let kernels = try Kernels(threads: 1)
    let adapter = try withFiles(of: request) { folder in
      try AdapterImport.read(folder, model: base, kernels: kernels, admit: admit)
    }
    let manifest = CheckpointStore.Manifest(
      adapter, base: base.name, path: path, tenant: context.tenant,
      userMetadata: request.userMetadata)
    let written = try checkpoints.write(path, overwrite: false, manifest: manifest) { folder in
      try AdapterFiles.write(adapter, base: base.name, to: folder, storage: storage)
      if path.kind == .training {
        try TrainingStateFiles.write(
          adapter, includesGradient: false, to: folder, storage: storage)
      }
    }
    return Checkpoint(written, path)
  }

  /// Lends the files of a request as a folder.
  /// - Throws: INVALID_ARGUMENT naming a file that is missing or not wanted.
  private func withFiles<Result>(
    of request: ImportCheckpointRequest, _ body: (String) throws -> Result
  ) throws -> Result {
    let wanted = [AdapterFiles.configName, AdapterFiles.weightsName]
    for file in request.files where !wanted.contains(file.name) {
      throw RPCError(
        .invalidArgument, "is not a part of an adapter", field: "files[\(file.name)]")
    }
    for name in wanted where !request.files.contains(where: { $0.name == name }) {
      throw RPCError(.invalidArgument, "is missing", field: "files[\(name)]")
    }
    let folder = ModelExports.temporaryFolder(below: dataFolder)
    defer { try? storage.remove(folder) }
    try storage.makeDirectory(folder)
    for file in request.files {
      try storage.writeFile("\(folder)/\(file.name)") { written in
        try file.content.withUnsafeBytes { try written.append($0) }
      }
    }
    return try body(folder)
  }

  /// The base with a checkpoint's adapter merged into it.
  func exportMerged(
    _ path: CheckpointPath, _ base: Engine.BaseModel, _ context: CallContext
  ) throws -> ExportMergedResponse {
    let manifest = try checkpoints.verified(path, for: context.tenant)
    return try ModelExports(dataFolder: dataFolder, storage: storage).export(manifest) { folder in
      let kernels = try Kernels(threads: 1)
      let adapter = try AdapterFiles.read(
        checkpoints.url(path), model: base, kernels: kernels, admit: admit)
      try MergedModel.write(adapter, model: base, to: folder, storage: storage, kernels: kernels)
    }
  }
}

extension CheckpointStore.Manifest {
  /// Of an adapter as it is now.
  init(
    _ adapter: Adapter, base: String, path: CheckpointPath, tenant: Substring,
    ttlSeconds: UInt64? = nil, userMetadata: [String: String]
  ) {
    let (now, config) = (CheckpointStore.now(), adapter.config)
    self.init(
      path: path, tenant: tenant, baseModel: base, rank: config.rank, alpha: config.alpha,
      trainAttention: config.groups.contains(.attention),
      trainMLP: config.groups.contains(.mlp), trainUnembed: config.groups.contains(.unembedding),
      step: adapter.training?.stepCount ?? 0, createdUnixMilliseconds: now,
      expiresUnixMilliseconds: ttlSeconds.map { now + $0 * 1000 } ?? 0,
      userMetadata: userMetadata)
  }
}
