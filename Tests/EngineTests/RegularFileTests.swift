import Foundation
import Glibc
import TestSupport
import Testing

@testable import Engine

/// What is read of folders that others made: regular files of a sensible size, also behind links.
@Suite(.timeLimit(.minutes(30))) struct RegularFileTests {
  private func error(_ path: String, limit: Int = 100) -> EngineError? {
    do throws(EngineError) {
      _ = try RegularFile.read(path, limit: limit)
      return nil
    } catch {
      return error
    }
  }

  @Test func limits() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/file"
    try Data(count: 100).write(to: URL(filePath: path))
    #expect(try RegularFile.read(path, limit: 100).count == 100)
    let tooLarge = try #require(error(path, limit: 99))
    #expect(tooLarge.code == .invalidArgument)
    #expect(tooLarge.message.contains(path) && tooLarge.message.contains("99"), "\(tooLarge)")
    #expect(error("\(path)-not-there")?.code == .notFound)
  }

  /// Hugging Face's cache: snapshots/… are links to blobs/….
  @Test func linksAreFollowed() throws {
    let folder = try TemporaryFolder()
    try Data("{}".utf8).write(to: URL(filePath: "\(folder.path)/blob"))
    #expect(symlink("blob", "\(folder.path)/link") == 0)
    #expect(try RegularFile.read("\(folder.path)/link", limit: 10) == Data("{}".utf8))
    #expect(try MappedFile(path: "\(folder.path)/link").bytes.count == 2)
    #expect(symlink("loop", "\(folder.path)/loop") == 0)
    #expect(error("\(folder.path)/loop")?.code == .notFound)
  }

  @Test func onlyRegularFiles() throws {
    let folder = try TemporaryFolder()
    #expect(mkfifo("\(folder.path)/pipe", 0o600) == 0)
    #expect(symlink("pipe", "\(folder.path)/link") == 0)
    for path in ["\(folder.path)/pipe", "\(folder.path)/link", folder.path, "/dev/zero"] {
      #expect(error(path)?.message.contains("not a regular file") == true, "\(path)")
      #expect(throws: EngineError.self) { _ = try MappedFile(path: path) }
    }
  }

  /// A header is refused by its length, before it is read.
  @Test func headersAreLimited() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/adapter_model.safetensors"
    let header = "{" + String(repeating: " ", count: RegularFile.Limit.adapterHeader) + "}"
    var file = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
    file += Data(header.utf8)
    try file.write(to: URL(filePath: path))
    #expect(try Safetensors(path: path).tensors.isEmpty)
    let refused = try #require(throws: EngineError.self) {
      _ = try Safetensors(path: path, headerLimit: RegularFile.Limit.adapterHeader)
    }
    #expect(refused.code == .dataLoss)
    #expect(refused.message.contains("\(RegularFile.Limit.adapterHeader)"), "\(refused)")
  }

  @Test func dimensionsThatOverflowAreRefused() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/x.safetensors"
    for shape in ["[0,9223372036854775807]", "[9223372036854775807,0]", "[-1,0]"] {
      let header = #"{"x":{"dtype":"F32","shape":\#(shape),"data_offsets":[0,0]}}"#
      var file = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
      file += Data(header.utf8)
      try file.write(to: URL(filePath: path))
      let refused = try #require(throws: EngineError.self) { _ = try Safetensors(path: path) }
      #expect(refused.code == .dataLoss, "\(shape): \(refused)")
    }
  }

  /// The weights are looked at before memory is taken for what only the config says, or anything is
  /// packed.
  @Test func weightsAreCheckedBeforeAnythingIsMade() throws {
    let kernels = try Kernels(threads: 1)
    let folder = try TemporaryFolder(copying: "\(Golden.folder)/models/qwen3")
    try folder.editJSON("config.json") { $0["num_hidden_layers"] = 1000 }
    let cache = "\(folder.path)/cache"
    let missing = #expect(throws: EngineError.self) {
      _ = try BaseModel(
        name: "qwen3", folder: folder.path, cache: cache, storage: FileStorage(), kernels: kernels)
    }
    #expect(missing?.code == .notFound)
    #expect(!FileManager.default.fileExists(atPath: cache))
  }
}
