import Engine
import Foundation
import Glibc
import TestSupport
import Testing
import Wire

@testable import Checkpoints

/// What crashed writes leave behind.
@Suite struct LeftoverTests {
  let folder: TemporaryFolder
  let store: CheckpointStore
  /// Later than any file of the test by more than a running write rests.
  let later = time(nil) + 1000

  init() throws {
    folder = try TemporaryFolder()
    store = CheckpointStore(folder: folder.path, storage: FileStorage())
  }

  /// A process that is not there any more.
  private func endedProcess() throws -> pid_t {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/true")
    try process.run()
    process.waitUntilExit()
    return process.processIdentifier
  }

  private func write(_ name: String) throws {
    let path = try CheckpointPath(model: "m", kind: .training, name: name, field: "name")
    let manifest = CheckpointStore.Manifest(
      path: path, tenant: "ann", baseModel: "b", rank: 8, alpha: 32, trainAttention: true,
      trainMLP: true, trainUnembed: true, step: 0, createdUnixMilliseconds: 1,
      expiresUnixMilliseconds: 0, userMetadata: [:])
    try store.write(path, overwrite: true, manifest: manifest) { folder in
      try FileStorage().writeFile("\(folder)/data") { _ in }
    }
  }

  private func move(_ name: String, to other: String) throws {
    let weights = "\(store.root)/m/weights"
    try FileStorage().rename("\(weights)/\(name)", to: "\(weights)/\(other)")
  }

  private var names: [String] { store.names("m", .training).sorted() }

  @Test func thoseOfTheDeadGo() throws {
    let dead = try endedProcess()
    try write("a")
    for suffix in ["tmp", "gone"] {
      try write("b")
      try move("b", to: "a.\(dead).\(suffix)")
    }
    // Nobody is told of them as if they were checkpoints.
    let path = try CheckpointPath("tinsmith://m/weights/a.\(dead).tmp", field: "path")
    #expect(throws: EngineError.self) { try store.manifest(path) }
    // Not while the writer may only be on another host.
    try store.removeLeftovers()
    #expect(names.count == 3)
    try store.removeLeftovers(now: later)
    #expect(names == ["a"])
  }

  @Test func thoseOfTheLivingStayForADay() throws {
    try write("a")
    try write("b")
    try move("b", to: "a.\(getpid()).tmp")
    try store.removeLeftovers(now: later)
    #expect(names.count == 2)
    try store.removeLeftovers(now: later + 86_400)
    #expect(names == ["a"])
  }

  @Test func aCheckpointMayBeCalledLikeOne() throws {
    let dead = try endedProcess()
    try write("a.\(dead).tmp")
    try store.removeLeftovers(now: later)
    #expect(names == ["a.\(dead).tmp"])
  }

  @Test func emptyFoldersGoAfterADay() throws {
    try write("a")
    let path = try CheckpointPath("tinsmith://m/weights/a", field: "path")
    try store.remove(path)
    try store.removeLeftovers(now: later)
    #expect(FileManager.default.fileExists(atPath: "\(store.root)/m/weights"))
    try store.removeLeftovers(now: later + 86_400)
    try store.removeLeftovers(now: later + 2 * 86_400)
    #expect(!FileManager.default.fileExists(atPath: "\(store.root)/m"))
    try write("b")
    #expect(names == ["b"])
  }
}
