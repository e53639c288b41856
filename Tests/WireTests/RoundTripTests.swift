import Testing

@testable import Wire

@Suite struct RoundTripTests {
  @Test(arguments: Samples.all, [0, 1024, Int.max])
  func equalAfterDecoding(_ sample: Sample, inlineLimit: Int) throws {
    let payload = sample.encode(inlineLimit)
    #expect(try sample.decode(payload))
    if inlineLimit == .max { #expect(payload.attachments.isEmpty) }
  }

  @Test(arguments: Samples.all)
  func equalValuesGiveEqualBytes(_ sample: Sample) {
    #expect(sample.encode(1024) == sample.encode(1024))
  }

  @Test func largeTensorsTravelAsAttachments() throws {
    let request = ForwardBackwardRequest(data: [Samples.datum(300)], lossFn: "cross_entropy")
    let payload = request.encode(inlineLimit: 1024)
    // Tokens (1200 bytes), target_tokens (2408) and weights (1204); the other chunks are short.
    #expect(payload.attachments.map(\.count) == [1200, 2408, 1204])
  }

  @Test func defaultsOfAbsentFields() throws {
    let optim = try OptimStepRequest.decode(.empty)
    #expect(optim.adam == AdamParams())
    #expect(optim.adam.learningRate == 1e-4 && optim.adam.beta2 == 0.95 && optim.adam.eps == 1e-12)

    // lora { rank: 4 } and nothing else.
    var body = FieldWriter(reserving: 0)
    body.put(1, text: "m")
    body.put(2, block: [8, 4])
    let created = try CreateModelRequest.decode(Payload(body: Bytes(body.bytes)))
    #expect(created.lora == LoraConfig(rank: 4, alpha: 32, seed: nil))

    // prompt { chunks { encoded_text { raw: 1 token } } } num_samples: 1
    let sampled = try SampleRequest.decode(
      Payload(body: Bytes([10, 10, 10, 8, 10, 6, 10, 4, 5, 0, 0, 0, 16, 1])))
    #expect(sampled == SampleRequest(prompt: ModelInput(tokens: [5])))
    #expect(sampled.params.stop == .modelDefault)
    #expect(sampled.params.seed == nil && sampled.params.temperature == 1)
  }

  @Test func responsesMaySayMore() throws {
    var body = FieldWriter(reserving: 0)
    body.put(1, text: "tinsmith://m/weights/a")
    body.put(77, varint: 5)
    body.put(78, block: [1, 2, 3])
    let response = try SaveStateResponse.decode(Payload(body: Bytes(body.bytes)))
    #expect(response.path == "tinsmith://m/weights/a")
  }
}
