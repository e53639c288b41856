import JSON
import Foundation

/// The small files of a Hugging Face model folder that tokenizer and chat template read.
struct ModelFolder {
  static let maximumFileBytes = 1 << 28

  let directory: URL

  /// A file's bytes, nil if there is no such file.
  ///
  /// Read through one descriptor that is opened without waiting and looked at first: a pipe in the
  /// place of a file would hold the caller for ever, a device would never end.
  /// - Throws: `invalidFile` if it is no file or cannot be read, `limitExceeded` if it is too large.
  func bytes(_ name: String) throws(TokenizerError) -> [UInt8]? {
    let path = directory.appendingPathComponent(name).path
    let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT || errno == ENOTDIR { return nil }
      throw Self.failure(path)
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw Self.failure(path) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw TokenizerError(.invalidFile, "\(path) is not a file")
    }
    guard status.st_size <= Self.maximumFileBytes else {
      throw TokenizerError(.limitExceeded, "\(name) is larger than 256 MiB")
    }
    return try Self.read(descriptor, count: Int(status.st_size), path)
  }

  private static func read(
    _ descriptor: CInt, count: Int, _ path: String
  ) throws(TokenizerError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let got = bytes.withUnsafeMutableBytes { buffer in
        Foundation.read(descriptor, buffer.baseAddress.map { $0 + done }, count - done)
      }
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw failure(path) }
      if got == 0 { break }  // It has become shorter.
      done += got
    }
    bytes.removeSubrange(done...)
    return bytes
  }

  private static func failure(_ path: String) -> TokenizerError {
    TokenizerError(.invalidFile, "cannot read \(path): \(String(cString: strerror(errno)))")
  }

  /// A file that holds a JSON object, nil if there is no such file.
  func object(_ name: String) throws(TokenizerError) -> JSONObject? {
    guard let bytes = try bytes(name) else { return nil }
    return try Self.object(bytes, name)
  }

  /// The JSON object that a text is.
  /// - Throws: `invalidFile` or `limitExceeded` naming the file.
  static func object(_ bytes: [UInt8], _ name: String) throws(TokenizerError) -> JSONObject {
    let value: JSONValue
    do throws(JSONError) {
      value = try JSONParser.parse(bytes)
    } catch {
      throw TokenizerError(
        error.code == .invalid ? .invalidFile : .limitExceeded, "\(name): \(error)")
    }
    guard let object = value.object else {
      throw TokenizerError(.invalidFile, "\(name) is not a JSON object")
    }
    return object
  }

  /// The templates of `chat_template.jinja` and of the folder `additional_chat_templates`, by name.
  func chatTemplates() throws(TokenizerError) -> [String: String] {
    var files = ["default": "chat_template.jinja"]
    let more = "additional_chat_templates"
    let folder = directory.appendingPathComponent(more).path
    for file in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    where file.hasSuffix(".jinja") {
      files[String(file.dropLast(6))] = "\(more)/\(file)"
    }
    var sources: [String: String] = [:]
    for (name, file) in files {
      guard let bytes = try bytes(file) else { continue }
      guard let source = String(validating: bytes, as: UTF8.self) else {
        throw TokenizerError(.invalidFile, "\(file) is not UTF-8")
      }
      sources[name] = source
    }
    return sources
  }

  /// The text of a special token in `tokenizer_config.json`, written plainly or as an object.
  static func specialToken(_ value: JSONValue?) -> String? {
    value?.string ?? value?.object?["content"]?.string
  }
}
