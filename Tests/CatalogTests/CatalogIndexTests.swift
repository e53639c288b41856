import Checkpoints
import Engine
import Foundation
import Glibc
import TestSupport
import Testing
import Wire

@testable import Catalog

/// The index says what the folders hold, whatever became of it.
@Suite struct CatalogIndexTests {
  let folder: TemporaryFolder
  let store: CheckpointStore
  var file: String { "\(folder.path)/catalog.sqlite" }

  init() throws {
    folder = try TemporaryFolder()
    store = CheckpointStore(folder: folder.path, storage: FileStorage())
  }

  private func path(_ text: String) throws -> CheckpointPath {
    try CheckpointPath("tinsmith://\(text)", field: "path")
  }

  private func write(
    _ text: String, tenant: String = "ann", created: UInt64, expires: UInt64 = 0,
    published: Bool = false
  ) throws {
    let path = try path(text)
    var manifest = CheckpointStore.Manifest(
      path: path, tenant: tenant, baseModel: "b", rank: 8, alpha: 32, trainAttention: true,
      trainMLP: true, trainUnembed: true, step: Int(created), createdUnixMilliseconds: created,
      expiresUnixMilliseconds: expires, userMetadata: ["note": "n\(created)"])
    manifest.isPublished = published
    try store.write(path, overwrite: true, manifest: manifest) { folder in
      try FileStorage().writeFile("\(folder)/data") { _ in }
    }
  }

  /// Makes everything so old that it is not read again unless it changes.
  private func age() throws {
    let manager = FileManager.default
    let old = Date(timeIntervalSinceNow: -100)
    for item in manager.enumerator(atPath: store.root) ?? .init() {
      guard let item = item as? String else { continue }
      try manager.setAttributes(
        [.modificationDate: old], ofItemAtPath: "\(store.root)/\(item)")
    }
  }

  private func index() -> CatalogIndex { CatalogIndex(file: file, store: store) }

  private func list(
    _ index: CatalogIndex, _ tenant: String = "ann", model: String? = nil
  ) throws -> [String] {
    try index.page(tenant: tenant, model: model, after: nil, limit: 100).manifests.map(\.path)
  }

  private let a1 = "tinsmith://a/weights/1"
  private let a2 = "tinsmith://a/sampler_weights/2"
  private let b3 = "tinsmith://b/weights/3"

  private func writeThree() throws {
    try write("a/weights/1", created: 1)
    try write("a/sampler_weights/2", created: 2, published: true)
    try write("b/weights/3", tenant: "bob", created: 3)
  }

  @Test func everybodyHasAListOfTheirOwn() throws {
    try writeThree()
    let index = index()
    #expect(try list(index) == [a2, a1])
    #expect(try list(index, "bob") == [b3])
    #expect(try list(index, "eve").isEmpty)
    #expect(try list(index, model: "a") == [a2, a1])
    #expect(try list(index, "eve", model: "a") == [a2])
    #expect(try list(index, model: "b").isEmpty)
    #expect(try list(index, model: "c").isEmpty)
  }

  @Test func changesOfTheFoldersAreSeen() throws {
    try writeThree()
    try age()
    let index = index()
    #expect(try list(index) == [a2, a1])
    try write("a/weights/4", created: 4)
    #expect(try list(index) == ["tinsmith://a/weights/4", a2, a1])
    try age()
    #expect(try list(index).count == 3)
    try store.remove(path("a/weights/1"))
    #expect(try list(index) == ["tinsmith://a/weights/4", a2])
    try age()
    try write("a/weights/4", created: 0)
    #expect(try list(index) == [a2, "tinsmith://a/weights/4"])
    try FileStorage().remove("\(store.root)/a")
    #expect(try list(index).isEmpty)
    #expect(try list(index, model: "a").isEmpty)
    #expect(try list(index, "bob") == [b3])
  }

  @Test func changesOfAManifestAreSeen() throws {
    try writeThree()
    try age()
    let index = index()
    #expect(try list(index, "eve", model: "a") == [a2])
    let second = try path("a/sampler_weights/2")
    try index.willChange(second)
    _ = try store.update(second) { $0.isPublished = false }
    #expect(try list(index, "eve", model: "a").isEmpty)
    // As soon as nothing changes any more nothing is read any more, also by the next process.
    try age()
    #expect(try list(index, "eve", model: "a").isEmpty)
    #expect(try list(self.index()) == [a2, a1])
  }

  @Test func pagesFollowOneAnother() throws {
    for number in 1...7 { try write("a/weights/\(number)", created: UInt64(number / 2)) }
    let index = index()
    var (found, start): ([String], CatalogIndex.Position?) = ([], nil)
    for expected in [3, 3, 1] {
      let page = try index.page(tenant: "ann", model: nil, after: start, limit: 3)
      #expect(page.manifests.count == expected)
      found += page.manifests.map(\.path)
      start = page.end
      // What comes in between shifts nothing.
      try write("a/weights/new\(expected)", created: 100 + UInt64(expected))
    }
    #expect(start == nil)
    #expect(found == [7, 6, 5, 4, 3, 2, 1].map { "tinsmith://a/weights/\($0)" })
  }

  @Test func whatHasExpiredIsNamedAndNotListed() throws {
    try write("a/weights/1", created: 1, expires: 5)
    try write("a/weights/2", created: 2, expires: CheckpointStore.now() + 60_000)
    let index = index()
    #expect(try list(index) == ["tinsmith://a/weights/2"])
    #expect(try index.expired().map(\.text) == [a1])
  }

  @Test func damagedManifestsAreNotListed() throws {
    try writeThree()
    let file = "\(store.url(try path("a/weights/1")))/\(CheckpointStore.manifestName)"
    try Data("{".utf8).write(to: URL(fileURLWithPath: file))
    #expect(try list(index()) == [a2])
  }

  @Test func anotherVersionIsMadeAnew() throws {
    try writeThree()
    try age()
    #expect(try list(index()) == [a2, a1])
    for content in [Data(), Data("not a database, but long enough to be looked at".utf8)] {
      try content.write(to: URL(fileURLWithPath: file))
      #expect(try list(index()) == [a2, a1])
    }
    try FileManager.default.removeItem(atPath: file)
    #expect(try list(index()) == [a2, a1])
  }

  @Test func aPlaceThatCannotBeWrittenIsNoError() throws {
    try writeThree()
    try FileManager.default.createDirectory(atPath: file, withIntermediateDirectories: false)
    let index = index()
    #expect(try list(index) == [a2, a1])
    try write("a/weights/4", created: 4)
    #expect(try list(index).count == 3)
  }

  /// Damage under the hands of a running keeper.
  @Test func damageWhileItRunsIsNoError() throws {
    try writeThree()
    try age()
    let index = index()
    #expect(try list(index) == [a2, a1])
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
    let size = try handle.seekToEnd()
    try handle.seek(toOffset: 0)
    try handle.write(contentsOf: Data(repeating: 0xA5, count: Int(size)))
    try handle.close()
    try write("a/weights/4", created: 4)
    #expect(try list(index) == ["tinsmith://a/weights/4", a2, a1])
  }

  /// One bit changed in every 31st byte of the file: what comes out is right all the same.
  @Test func changedBitsDoNotShow() throws {
    try writeThree()
    try write("a/weights/expired", created: 4, expires: 5)
    try age()
    #expect(try list(index()) == [a2, a1])
    let url = URL(fileURLWithPath: file)
    let content = try Data(contentsOf: url)
    #expect(content.count > 20_000)
    for (number, byte) in stride(from: 0, to: content.count, by: 31).enumerated() {
      var damaged = content
      damaged[byte] ^= 1 << UInt8(number % 8)
      // In pages that hold nothing there is nothing to find.
      try damaged.write(to: url)
      let index = index()
      #expect(try list(index) == [a2, a1], "byte \(byte)")
      #expect(try list(index, "bob") == [b3], "byte \(byte)")
      #expect(try list(index, "eve", model: "a") == [a2], "byte \(byte)")
      #expect(
        try index.expired().map(\.text) == ["tinsmith://a/weights/expired"], "byte \(byte)")
    }
  }
}
