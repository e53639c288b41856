internal import Wire

extension ServiceClient {
  /// Bytes of the pieces in which `readExport` may be asked, at most.
  public static let maximumPieceBytes = Limits.maxPieceBytes

  /// The checkpoints of a model, newest first; with an empty id those of all models of the user.
  public func listCheckpoints(modelID: String = "") -> Pending<[Checkpoint]> {
    Pending { [session] in
      let sender = try await session.control()
      return try await Self.pages { page in
        let response = try await sender.send(
          .checkpointsList, ListCheckpointsRequest(modelID: modelID, pageToken: page),
          as: ListCheckpointsResponse.self
        ).value()
        return (response.checkpoints.map { Checkpoint($0) }, response.nextPageToken)
      }
    }
  }

  /// What a checkpoint is.
  public func checkpointInfo(path: String) -> Pending<Checkpoint> {
    ask(.checkpointsInfo, CheckpointRequest(path: path), Wire.Checkpoint.self) { Checkpoint($0) }
  }

  /// Deletes a checkpoint. Sampling from it that is under way ends as usual.
  public func deleteCheckpoint(path: String) -> Pending<Void> {
    ask(.checkpointsDelete, CheckpointRequest(path: path), DeleteCheckpointResponse.self) { _ in }
  }

  /// Changes when a checkpoint is deleted by itself.
  ///
  /// - Parameter ttlSeconds: from now; nil for never.
  public func setCheckpointTTL(path: String, ttlSeconds: UInt64?) -> Pending<Checkpoint> {
    let request = SetCheckpointTTLRequest(path: path, ttlSeconds: ttlSeconds)
    return ask(.checkpointsSetTTL, request, Wire.Checkpoint.self) { Checkpoint($0) }
  }

  /// Makes a checkpoint readable by other users, or takes that back.
  public func publishCheckpoint(
    path: String, isPublished: Bool = true
  ) -> Pending<Checkpoint> {
    ask(
      isPublished ? .checkpointsPublish : .checkpointsUnpublish, CheckpointRequest(path: path),
      Wire.Checkpoint.self
    ) { Checkpoint($0) }
  }

  /// Copies a checkpoint, also one that another user has published; the copy is this user's.
  ///
  /// - Parameters:
  ///   - name: of the copy; nil takes that of the original.
  ///   - ttlSeconds: when the copy is deleted; nil for never.
  public func copyCheckpoint(
    path: String, name: String? = nil, ttlSeconds: UInt64? = nil
  ) -> Pending<Checkpoint> {
    let request = CopyCheckpointRequest(path: path, name: name ?? "", ttlSeconds: ttlSeconds)
    return ask(.checkpointsCopy, request, Wire.Checkpoint.self) { Checkpoint($0) }
  }

  /// The files of a checkpoint's adapter, as PEFT loads them.
  public func exportCheckpoint(path: String) -> Pending<[CheckpointFile]> {
    ask(.checkpointsExport, CheckpointRequest(path: path), ExportCheckpointResponse.self) {
      $0.files.map { CheckpointFile(name: $0.name, content: $0.content.array) }
    }
  }

  /// Makes a checkpoint from an adapter in the layout of PEFT.
  ///
  /// - Parameters:
  ///   - files: `adapter_config.json` and `adapter_model.safetensors`.
  ///   - kind: what the checkpoint is to be for; training begins with a fresh optimizer.
  ///   - baseModel: the base model that the adapter belongs to.
  public func importCheckpoint(
    _ files: [CheckpointFile], name: String, kind: Checkpoint.Kind, baseModel: String,
    userMetadata: [String: String] = [:]
  ) -> Pending<Checkpoint> {
    let request = ImportCheckpointRequest(
      name: name, kind: kind == .training ? .training : .sampler, baseModel: baseModel,
      files: files.map { Wire.CheckpointFile(name: $0.name, content: Bytes($0.content)) },
      userMetadata: userMetadata)
    return ask(.checkpointsImport, request, Wire.Checkpoint.self) { Checkpoint($0) }
  }

  /// Has the service merge a checkpoint's adapter into its base model. The result stays there for a
  /// day after it was last asked for.
  public func exportMergedModel(path: String) -> Pending<ExportedModel> {
    ask(.checkpointsExportMerged, CheckpointRequest(path: path), ExportMergedResponse.self) {
      ExportedModel(
        id: $0.exportID,
        files: $0.files.map {
          ExportedModel.File(name: $0.name, sizeBytes: $0.sizeBytes, sha256: $0.sha256)
        })
    }
  }

  /// A piece of a file of a merged model.
  ///
  /// - Parameters:
  ///   - offset: the first byte.
  ///   - count: bytes wanted, at most `maximumPieceBytes`; fewer come at the end of the file.
  public func readExport(
    _ model: ExportedModel, file: String, offset: UInt64, count: Int = maximumPieceBytes
  ) -> Pending<[UInt8]> {
    let request = ReadExportRequest(
      exportID: model.id, file: file, offset: offset, length: count)
    return ask(.checkpointsReadExport, request, ReadExportResponse.self) { $0.content.array }
  }

  func ask<Request: WireMessage, Response: WireMessage, Value: Sendable>(
    _ method: Method, _ request: Request, _ response: Response.Type,
    _ decode: @escaping @Sendable (Response) -> Value
  ) -> Pending<Value> {
    Pending { [session] in
      decode(try await session.control().send(method, request, as: response).value())
    }
  }
}
