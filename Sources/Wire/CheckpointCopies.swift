internal import CProto

/// `Checkpoints.Copy`; answered with the `Checkpoint`.
package struct CopyCheckpointRequest: Sendable, Equatable {
  /// What to copy.
  package var path: String
  /// Name of the copy; empty for that of the original.
  package var name: String
  /// Seconds until the copy is deleted; nil for never.
  package var ttlSeconds: UInt64?

  /// A request.
  package init(path: String, name: String = "", ttlSeconds: UInt64? = nil) {
    self.path = path
    self.name = name
    self.ttlSeconds = ttlSeconds
  }
}

extension CopyCheckpointRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__CopyCheckpointRequest>?) {
    tinsmith__v1__copy_checkpoint_request__init(c)
  }

  init(_ c: Tinsmith__V1__CopyCheckpointRequest, _ reader: Reader) throws(WireError) {
    path = try Check.present(reader.text(c.path), "path")
    name = try Check.name(reader.text(c.name))
    let hasTTL =
      c.ttl_presence_case == TINSMITH__V1__COPY_CHECKPOINT_REQUEST__TTL_PRESENCE_TTL_SECONDS
    ttlSeconds = hasTTL ? try Check.ttl(c.ttl_seconds) : nil
  }

  func fill(_ c: inout Tinsmith__V1__CopyCheckpointRequest, _ writer: Writer) {
    c.path = writer.text(path)
    c.name = writer.text(name)
    guard let ttlSeconds else { return }
    c.ttl_presence_case = TINSMITH__V1__COPY_CHECKPOINT_REQUEST__TTL_PRESENCE_TTL_SECONDS
    c.ttl_seconds = ttlSeconds
  }
}

/// A file of an exported model.
package struct ExportedFile: Sendable, Equatable {
  /// File name without folder.
  package var name: String
  /// Bytes of the file.
  package var sizeBytes: UInt64
  /// Lower-case hex.
  package var sha256: String

  /// A file.
  package init(name: String, sizeBytes: UInt64, sha256: String) {
    self.name = name
    self.sizeBytes = sizeBytes
    self.sha256 = sha256
  }
}

extension ExportedFile: Coded {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__ExportedFile>?) {
    tinsmith__v1__exported_file__init(c)
  }

  init(_ c: Tinsmith__V1__ExportedFile, _ reader: Reader) throws(WireError) {
    // The receiver makes a file of this name.
    name = try Check.name(try Check.present(reader.text(c.name), "name"))
    sizeBytes = c.size_bytes
    sha256 = reader.text(c.sha256)
  }

  func fill(_ c: inout Tinsmith__V1__ExportedFile, _ writer: Writer) {
    c.name = writer.text(name)
    c.size_bytes = sizeBytes
    c.sha256 = writer.text(sha256)
  }
}

/// Answer of `Checkpoints.ExportMerged`.
package struct ExportMergedResponse: Sendable, Equatable {
  /// Names the export in `ReadExportRequest`.
  package var exportID: String
  /// A Hugging Face model folder.
  package var files: [ExportedFile]

  /// An answer.
  package init(exportID: String, files: [ExportedFile]) {
    self.exportID = exportID
    self.files = files
  }
}

extension ExportMergedResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__ExportMergedResponse>?) {
    tinsmith__v1__export_merged_response__init(c)
  }

  init(_ c: Tinsmith__V1__ExportMergedResponse, _ reader: Reader) throws(WireError) {
    exportID = reader.text(c.export_id)
    files = try reader.list(c.files, c.n_files, "files", limit: Limits.maxFiles)
  }

  func fill(_ c: inout Tinsmith__V1__ExportMergedResponse, _ writer: Writer) {
    c.export_id = writer.text(exportID)
    writer.list(files, &c.n_files, &c.files)
  }
}

/// `Checkpoints.ReadExport`: a piece of a file.
package struct ReadExportRequest: Sendable, Equatable {
  /// From the answer of `ExportMerged`.
  package var exportID: String
  /// Name of one of its files.
  package var file: String
  /// First byte.
  package var offset: UInt64
  /// Bytes wanted, at most `Limits.maxPieceBytes`.
  package var length: Int

  /// A request.
  package init(exportID: String, file: String, offset: UInt64, length: Int) {
    self.exportID = exportID
    self.file = file
    self.offset = offset
    self.length = length
  }
}

extension ReadExportRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__ReadExportRequest>?) {
    tinsmith__v1__read_export_request__init(c)
  }

  init(_ c: Tinsmith__V1__ReadExportRequest, _ reader: Reader) throws(WireError) {
    // Both become parts of a path.
    exportID = try Check.name(
      try Check.present(reader.text(c.export_id), "export_id"), "export_id")
    file = try Check.name(try Check.present(reader.text(c.file), "file"), "file")
    offset = c.offset
    length = try Check.range(c.length, 1...Limits.maxPieceBytes, "length")
  }

  func fill(_ c: inout Tinsmith__V1__ReadExportRequest, _ writer: Writer) {
    c.export_id = writer.text(exportID)
    c.file = writer.text(file)
    c.offset = offset
    c.length = UInt32(clamping: length)
  }
}

/// Answer of `Checkpoints.ReadExport`.
package struct ReadExportResponse: Sendable, Equatable {
  /// As many bytes as were wanted, fewer at the end of the file.
  package var content: Bytes

  /// An answer.
  package init(content: Bytes) { self.content = content }
}

extension ReadExportResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__ReadExportResponse>?) {
    tinsmith__v1__read_export_response__init(c)
  }

  init(_ c: Tinsmith__V1__ReadExportResponse, _ reader: Reader) throws(WireError) {
    let blob: Blob? = try reader.optional(c.content, "content")
    content = blob?.bytes ?? .empty
  }

  func fill(_ c: inout Tinsmith__V1__ReadExportResponse, _ writer: Writer) {
    c.content = writer.message(Blob(content))
  }
}
