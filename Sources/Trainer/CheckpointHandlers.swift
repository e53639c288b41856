import Engine
import Foundation
import RPC
import Wire

/// The service `Checkpoints`.
extension Handlers {
  func addCheckpoints(to table: inout MethodTable) {
    handle(&table, .checkpointsList, ListCheckpointsRequest.self) { worker, request, _ in
      try worker.listCheckpoints(request)
    }
    handle(&table, .checkpointsInfo, CheckpointRequest.self) { worker, request, _ in
      let path = try CheckpointPath(request.path, field: "path")
      return Checkpoint(try worker.checkpoints.manifest(path), path)
    }
    handle(&table, .checkpointsDelete, CheckpointRequest.self) { worker, request, _ in
      let path = try CheckpointPath(request.path, field: "path")
      try worker.checkpoints.remove(path)
      worker.snapshots.remove(path.text)
      return DeleteCheckpointResponse()
    }
    handle(&table, .checkpointsSetTTL, SetCheckpointTTLRequest.self) { worker, request, _ in
      let path = try CheckpointPath(request.path, field: "path")
      let expires = request.ttlSeconds.map { CheckpointStore.now() + $0 * 1000 } ?? 0
      try worker.checkpoints.update(path) { $0.expiresUnixMilliseconds = expires }
      return Checkpoint(try worker.checkpoints.manifest(path), path)
    }
    handle(&table, .checkpointsExport, CheckpointRequest.self) { worker, request, _ in
      let path = try CheckpointPath(request.path, field: "path")
      _ = try worker.checkpoints.verified(path)
      let folder = worker.checkpoints.url(path)
      return ExportCheckpointResponse(
        files: try [AdapterFiles.configName, AdapterFiles.weightsName].map { name in
          let data = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)"))
          return CheckpointFile(name: name, content: data.withUnsafeBytes { Bytes(copying: $0) })
        })
    }
  }
}

extension Worker {
  /// Pages of the list, newest first; the token is the number of those before.
  fileprivate func listCheckpoints(
    _ request: ListCheckpointsRequest
  ) throws -> ListCheckpointsResponse {
    guard let start = request.pageToken.isEmpty ? 0 : Int(request.pageToken), start >= 0 else {
      throw RPCError(.invalidArgument, "is not a token of an answer", field: "page_token")
    }
    if !request.modelID.isEmpty {
      // Becomes a folder name: only what may be one.
      _ = try CheckpointPath(
        model: request.modelID, kind: .training, name: "any", field: "model_id")
    }
    let all = checkpoints.list(model: request.modelID.isEmpty ? nil : request.modelID)
    let limit = request.limit == 0 ? 100 : request.limit
    let page = all.dropFirst(start).prefix(limit)
    let end = start + page.count
    return ListCheckpointsResponse(
      checkpoints: try page.map { Checkpoint($0, try CheckpointPath($0.path, field: "path")) },
      nextPageToken: end < all.count ? String(end) : "")
  }
}

extension Checkpoint {
  init(_ manifest: CheckpointStore.Manifest, _ path: CheckpointPath) {
    self.init(
      path: path.text, kind: path.kind, modelID: path.model, name: path.name,
      baseModel: manifest.baseModel,
      lora: LoraConfig(
        rank: manifest.rank, alpha: Double(manifest.alpha),
        trainAttention: manifest.trainAttention, trainMLP: manifest.trainMLP,
        trainUnembed: manifest.trainUnembed),
      step: UInt64(manifest.step),
      sizeBytes: UInt64(manifest.files.values.reduce(0) { $0 + $1.bytes }),
      createdUnixMilliseconds: manifest.createdUnixMilliseconds,
      expiresUnixMilliseconds: manifest.expiresUnixMilliseconds, isPublished: false,
      userMetadata: manifest.userMetadata)
  }
}
