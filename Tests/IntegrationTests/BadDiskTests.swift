import Foundation
import Glibc
import Testing
import Tinsmith
import Wire

/// Disks that cannot be written, or lie: a request fails and says why, the service goes on, and what
/// was there before is as it was. What root may not do either stands for missing permissions: a file
/// where a folder should be.
@Suite(.timeLimit(.minutes(30))) struct BadDiskTests {
  /// A service of its own whose data folder the test may spoil.
  private static func with(_ body: (ServeProcess, ServiceClient) async throws -> Void) async throws
  {
    try await TestFolder.with { folder in
      let process = try await ServeProcess(
        data: "\(folder)/data",
        [
          "--workers", "1", "--threads", "1", "--base",
          "\(TestService.tiny)=\(Program.fixture("qwen3"))", "--log", "error",
        ])
      let service = ServiceClient(endpoint: process.endpoint, timeout: .seconds(60))
      try await body(process, service)
      await service.close()
      await process.stop()
    }
  }

  private static func error<Value>(_ call: Pending<Value>) async -> TinsmithError? {
    do throws(TinsmithError) {
      _ = try await call.value()
      return nil
    } catch {
      return error
    }
  }

  @Test func aFolderThatCannotBeMade() async throws {
    try await Self.with { process, service in
      let training = try await TestService.model(service)
      _ = try await Batches.trainOneByOne(training, 0..<2)
      let path = try await training.saveState(name: "before").value()
      let folder = "\(process.data)/checkpoints/\(training.modelID)/sampler_weights"
      try Data().write(to: URL(fileURLWithPath: folder))
      let refused = await Self.error(training.saveWeightsForSampler(name: "no"))
      #expect(refused?.code == .internal)
      #expect(refused?.message.contains("sampler_weights") == true, "\(refused?.message ?? "")")
      _ = try await Batches.trainOneByOne(training, 2..<3)
      try FileManager.default.removeItem(atPath: folder)
      _ = try await training.saveWeightsForSampler(name: "yes").value()
      try await training.loadState(path: path, optimizer: true).value()
      #expect(
        Set(try await service.listCheckpoints().value().map(\.name)) == ["before", "yes"])
    }
  }

  /// The catalog is an index: without a place for it everything works.
  @Test func aCatalogThatCannotBeWritten() async throws {
    try await Self.with { process, service in
      let training = try await TestService.model(service)
      _ = try await training.saveState(name: "one").value()
      #expect(try await service.listCheckpoints().value().map(\.name) == ["one"])
      let catalog = "\(process.data)/catalog.sqlite"
      try FileManager.default.removeItem(atPath: catalog)
      try FileManager.default.createDirectory(atPath: catalog, withIntermediateDirectories: false)
      try Data().write(to: URL(fileURLWithPath: "\(catalog)/in-the-way"))
      let two = try await training.saveState(name: "two").value()
      #expect(try await service.listCheckpoints().value().map(\.name) == ["two", "one"])
      try await service.deleteCheckpoint(path: two).value()
      #expect(try await service.listCheckpoints().value().map(\.name) == ["one"])
    }
  }

  /// Whether this user may mount a file system.
  private static let canMount: Bool = {
    let folder = NSTemporaryDirectory() + "tinsmith-mount-\(getpid())"
    mkdir(folder, 0o755)
    defer { rmdir(folder) }
    guard mount("tmpfs", folder, "tmpfs", 0, "size=1m") == 0 else { return false }
    umount2(folder, Int32(MNT_DETACH))
    return true
  }()

  /// A small file system of its own, with a way to fill it: `unlink("<disk>/filler")` makes room.
  private static func withSmallDisk(
    _ body: (_ disk: String, _ fill: () throws -> Void) async throws -> Void
  ) async throws {
    try await TestFolder.with { folder in
      let disk = "\(folder)/disk"
      mkdir(disk, 0o755)
      try #require(mount("tmpfs", disk, "tmpfs", 0, "size=24m") == 0)
      defer { umount2(disk, Int32(MNT_DETACH)) }
      try await body(disk) {
        let filler = try #require(fopen("\(disk)/filler", "w"))
        setvbuf(filler, nil, _IONBF, 0)
        let block = [UInt8](repeating: 1, count: 4096)
        while fwrite(block, 1, block.count, filler) == block.count {}
        fclose(filler)
      }
    }
  }

  /// The router is killed, then the whole service is started again, and a model trains on when there
  /// is room.
  @Test(.enabled(if: canMount, "needs the right to mount a tmpfs"))
  func aServiceComesBackOnAFullDisk() async throws {
    try await Self.withSmallDisk { disk, fill in
      let arguments = [
        "--workers", "1", "--threads", "1", "--base",
        "\(TestService.tiny)=\(Program.fixture("qwen3"))", "--log", "error",
      ]
      let first = try await ServeProcess(data: "\(disk)/data", arguments)
      let service = ServiceClient(endpoint: first.endpoint, timeout: .seconds(60))
      let training = try await TestService.model(service)
      _ = try await Batches.trainOneByOne(training, 0..<1)
      try fill()
      let router = try #require(first.router)
      kill(router, SIGKILL)
      try await eventually("a new router") { first.router.map { $0 != router } ?? false }
      _ = try await service.getServerCapabilities().value()
      await first.stop()
      let second = try await ServeProcess(
        data: "\(disk)/data", listen: first.endpoint, arguments)
      _ = try await service.getServerCapabilities().value()
      let next = training.forwardBackward(Batches.batch(1), loss: .crossEntropy)
      unlink("\(disk)/filler")
      _ = try await next.value()
      await service.close()
      await second.stop()
    }
  }

  /// `FailpointTests.fullDisk` needs no file system of its own.
  @Test(.enabled(if: canMount, "needs the right to mount a tmpfs"))
  func aFullDisk() async throws {
    try await Self.withSmallDisk { disk, fill in
      let process = try await ServeProcess(
        data: "\(disk)/data",
        [
          "--workers", "1", "--threads", "1", "--keep-models", "0", "--base",
          "\(TestService.tiny)=\(Program.fixture("qwen3"))", "--log", "error",
        ])
      let service = ServiceClient(endpoint: process.endpoint, timeout: .seconds(60))
      let training = try await TestService.model(service)
      let kept = try await training.saveState(name: "kept").value()
      _ = try await Batches.trainOneByOne(training, 0..<1)
      try fill()

      // Saving and copying wait for room and say so; what is read is not concerned.
      let raw = try await RawClient(endpoint: process.endpoint)
      let create = CreateModelRequest(
        baseModel: TestService.tiny, lora: LoraConfig(rank: 64, seed: 1))
      try raw.send(raw.header(.trainingCreateModel, "train:0", 0), create.encode())
      #expect(try await raw.final(seq: 0).header.code == .ok)
      for (method, payload) in [
        (Method.trainingSaveState, SaveStateRequest(name: "no").encode()),
        (.samplingSaveWeightsForSampler, SaveWeightsForSamplerRequest(name: "no").encode()),
      ] {
        try raw.send(raw.header(method, "train:0", 1), payload)
        let refused = try await raw.final(seq: 1).header
        #expect(refused.code == .resourceExhausted && refused.retryAfterMilliseconds > 0)
        #expect(refused.message.contains("No space left"), "\(refused.message)")
      }
      let waiting = training.saveState(name: "yes")
      let copying = service.copyCheckpoint(path: kept, name: "copy")
      #expect(try await service.listCheckpoints().value().map(\.name) == ["kept"])
      #expect(try await service.exportCheckpoint(path: kept).value().count == 2)
      unlink("\(disk)/filler")
      _ = try await waiting.value()
      _ = try await copying.value()
      try await training.loadState(path: kept, optimizer: true).value()
      #expect(
        Set(try await service.listCheckpoints().value().map(\.name)) == ["yes", "copy", "kept"])
      await service.close()
      await process.stop()
    }
  }

  /// Whose it is the manifest does not say any more; but the model is the session's own.
  @Test func aDamagedManifestCanBeDeletedByItsSession() async throws {
    try await Self.with { process, service in
      let training = try await TestService.model(service)
      let path = try await training.saveState(name: "bad").value()
      let file = "\(process.data)/checkpoints/\(training.modelID)/weights/bad/checkpoint.json"
      try Data("{}".utf8).write(to: URL(fileURLWithPath: file))
      let other = ServiceClient(endpoint: process.endpoint, timeout: .seconds(60))
      #expect(await Self.error(other.deleteCheckpoint(path: path))?.code == .dataLoss)
      await other.close()
      try await service.deleteCheckpoint(path: path).value()
      #expect(await Self.error(service.checkpointInfo(path: path))?.code == .notFound)
      _ = try await training.saveState(name: "bad").value()
    }
  }

  /// One bit in each file of a checkpoint.
  @Test func aChangedBitIsNamed() async throws {
    try await Self.with { process, service in
      let training = try await TestService.model(service)
      _ = try await Batches.trainOneByOne(training, 0..<2)
      let path = try await training.saveState(name: "good").value()
      let folder = "\(process.data)/checkpoints/\(training.modelID)/weights/good"
      let names = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(names.count >= 4)
      for name in names {
        let file = URL(fileURLWithPath: "\(folder)/\(name)")
        let content = try Data(contentsOf: file)
        var damaged = content
        damaged[damaged.count / 2] ^= 4
        try damaged.write(to: file)
        for error in [
          await Self.error(training.loadState(path: path, optimizer: true)),
          await Self.error(service.createTrainingClientFromState(path: path)),
          await Self.error(service.exportCheckpoint(path: path)),
          await Self.error(service.copyCheckpoint(path: path)),
        ] {
          #expect(error?.code == .dataLoss)
          #expect(error?.message.contains(name) == true, "\(error?.message ?? "")")
        }
        try content.write(to: file)
      }
      try await training.loadState(path: path, optimizer: true).value()
    }
  }
}
