import Testing
import Tinsmith
import Wire

/// However requests arrive, a model is trained by the same ones in the same order.
@Suite(.timeLimit(.minutes(30))) struct OrderTests {
  @Test func pipelinedEqualsOneByOne() async throws {
    let service = try await TestService.client()
    let slow = try await TestService.model(service)
    let expected = try await Batches.trainOneByOne(slow)
    let fast = try await TestService.model(service)
    let pending = (0..<Batches.steps).map { step in
      (
        fast.forwardBackward(Batches.batch(step), loss: .crossEntropy),
        fast.optimStep(Batches.adam)
      )
    }
    for (step, (pass, update)) in pending.enumerated() {
      let output = try await pass.value()
      #expect(output == expected[step])
      #expect(try await update.value().metrics["unclipped_grad_l2:mean"] ?? 0 > 0)
    }
    #expect(Set(expected.map(\.loss)).count == Batches.steps)
    let weights = try await Batches.weights(service, fast)
    #expect(try await Batches.weights(service, slow) == weights)
    await service.close()
  }

  /// The requests of a model with seed 11, by seq.
  private func requests(_ client: RawClient) -> [(RequestHeader, Payload)] {
    let create = CreateModelRequest(
      baseModel: TestService.tiny, lora: LoraConfig(rank: 4, seed: 11))
    var requests = [(client.header(.trainingCreateModel, "train:0", 0), create.encode())]
    for step in 0..<Batches.steps {
      let seq = UInt64(requests.count)
      let data = Batches.batch(step).map { datum in
        Wire.Datum(
          modelInput: Wire.ModelInput(tokens: datum.modelInput.tokens),
          lossFnInputs: datum.lossFnInputs.mapValues { tensor in
            tensor.integers.map { Tensor($0) } ?? Tensor(tensor.floats)
          })
      }
      let pass = ForwardBackwardRequest(data: data, lossFn: "cross_entropy")
      let adam = Wire.AdamParams(learningRate: 1e-2, gradClipNorm: 1)
      requests.append((client.header(.trainingForwardBackward, "train:0", seq), pass.encode()))
      requests.append(
        (
          client.header(.trainingOptimStep, "train:0", seq + 1),
          OptimStepRequest(adam: adam).encode()
        )
      )
    }
    return requests
  }

  private func losses(_ replies: [UInt64: RawClient.Reply]) throws -> [Double?] {
    try (0..<Batches.steps).map { step in
      let reply = try #require(replies[UInt64(2 * step + 1)])
      #expect(reply.header.code == .ok, "\(reply.header.message)")
      return try ForwardBackwardResponse.decode(reply.payload).metrics["loss:sum"]
    }
  }

  @Test(arguments: [1, 2, 3]) func scrambledEqualsOneByOne(_ seed: UInt64) async throws {
    let service = try await TestService.client()
    let expected = try await Batches.trainOneByOne(try await TestService.model(service))
    let client = try await RawClient()
    var random = SeededGenerator(seed)
    let requests = requests(client)
    for (header, payload) in requests.shuffled(using: &random) {
      try client.send(header, payload)
    }
    let replies = try await client.finals(requests.count)
    #expect(try losses(replies) == expected.map(\.loss))
    await service.close()
  }

  @Test func duplicatesDoNotTrainTwice() async throws {
    let service = try await TestService.client()
    let expected = try await Batches.trainOneByOne(try await TestService.model(service))
    let client = try await RawClient()
    var random = SeededGenerator(9)
    let requests = requests(client)
    for (header, payload) in (requests + requests).shuffled(using: &random) {
      try client.send(header, payload)
    }
    let first = try await client.finals(requests.count)
    #expect(try losses(first) == expected.map(\.loss))
    // Long after: the recorded answer, bit for bit.
    for index in [1, 17, requests.count - 1] {
      try client.send(requests[index].0, requests[index].1)
      let again = try await client.final(seq: UInt64(index))
      #expect(again.header.code == .ok)
      #expect(again.payload == first[UInt64(index)]?.payload)
    }
    // The model took twenty steps, not forty.
    let seq = UInt64(requests.count)
    try client.send(client.header(.trainingGetInfo, "train:0", seq), GetInfoRequest().encode())
    let info = try await Wire.ModelInfo.decode(client.final(seq: seq).payload)
    #expect(info.step == UInt64(Batches.steps))
    await service.close()
  }

  @Test func anotherPayloadUnderAUsedSeqIsRefused() async throws {
    let client = try await RawClient()
    let requests = Array(requests(client).prefix(3))
    for (header, payload) in requests { try client.send(header, payload) }
    _ = try await client.finals(3)
    let other = OptimStepRequest(adam: Wire.AdamParams(learningRate: 1)).encode()
    try client.send(client.header(.trainingOptimStep, "train:0", 2), other)
    let refused = try await client.final(seq: 2)
    #expect([.invalidArgument, .failedPrecondition].contains(refused.header.code))
    try client.send(client.header(.trainingGetInfo, "train:0", 3), GetInfoRequest().encode())
    #expect(try await Wire.ModelInfo.decode(client.final(seq: 3).payload).step == 1)
  }
}
