import Synchronization
import Tinsmith
import Wire

// The wire has types of the same names; the tests mean those of the SDK.
typealias AdamParams = Tinsmith.AdamParams
typealias Datum = Tinsmith.Datum
typealias ModelInput = Tinsmith.ModelInput
typealias SamplingParams = Tinsmith.SamplingParams

/// Answers like a service and remembers what it was sent, in order.
final class FakeTransport: Transport {
  typealias Answerer = @Sendable (OutgoingCall) throws -> Payload

  private let sent = Mutex<[OutgoingCall]>([])
  private let answerer: Answerer

  init(_ answerer: @escaping Answerer = FakeTransport.standard) { self.answerer = answerer }

  var calls: [OutgoingCall] { sent.withLock { $0 } }
  var methods: [Method] { calls.map(\.method) }

  func send(_ call: OutgoingCall) -> Pending<Answer> {
    sent.withLock { $0.append(call) }
    let pending = Pending<Answer>()
    do {
      pending.resolve(.success(Answer(payload: try answerer(call))))
    } catch {
      pending.resolve(
        .failure(error as? TinsmithError ?? TinsmithError(.internal, "\(error)")))
    }
    return pending
  }

  func use(token: String) {}
  func ready() async {}
  func close() {}

  /// What a service of one model answers. A pass gives each target the log-prob −1.
  static func standard(_ call: OutgoingCall) throws -> Payload {
    switch call.method {
    case .sessionsCreate:
      return CreateSessionResponse(
        sessionID: "s", token: "t", leaseSeconds: 60, heartbeatSeconds: 10
      ).encode()
    case .trainingCreateModel:
      return CreateModelResponse(
        modelID: call.stream,
        info: Wire.ModelInfo(
          modelID: call.stream, baseModel: "base", architecture: "qwen3", lora: LoraConfig(),
          tokenizer: "", maxSequenceLength: 64)
      ).encode()
    case .trainingForward, .trainingForwardBackward: return try pass(call)
    case .trainingOptimStep: return OptimStepResponse(metrics: ["step:max": 1]).encode()
    case .samplingCreateSamplingSession:
      return CreateSamplingSessionResponse(
        samplingSessionID: call.stream, baseModel: "base", tokenizer: "", maxContextLength: 64
      ).encode()
    case .samplingSaveWeightsForSampler:
      return SaveWeightsForSamplerResponse(path: "tinsmith://s:train:0/sampler_weights/x").encode()
    case .samplingComputeLogprobs:
      return ComputeLogprobsResponse(logprobs: Tensor([Float.nan, -2])).encode()
    default: throw TinsmithError(.unimplemented, "\(call.method)")
    }
  }

  private static func pass(_ call: OutgoingCall) throws -> Payload {
    let request = try ForwardBackwardRequest.decode(call.payload)
    var sum = 0.0
    var outputs: [[String: Tensor]] = []
    for datum in request.data {
      let weights = try datum.lossFnInputs["weights"]?.floats() ?? []
      sum += weights.reduce(0) { $0 + Double($1) }
      outputs.append(["logprobs": Tensor([Float](repeating: -1, count: weights.count))])
    }
    return ForwardBackwardResponse(
      lossFnOutputs: outputs, metrics: ["loss:sum": sum, "tokens:sum": Double(outputs.count)]
    ).encode()
  }
}

extension FakeTransport {
  /// The data of a pass that was sent.
  func request(_ index: Int) throws -> ForwardBackwardRequest {
    try ForwardBackwardRequest.decode(calls[index].payload)
  }
}

/// A training client whose creation was call 0 (session) and 1 (model).
func trainingClient(_ transport: FakeTransport) async throws -> TrainingClient {
  try await ServiceClient(transport: transport).createLoRATrainingClient(baseModel: "base").value()
}
