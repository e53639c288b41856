import Tinsmith
import Wire

// The wire has types of the same names; the tests mean those of the SDK.
typealias AdamParams = Tinsmith.AdamParams
typealias CheckpointFile = Tinsmith.CheckpointFile
typealias Datum = Tinsmith.Datum
typealias ModelInput = Tinsmith.ModelInput
typealias SamplingParams = Tinsmith.SamplingParams

/// The same numbers in every run.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// What the training tests train on.
enum Batches {
  static let adam = AdamParams(learningRate: 1e-2, gradClipNorm: 1)
  static let steps = 20

  /// Random tokens of the tiny model.
  static func tokens(_ count: Int, seed: UInt64) -> [Int32] {
    var random = SeededGenerator(seed)
    return (0..<count).map { _ in
      Int32.random(in: 3..<Int32(TestService.vocabulary), using: &random)
    }
  }

  /// The batch of a step: three sequences of different lengths.
  static func batch(_ step: Int) -> [Datum] {
    (0..<3).map { index in
      let seed = UInt64(step * 10 + index)
      return Datum(
        prompt: tokens(3 + index, seed: seed), completion: tokens(4 + step % 5, seed: ~seed))
    }
  }

  /// The steps one by one, each awaited: what all other ways must equal.
  static func trainOneByOne(
    _ training: TrainingClient, _ range: Range<Int> = 0..<steps
  ) async throws -> [ForwardBackwardOutput] {
    var outputs: [ForwardBackwardOutput] = []
    for step in range {
      outputs.append(try await training.forwardBackward(batch(step), loss: .crossEntropy).value())
      _ = try await training.optimStep(adam).value()
    }
    return outputs
  }

  /// The bytes of the adapter's file.
  static func weights(_ service: ServiceClient, _ training: TrainingClient) async throws -> [UInt8]
  {
    let path = try await training.saveWeightsForSampler(name: "compare", overwrite: true).value()
    let files = try await service.exportCheckpoint(path: path).value()
    guard let file = files.first(where: { $0.name == "adapter_model.safetensors" }) else {
      throw Failure("no weights among \(files.map(\.name))")
    }
    return file.content
  }
}
