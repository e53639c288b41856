import Checkpoints
import Engine
import Foundation
import RPC
import TestSupport
import Testing
import Wire

@testable import Catalog

/// What the keeper does by itself.
@Suite struct CheckpointKeeperTests {
  @Test(.timeLimit(.minutes(30))) func removesWhatHasExpiredAtItsStart() async throws {
    let folder = try TemporaryFolder()
    let store = CheckpointStore(folder: folder.path, storage: FileStorage())
    for (name, expires) in [("old", UInt64(5)), ("kept", 0)] {
      let path = try CheckpointPath(model: "m", kind: .training, name: name, field: "name")
      let manifest = CheckpointStore.Manifest(
        path: path, tenant: "ann", baseModel: "b", rank: 8, alpha: 32, trainAttention: true,
        trainMLP: true, trainUnembed: true, step: 0, createdUnixMilliseconds: 1,
        expiresUnixMilliseconds: expires, userMetadata: [:])
      try store.write(path, overwrite: false, manifest: manifest) { folder in
        try FileStorage().writeFile("\(folder)/data") { _ in }
      }
    }
    let keeper = CheckpointKeeper(dataFolder: folder.path, storage: FileStorage())
    while store.names("m", .training) != ["kept"] {
      try await Task.sleep(for: .milliseconds(20))
    }
    #expect(keeper.methods.methods.contains(.checkpointsList))
  }

  /// Told who is alive, it removes what belongs to those whom nobody has known for a lease.
  @Test(.timeLimit(.minutes(30))) func removesWhatSessionsLeftThatAreOver() async throws {
    let folder = try TemporaryFolder()
    let models = "\(folder.path)/models"
    func make(_ model: String) throws {
      try FileManager.default.createDirectory(
        atPath: "\(models)/\(model)", withIntermediateDirectories: true)
    }
    func there() throws -> Set<String> {
      Set(try FileManager.default.contentsOfDirectory(atPath: models))
    }
    for model in ["s1:train:0", "s2:train:0"] { try make(model) }
    let keeper = CheckpointKeeper(
      dataFolder: folder.path, storage: FileStorage(), leaseMilliseconds: 30)
    keeper.sessionsAlive(["s1", "s2"])
    keeper.sweepsDone()
    #expect(try there() == ["s1:train:0", "s2:train:0"])
    try await Task.sleep(for: .milliseconds(40))
    try make("s3:train:0")
    keeper.sessionsAlive(["s1"])
    keeper.sweepsDone()
    #expect(try there() == ["s1:train:0", "s3:train:0"])
  }

  @Test func tokensOfPagesAreChecked() throws {
    let position = CatalogIndex.Position(created: 17, path: "tinsmith://s:train:0/weights/a")
    #expect(try PageToken.read(PageToken.text(position)) == position)
    for text in [
      "", "17", "c:x:tinsmith://m/weights/a", "c:17:elsewhere", "c::", "c:17:",
      "17:tinsmith://m/weights/a", "s:17:tinsmith://m/weights/a", "r:s:train:0",
    ] {
      let error = #expect(throws: (any Error).self) { try PageToken.read(text) }
      #expect("\(error!)".contains("page_token"))
    }
  }
}
