import Foundation
import Glibc
import Synchronization
import Testing
import Tinsmith

/// Requests whose worker died when they were done, before anybody was told.
@Suite(.serialized, .timeLimit(.minutes(30))) struct UntoldTests {
  private static func save(_ training: TrainingClient, forSampler: Bool) -> Pending<String> {
    forSampler ? training.saveWeightsForSampler(name: "x") : training.saveState(name: "x")
  }

  @Test(
    "A save is answered as what it was; another of that name is refused", arguments: [false, true])
  func aSaveIsAnswered(forSampler: Bool) async throws {
    try await TestFolder.with { folder in
      let separate = try await SeparateService(data: folder)
      defer { separate.stop() }
      // The model's creation is the first request to have its effect, the save the second.
      let first = try separate.worker("w", failpoints: "run=kill@2")
      let service = separate.client()
      let training = try await TestService.model(service)
      let answer = Self.save(training, forSampler: forSampler)
      #expect(await first.ended() == SIGKILL)
      let kind = forSampler ? "sampler_weights" : "weights"
      let path = "checkpoints/\(training.modelID)/\(kind)/x/adapter_model.safetensors"
      #expect(FileManager.default.fileExists(atPath: "\(folder)/\(path)"))
      let second = try separate.worker("w")
      #expect(try await answer.value() == "tinsmith://\(training.modelID)/\(kind)/x")
      let error = await #expect(throws: TinsmithError.self) {
        _ = try await Self.save(training, forSampler: forSampler).value()
      }
      #expect(error?.code == .alreadyExists)
      await service.close()
      second.signal(SIGTERM)
    }
  }

  /// Each recovery writes a snapshot and removes what it replaces. The last answer must stay until
  /// the client has it, also if it is the first of the model.
  @Test func aModelIsCreatedThoughEachRecoveryIsInterrupted() async throws {
    try await TestFolder.with { folder in
      let separate = try await SeparateService(data: folder)
      defer { separate.stop() }
      let first = try separate.worker("w", failpoints: "reply=kill@1")
      let service = separate.client()
      let isCreated = Mutex(false)
      let creation = Task {
        let model = try await TestService.model(service)
        isCreated.withLock { $0 = true }
        return model
      }
      #expect(await first.ended() == SIGKILL)
      var interruptions = 0
      // One step further each time, until there are no more.
      while !isCreated.withLock({ $0 }) {
        let failpoint = "folder-sync=kill@\(interruptions + 1)"
        let worker = try separate.worker("w", failpoints: failpoint)
        while worker.isRunning, !isCreated.withLock({ $0 }) {
          try await Task.sleep(for: .milliseconds(5))
        }
        if worker.isRunning {
          worker.signal(SIGKILL)
        } else {
          interruptions += 1
        }
        await worker.ended()
      }
      #expect(interruptions >= 3)
      let last = try separate.worker("w")
      _ = try await Batches.trainOneByOne(try await creation.value, 0..<2)
      await service.close()
      last.signal(SIGTERM)
    }
  }
}
