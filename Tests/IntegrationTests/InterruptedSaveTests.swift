import Foundation
import Glibc
import Testing
import Tinsmith

/// A save whose worker died when it was done, before anybody knew.
@Suite(.serialized, .timeLimit(.minutes(2))) struct InterruptedSaveTests {
  private static func save(_ training: TrainingClient, forSampler: Bool) -> Pending<String> {
    forSampler ? training.saveWeightsForSampler(name: "x") : training.saveState(name: "x")
  }

  @Test("It is answered as what it was; another of that name is refused", arguments: [false, true])
  func isAnswered(forSampler: Bool) async throws {
    try await TestFolder.with { folder in
      let separate = try await SeparateService(data: folder)
      defer { separate.stop() }
      // The model's creation is the first request to have its effect, the save the second.
      let first = try separate.worker("first", failpoints: "run=kill@2")
      let service = separate.client()
      let training = try await TestService.model(service)
      let answer = Self.save(training, forSampler: forSampler)
      #expect(await first.ended() == SIGKILL)
      let kind = forSampler ? "sampler_weights" : "weights"
      let path = "checkpoints/\(training.modelID)/\(kind)/x/adapter_model.safetensors"
      #expect(FileManager.default.fileExists(atPath: "\(folder)/\(path)"))
      let second = try separate.worker("second")
      #expect(try await answer.value() == "tinsmith://\(training.modelID)/\(kind)/x")
      let error = await #expect(throws: TinsmithError.self) {
        _ = try await Self.save(training, forSampler: forSampler).value()
      }
      #expect(error?.code == .alreadyExists)
      await service.close()
      second.signal(SIGTERM)
    }
  }
}
