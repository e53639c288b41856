internal import CProto

/// `Checkpoints.List`.
package struct ListCheckpointsRequest: Sendable, Equatable {
  /// Of this model; empty for all models of the user.
  package var modelID: String
  /// At most so many; 0 for 100.
  package var limit: Int
  /// From the answer before; empty to start.
  package var pageToken: String

  /// A request.
  package init(modelID: String = "", limit: Int = 0, pageToken: String = "") {
    self.modelID = modelID
    self.limit = limit
    self.pageToken = pageToken
  }
}

extension ListCheckpointsRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__ListCheckpointsRequest>?) {
    tinsmith__v1__list_checkpoints_request__init(c)
  }

  init(_ c: Tinsmith__V1__ListCheckpointsRequest, _ reader: Reader) throws(WireError) {
    modelID = reader.text(c.model_id)
    limit = try Check.range(c.limit, 0...Limits.maxListItems, "limit")
    pageToken = reader.text(c.page_token)
  }

  func fill(_ c: inout Tinsmith__V1__ListCheckpointsRequest, _ writer: Writer) {
    c.model_id = writer.text(modelID)
    c.limit = UInt32(clamping: limit)
    c.page_token = writer.text(pageToken)
  }
}

/// Answer of `Checkpoints.List`.
package struct ListCheckpointsResponse: Sendable, Equatable {
  /// Newest first.
  package var checkpoints: [Checkpoint]
  /// Empty after the last page.
  package var nextPageToken: String

  /// An answer.
  package init(checkpoints: [Checkpoint], nextPageToken: String = "") {
    self.checkpoints = checkpoints
    self.nextPageToken = nextPageToken
  }
}

extension ListCheckpointsResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__ListCheckpointsResponse>?) {
    tinsmith__v1__list_checkpoints_response__init(c)
  }

  init(_ c: Tinsmith__V1__ListCheckpointsResponse, _ reader: Reader) throws(WireError) {
    checkpoints = try reader.list(c.checkpoints, c.n_checkpoints, "checkpoints")
    nextPageToken = reader.text(c.next_page_token)
  }

  func fill(_ c: inout Tinsmith__V1__ListCheckpointsResponse, _ writer: Writer) {
    writer.list(checkpoints, &c.n_checkpoints, &c.checkpoints)
    c.next_page_token = writer.text(nextPageToken)
  }
}

/// A file of an adapter in PEFT's layout.
package struct CheckpointFile: Sendable, Equatable {
  /// File name without folder.
  package var name: String
  /// Its bytes.
  package var content: Bytes

  /// A file.
  package init(name: String, content: Bytes) {
    self.name = name
    self.content = content
  }
}

extension CheckpointFile: Coded {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__CheckpointFile>?) {
    tinsmith__v1__checkpoint_file__init(c)
  }

  init(_ c: Tinsmith__V1__CheckpointFile, _ reader: Reader) throws(WireError) {
    // A file name from the wire becomes a path on whichever side writes it.
    name = try Check.name(try Check.present(reader.text(c.name), "name"))
    let blob: Blob? = try reader.optional(c.content, "content")
    content = blob?.bytes ?? .empty
  }

  func fill(_ c: inout Tinsmith__V1__CheckpointFile, _ writer: Writer) {
    c.name = writer.text(name)
    c.content = writer.message(Blob(content))
  }
}

/// Answer of `Checkpoints.Export`.
package struct ExportCheckpointResponse: Sendable, Equatable {
  /// The adapter in PEFT's layout.
  package var files: [CheckpointFile]

  /// An answer.
  package init(files: [CheckpointFile]) { self.files = files }
}

extension ExportCheckpointResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__ExportCheckpointResponse>?) {
    tinsmith__v1__export_checkpoint_response__init(c)
  }

  init(_ c: Tinsmith__V1__ExportCheckpointResponse, _ reader: Reader) throws(WireError) {
    files = try reader.files(c.files, c.n_files)
  }

  func fill(_ c: inout Tinsmith__V1__ExportCheckpointResponse, _ writer: Writer) {
    writer.list(files, &c.n_files, &c.files)
  }
}

/// `Checkpoints.Import`; answered with the `Checkpoint`.
package struct ImportCheckpointRequest: Sendable, Equatable {
  /// Name of the checkpoint to make.
  package var name: String
  /// What it is for.
  package var kind: CheckpointKind
  /// Name of the base model.
  package var baseModel: String
  /// `adapter_config.json` and `adapter_model.safetensors`.
  package var files: [CheckpointFile]
  /// Free text of the user.
  package var userMetadata: [String: String]

  /// A request.
  package init(
    name: String, kind: CheckpointKind, baseModel: String, files: [CheckpointFile],
    userMetadata: [String: String] = [:]
  ) {
    self.name = name
    self.kind = kind
    self.baseModel = baseModel
    self.files = files
    self.userMetadata = userMetadata
  }
}

extension ImportCheckpointRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__ImportCheckpointRequest>?) {
    tinsmith__v1__import_checkpoint_request__init(c)
  }

  init(_ c: Tinsmith__V1__ImportCheckpointRequest, _ reader: Reader) throws(WireError) {
    name = try Check.name(try Check.present(reader.text(c.name), "name"))
    kind = try Check.kind(UInt32(c.kind.rawValue))
    baseModel = try Check.present(reader.text(c.base_model), "base_model")
    files = try reader.files(c.files, c.n_files)
    userMetadata = try reader.givenMetadata(c.user_metadata, c.n_user_metadata)
  }

  func fill(_ c: inout Tinsmith__V1__ImportCheckpointRequest, _ writer: Writer) {
    c.name = writer.text(name)
    c.kind = Tinsmith__V1__CheckpointKind(rawValue: .init(kind.rawValue))
    c.base_model = writer.text(baseModel)
    writer.list(files, &c.n_files, &c.files)
    writer.pairs(userMetadata, &c.n_user_metadata, &c.user_metadata, TextPair.init)
  }
}

extension Reader {
  /// Files with unique names.
  fileprivate func files(
    _ start: UnsafeMutablePointer<UnsafeMutablePointer<Tinsmith__V1__CheckpointFile>?>?,
    _ count: Int
  ) throws(WireError) -> [CheckpointFile] {
    let files: [CheckpointFile] = try list(start, count, "files", limit: Limits.maxFiles)
    var names: Set<String> = []
    for file in files where !names.insert(file.name).inserted {
      throw WireError(.duplicateKey, "the name occurs twice", field: "files[\(file.name)]")
    }
    return files
  }
}
