import Engine
import Foundation
import TestSupport
import Testing

@testable import Trainer

@Suite struct CheckpointStoreTests {
  let folder: TemporaryFolder
  let store: CheckpointStore
  let path: CheckpointPath

  init() throws {
    folder = try TemporaryFolder()
    store = CheckpointStore(folder: folder.path, storage: FileStorage())
    path = try CheckpointPath("tinsmith://m/weights/one", field: "path")
  }

  private func manifest(expires: UInt64 = 0) -> CheckpointStore.Manifest {
    CheckpointStore.Manifest(
      path: path.text, baseModel: "b", rank: 8, alpha: 32, trainAttention: true, trainMLP: true,
      trainUnembed: false, step: 3, createdUnixMilliseconds: 5, expiresUnixMilliseconds: expires,
      userMetadata: ["k": "v"], files: [:])
  }

  private func write(
    _ text: String, overwrite: Bool = false, expires: UInt64 = 0
  ) throws {
    try store.write(path, overwrite: overwrite, manifest: manifest(expires: expires)) { folder in
      try FileStorage().writeFile("\(folder)/data") { file in
        try Array(text.utf8).withUnsafeBytes { try file.append($0) }
      }
    }
  }

  @Test func writesVerifiesListsRemoves() throws {
    try write("hello")
    let read = try store.verified(path)
    #expect(read.files["data"]?.bytes == 5)
    #expect(
      read.files["data"]?.sha256
        == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
    #expect(store.list(model: nil).map(\.path) == [path.text])
    try store.remove(path)
    #expect(store.list(model: nil).isEmpty)
    #expect(throws: EngineError.self) { try store.manifest(path) }
  }

  @Test func overwritesOnlyWhenAsked() throws {
    try write("one")
    #expect(throws: CheckpointExists.self) { try write("two") }
    #expect(try store.verified(path).files["data"]?.bytes == 3)
    try write("three", overwrite: true)
    #expect(try store.verified(path).files["data"]?.bytes == 5)
    let left = try FileManager.default.contentsOfDirectory(
      atPath: "\(folder.path)/checkpoints/m/weights")
    #expect(left == ["one"])
  }

  @Test func aFailedWriteLeavesNothing() throws {
    struct Fault: Error {}
    #expect(throws: Fault.self) {
      try store.write(path, overwrite: false, manifest: manifest()) { _ in throw Fault() }
    }
    #expect(!store.exists(path))
    let left = try FileManager.default.contentsOfDirectory(
      atPath: "\(folder.path)/checkpoints/m/weights")
    #expect(left.isEmpty)
  }

  @Test func aChangedByteIsNamed() throws {
    try write("hello")
    try Data("jello".utf8).write(to: URL(fileURLWithPath: "\(store.url(path))/data"))
    let error = #expect(throws: EngineError.self) { try store.verified(path) }
    #expect(error?.code == .dataLoss)
    #expect(error?.message.contains("data") == true)
  }

  @Test func expires() throws {
    try write("hello", expires: 1)
    let error = #expect(throws: EngineError.self) { try store.manifest(path) }
    #expect(error?.code == .notFound)
  }
}
