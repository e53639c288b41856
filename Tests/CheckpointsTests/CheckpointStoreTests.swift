import Engine
import Foundation
import RPC
import TestSupport
import Testing
import Wire

@testable import Checkpoints

@Suite struct CheckpointStoreTests {
  let folder: TemporaryFolder
  let store: CheckpointStore
  let path: CheckpointPath

  init() throws {
    folder = try TemporaryFolder()
    store = CheckpointStore(folder: folder.path, storage: FileStorage())
    path = try CheckpointPath("tinsmith://m/weights/one", field: "path")
  }

  private func manifest(
    _ path: CheckpointPath, tenant: String = "ann", created: UInt64 = 5, expires: UInt64 = 0
  ) -> CheckpointStore.Manifest {
    CheckpointStore.Manifest(
      path: path, tenant: tenant, baseModel: "b", rank: 8, alpha: 32, trainAttention: true,
      trainMLP: true, trainUnembed: false, step: 3, createdUnixMilliseconds: created,
      expiresUnixMilliseconds: expires, userMetadata: ["k": "v"])
  }

  private func write(
    _ text: String, name: String = "one", tenant: String = "ann", overwrite: Bool = false,
    created: UInt64 = 5, expires: UInt64 = 0
  ) throws {
    let path = try CheckpointPath(model: "m", kind: .training, name: name, field: "name")
    let manifest = manifest(path, tenant: tenant, created: created, expires: expires)
    try store.write(path, overwrite: overwrite, manifest: manifest) { folder in
      try FileStorage().writeFile("\(folder)/data") { file in
        try Array(text.utf8).withUnsafeBytes { try file.append($0) }
      }
    }
  }

  private var names: [String] { store.names("m", .training).sorted() }

  @Test func writesVerifiesListsRemoves() throws {
    try write("hello")
    let read = try store.verified(path, for: "ann")
    #expect(read.files["data"]?.bytes == 5)
    #expect(
      read.files["data"]?.sha256
        == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
    #expect(names == ["one"])
    try store.remove(path)
    #expect(names.isEmpty)
    #expect(throws: EngineError.self) { try store.manifest(path) }
  }

  @Test func overwritesOnlyWhenAsked() throws {
    try write("one")
    let error = #expect(throws: RPCError.self) { try write("two") }
    #expect(error?.code == .alreadyExists)
    #expect(try store.verified(path, for: "ann").files["data"]?.bytes == 3)
    try write("three", overwrite: true)
    #expect(try store.verified(path, for: "ann").files["data"]?.bytes == 5)
    #expect(names == ["one"])
  }

  @Test func aFailedWriteLeavesNothing() throws {
    struct Fault: Error {}
    #expect(throws: Fault.self) {
      try store.write(path, overwrite: false, manifest: manifest(path)) { _ in throw Fault() }
    }
    #expect(!store.exists(path))
    #expect(names.isEmpty)
  }

  @Test func aChangedByteIsNamed() throws {
    try write("hello")
    try Data("jello".utf8).write(to: URL(fileURLWithPath: "\(store.url(path))/data"))
    let error = #expect(throws: EngineError.self) { try store.verified(path, for: "ann") }
    #expect(error?.code == .dataLoss)
    #expect(error?.message.contains("data") == true)
  }

  @Test func expires() throws {
    try write("hello", expires: 1)
    let error = #expect(throws: EngineError.self) { try store.manifest(path) }
    #expect(error?.code == .notFound)
  }

  @Test func othersSeeOnlyWhatIsPublished() throws {
    try write("hello")
    #expect(try store.manifest(path, for: "ann").tenant == "ann")
    let error = #expect(throws: EngineError.self) {
      try store.verified(path, for: "bob", field: "from_path")
    }
    #expect(error?.code == .notFound && error?.field == "from_path")
    let published = try store.update(path) { $0.isPublished = true }
    #expect(published.isPublished)
    #expect(try store.verified(path, for: "bob") == published)
  }

  /// Every byte of the manifest, and of the data.
  @Test func aChangedBitIsNoticed() throws {
    try write("hello")
    let original = try store.stored(path)
    for name in ["data", CheckpointStore.manifestName] {
      let file = URL(fileURLWithPath: "\(store.url(path))/\(name)")
      let content = try Data(contentsOf: file)
      for bit in 0..<content.count * 8 {
        var damaged = content
        damaged[bit / 8] ^= 1 << UInt8(bit % 8)
        try damaged.write(to: file)
        do throws(EngineError) {
          // What still reads as it was is a bit that says nothing: a blank.
          let read = try store.verified(path, for: "ann")
          #expect(name != "data" && read == original, "bit \(bit) of \(name)")
        } catch {
          #expect(error.code == .dataLoss && error.message.contains(name), "\(error)")
        }
      }
      try content.write(to: file)
    }
    #expect(try store.verified(path, for: "ann") == original)
  }

  @Test func keepsTheNewest() throws {
    for (age, name) in ["a", "b", "c", "d", "e"].enumerated() {
      try write(name, name: name, created: UInt64(100 + age))
    }
    let second = try CheckpointPath(model: "m", kind: .training, name: "b", field: "name")
    _ = try store.update(second) { $0.isPublished = true }
    let newest = try CheckpointPath(model: "m", kind: .training, name: "e", field: "name")
    store.removeOldest(keeping: 3, newest: newest)
    #expect(names == ["b", "c", "d", "e"])
    store.removeOldest(keeping: 1, newest: newest)
    #expect(names == ["b", "e"])
  }

  @Test func aCopyBelongsToWhoMadeIt() throws {
    try write("hello")
    let target = try CheckpointPath("tinsmith://s:copy:4/weights/mine", field: "path")
    #expect(throws: EngineError.self) {
      try store.copy(path, to: target, tenant: "bob", expires: 0)
    }
    _ = try store.update(path) { $0.isPublished = true }
    let copy = try store.copy(path, to: target, tenant: "bob", expires: 0)
    #expect(copy.tenant == "bob" && !copy.isPublished && copy.path == target.text)
    #expect(try store.verified(target, for: "bob") == copy)
    // The same request again, also when the original is gone.
    #expect(try store.copy(path, to: target, tenant: "bob", expires: 0) == copy)
    try write("another", name: "two", tenant: "bob")
    let other = try CheckpointPath("tinsmith://m/weights/two", field: "path")
    let error = #expect(throws: RPCError.self) {
      try store.copy(other, to: target, tenant: "bob", expires: 0)
    }
    #expect(error?.code == .alreadyExists)
    try store.remove(path)
    #expect(try store.copy(path, to: target, tenant: "bob", expires: 0) == copy)
  }
}
