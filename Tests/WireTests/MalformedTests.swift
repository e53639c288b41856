import Testing

@testable import Wire

/// Builds protobuf bytes by hand, right or wrong.
func proto(_ build: (inout FieldWriter) -> Void) -> [UInt8] {
  var writer = FieldWriter(reserving: 0)
  build(&writer)
  return writer.bytes
}

@Suite struct MalformedTests {
  private static func error<Message: WireMessage>(
    _ kind: Message.Type, _ body: [UInt8], _ attachments: [Bytes] = []
  ) -> WireError? {
    do {
      _ = try Message.decode(Payload(body: Bytes(body), attachments: attachments))
      return nil
    } catch {
      return error
    }
  }

  /// A forward_backward of one datum with one token and the given loss inputs.
  private static func request(_ inputs: [[UInt8]]) -> [UInt8] {
    proto { request in
      request.put(
        1,
        block: proto { datum in
          datum.put(1, block: [10, 8, 10, 6, 10, 4, 5, 0, 0, 0])
          for input in inputs { datum.put(2, block: input) }
        })
      request.put(2, text: "cross_entropy")
    }
  }

  private static func named(_ name: String, _ tensor: [UInt8]) -> [UInt8] {
    proto { pair in
      pair.put(1, text: name)
      pair.put(2, block: tensor)
    }
  }

  /// A tensor of dtype 1 (float32) in attachment `index`.
  private static func attached(_ shape: [UInt64], _ index: UInt8) -> [UInt8] {
    proto { tensor in
      tensor.put(1, varint: 1)
      for dimension in shape { tensor.put(2, varint: dimension) }
    } + [0x20, index]
  }

  private static let eight = Bytes([UInt8](repeating: 0, count: 8))

  @Test func attachments() {
    let good = Self.request([Self.named("w", Self.attached([2], 0))])
    #expect(Self.error(ForwardBackwardRequest.self, good, [Self.eight]) == nil)
    let field = "data[0].loss_fn_inputs[w]"

    let missing = Self.error(ForwardBackwardRequest.self, good)
    #expect(missing?.code == .badAttachment && missing?.field == field)
    let unused = Self.error(ForwardBackwardRequest.self, good, [Self.eight, Self.eight])
    #expect(unused?.code == .badAttachment)
    let twice = Self.request([
      Self.named("v", Self.attached([2], 0)), Self.named("w", Self.attached([2], 0)),
    ])
    let repeated = Self.error(ForwardBackwardRequest.self, twice, [Self.eight])
    #expect(repeated?.code == .badAttachment && repeated?.field == field)
    for shape: [UInt64] in [[3], [1], [2, 2], []] {
      let body = Self.request([Self.named("w", Self.attached(shape, 0))])
      let wrong = Self.error(ForwardBackwardRequest.self, body, [Self.eight])
      #expect(wrong?.code == .badAttachment && wrong?.field == field)
    }
  }

  @Test(arguments: [
    [UInt64(bitPattern: -1)], [UInt64(bitPattern: .min)], [1 << 62, 4], [1 << 32, 1 << 32],
    [1, 1, 1, 1, 2], [1 << 61],
  ])
  func shapes(_ shape: [UInt64]) {
    let body = Self.request([Self.named("w", Self.attached(shape, 0))])
    let error = Self.error(ForwardBackwardRequest.self, body, [Self.eight])
    #expect(error?.code == .outOfRange)
    #expect(error?.field == "data[0].loss_fn_inputs[w].shape")
  }

  @Test func packedAndSingleShapesAreTheSame() throws {
    let packed = proto { tensor in
      tensor.put(1, varint: 1)
      tensor.put(2, block: [1, 2])
      tensor.put(3, block: [UInt8](repeating: 0, count: 8))
    }
    let request = try ForwardBackwardRequest.decode(
      Payload(body: Bytes(Self.request([Self.named("w", packed)]))))
    #expect(request.data[0].lossFnInputs["w"]?.shape == [1, 2])
    let cut = proto { tensor in
      tensor.put(1, varint: 1)
      tensor.put(2, block: [0x80])
    }
    let error = Self.error(ForwardBackwardRequest.self, Self.request([Self.named("w", cut)]))
    #expect(error?.code == .truncated)
    #expect(error?.field == "data[0].loss_fn_inputs[0].tensor.shape[0]")
  }

  @Test func duplicateKeys() {
    let tensor = Self.attached([0], 0)
    let body = Self.request([Self.named("w", tensor), Self.named("w", tensor)])
    let error = Self.error(
      ForwardBackwardRequest.self, body, [.empty, .empty])
    // The second tensor names attachment 0 again; that is seen first.
    #expect(error?.field == "data[0].loss_fn_inputs[w]")
    let pair = [UInt8](proto { $0.put(1, text: "key") })
    let metadata = proto { request in
      request.put(1, text: "name")
      request.put(4, block: pair)
      request.put(4, block: pair)
    }
    let large = SaveStateRequest(
      name: "x",
      userMetadata: Dictionary(
        uniqueKeysWithValues: (0..<5).map { ("k\($0)", String(repeating: "v", count: 60_000)) }))
    let tooLarge = #expect(throws: WireError.self) { try SaveStateRequest.decode(large.encode()) }
    #expect(tooLarge?.code == .tooLarge && tooLarge?.field == "user_metadata")
    let duplicate = Self.error(SaveStateRequest.self, metadata)
    #expect(duplicate?.code == .duplicateKey && duplicate?.field == "user_metadata[key]")
  }

  @Test func texts() {
    let invalid = Self.error(LoadStateRequest.self, [10, 2, 0xc3, 0x28])
    #expect(invalid?.code == .badText && invalid?.field == "path")
    let nul = Self.error(LoadStateRequest.self, [10, 3, 0x61, 0, 0x62])
    #expect(nul?.code == .badText && nul?.field == "path")
    let surrogate = Self.error(LoadStateRequest.self, [10, 3, 0xed, 0xa0, 0x80])
    #expect(surrogate?.code == .badText)
    let overlong = Self.error(LoadStateRequest.self, [10, 2, 0xc0, 0x80])
    #expect(overlong?.code == .badText)
    let huge = Self.error(
      LoadStateRequest.self,
      proto { $0.put(1, text: String(repeating: "a", count: Limits.maxTextBytes + 1)) })
    #expect(huge?.code == .tooLarge)
    let nested = Self.request([Self.named("w", [])])
    var broken = nested
    // The name "w" is the last byte before the tensor's two.
    for index in broken.indices where broken[index] == UInt8(ascii: "w") { broken[index] = 0xff }
    let inside = Self.error(ForwardBackwardRequest.self, broken)
    #expect(inside?.code == .badText && inside?.field == "data[0].loss_fn_inputs[0].name")
  }

  @Test func enumsFieldsAndOccurrences() {
    let tensor = proto { $0.put(1, varint: 9) }
    let dtype = Self.error(ForwardBackwardRequest.self, Self.request([Self.named("w", tensor)]))
    #expect(dtype?.code == .unknownEnum)
    #expect(dtype?.field == "data[0].loss_fn_inputs[0].tensor.dtype")
    let none = Self.error(ForwardBackwardRequest.self, Self.request([Self.named("w", [])]))
    #expect(none?.code == .missing && none?.field == "data[0].loss_fn_inputs[w].dtype")

    let unknown = Self.error(
      LoadStateRequest.self,
      proto { request in
        request.put(1, text: "p")
        request.put(15, varint: 1)
      })
    #expect(unknown?.code == .unknownField)
    let twice = Self.error(
      LoadStateRequest.self,
      proto { request in
        request.put(1, text: "p")
        request.put(1, text: "q")
      })
    #expect(twice?.code == .malformed && twice?.field == "path")
    let both = Self.error(
      CreateSamplingSessionRequest.self,
      proto { request in
        request.put(1, text: "p")
        request.put(2, text: "q")
      })
    #expect(both?.code == .malformed && both?.field == "model_path")
    let wireType = Self.error(LoadStateRequest.self, [8, 1])
    #expect(wireType?.code == .malformed && wireType?.field == "path")
  }

  @Test func requiredParts() {
    #expect(Self.error(ForwardBackwardRequest.self, [])?.field == "data")
    #expect(Self.error(ForwardBackwardRequest.self, [10, 0])?.field == "data[0].model_input")
    #expect(
      Self.error(ForwardBackwardRequest.self, [10, 2, 10, 0])?.field
        == "data[0].model_input.chunks")
    #expect(Self.error(CreateModelRequest.self, [])?.field == "base_model")
    #expect(Self.error(CreateModelRequest.self, [10, 1, 0x61])?.field == "lora")
    #expect(Self.error(CreateModelRequest.self, [10, 1, 0x61, 18, 0])?.field == "lora.rank")
    #expect(Self.error(CreateSamplingSessionRequest.self, [])?.code == .missing)
    #expect(Self.error(SampleRequest.self, [])?.field == "prompt")
    #expect(Self.error(SaveStateRequest.self, [])?.field == "name")
  }

  @Test func imagesAreRefusedByName() {
    let chunk = proto { $0.put(2, block: []) }
    let body = proto { $0.put(1, block: proto { $0.put(1, block: chunk) }) }
    let error = Self.error(SampleRequest.self, body)
    #expect(error?.code == .unsupported && error?.status == .unimplemented)
    #expect(error?.field == "prompt.chunks[0].image")
  }

  @Test(arguments: ["../x", "a/b", ".hidden", "é", "a b", String(repeating: "a", count: 129)])
  func namesThatAreNoFileNames(_ name: String) {
    let error = Self.error(SaveStateRequest.self, proto { $0.put(1, text: name) })
    #expect(error?.code == .outOfRange && error?.field == "name")
  }

  @Test func rangesOfNumbers() {
    func adam(_ change: (inout AdamParams) -> Void) -> String? {
      var params = AdamParams()
      change(&params)
      return Self.error(OptimStepRequest.self, OptimStepRequest(adam: params).encode().body.array)?
        .field
    }
    #expect(adam { $0.learningRate = .nan } == "adam.learning_rate")
    #expect(adam { $0.learningRate = -1 } == "adam.learning_rate")
    #expect(adam { $0.beta1 = 1 } == "adam.beta1")
    #expect(adam { $0.beta2 = -0.1 } == "adam.beta2")
    #expect(adam { $0.eps = .infinity } == "adam.eps")
    #expect(adam { $0.gradClipNorm = -1 } == "adam.grad_clip_norm")

    func sample(_ change: (inout SampleRequest) -> Void) -> String? {
      var request = SampleRequest(prompt: ModelInput(tokens: [1]))
      change(&request)
      return Self.error(SampleRequest.self, request.encode().body.array)?.field
    }
    #expect(sample { _ in } == nil)
    #expect(sample { $0.numSamples = 0 } == "num_samples")
    #expect(sample { $0.numSamples = Limits.maxSamples + 1 } == "num_samples")
    #expect(sample { $0.params.temperature = -1 } == "sampling_params.temperature")
    #expect(sample { $0.params.topP = 0 } == "sampling_params.top_p")
    #expect(sample { $0.params.maxTokens = 0 } == "sampling_params.max_tokens")
    #expect(sample { $0.promptLogprobsLastN = 3 } == "prompt_logprobs_last_n")
    #expect(
      sample { $0.params.stop = .strings([""]) } == "sampling_params.stop_strings.values[0]")
  }

  @Test func metricNames() {
    for name in ["loss", "a:b:c"] {
      let response = OptimStepResponse(metrics: [name: 1])
      let error = Self.error(OptimStepResponse.self, response.encode().body.array)
      #expect(error?.field == "metrics[\(name)]")
    }
  }
}
