import Synchronization
import Testing
import Tinsmith
import Wire

@Suite(.timeLimit(.minutes(30))) struct ClientTests {
  @Test func nothingIsSentBeforeTheFirstCall() {
    let transport = FakeTransport()
    _ = ServiceClient(transport: transport)
    #expect(transport.calls.isEmpty)
  }

  @Test func sessionIsCreatedOnce() async throws {
    let transport = FakeTransport()
    let service = ServiceClient(transport: transport)
    let first = service.createLoRATrainingClient(baseModel: "base")
    let second = service.createSamplingClient(baseModel: "base")
    let third = service.createLoRATrainingClient(baseModel: "base")
    _ = (try await first.value(), try await second.value())
    #expect(try await third.value().modelID == "s:train:1")
    #expect(transport.methods.filter { $0 == .sessionsCreate }.count == 1)
    #expect(Set(transport.calls.map(\.stream)) == ["", "s:train:0", "s:train:1", "s:sample:0"])
  }

  @Test func aSessionThatFailedIsTriedAgain() async throws {
    let attempts = Atomic(0)
    let transport = FakeTransport { call in
      if call.method == .sessionsCreate {
        let attempt = attempts.add(1, ordering: .relaxed).newValue
        if attempt == 1 { throw TinsmithError(.unavailable, "not yet") }
      }
      return try FakeTransport.standard(call)
    }
    let service = ServiceClient(transport: transport)
    let first = service.createSamplingClient(baseModel: "base")
    let error = await #expect(throws: TinsmithError.self) { try await first.value() }
    #expect(error?.code == .unavailable)
    _ = try await service.createSamplingClient(baseModel: "base").value()
  }

  @Test func orderIsThatOfTheCalls() async throws {
    let transport = FakeTransport()
    let training = try await trainingClient(transport)
    let datum = Datum(prompt: [1], completion: [2])
    let pass = training.forwardBackward([datum], loss: .crossEntropy)
    let step = training.optimStep()
    let forward = training.forward([datum], loss: .crossEntropy)
    #expect(
      transport.methods.dropFirst(2) == [
        .trainingForwardBackward, .trainingOptimStep, .trainingForward,
      ])
    #expect(transport.calls.dropFirst(2).allSatisfy { $0.stream == "s:train:0" })
    #expect(try await pass.value().logprobs == [[-1]])
    #expect(try await step.value().metrics == ["step:max": 1])
    #expect(try await forward.value().loss == 1)
  }

  @Test func manyDataGoInPiecesAndComeBackAsOne() async throws {
    let transport = FakeTransport()
    let training = try await trainingClient(transport)
    let data = (0..<2500).map { Datum(prompt: [1], completion: [Int32($0)]) }
    let output = try await training.forwardBackward(data, loss: .crossEntropy).value()
    #expect(transport.calls.count == 2 + 3)
    #expect(try transport.request(4).data.count == 2500 - 2048)
    #expect(output.lossFnOutputs.count == 2500)
    #expect(output.loss == 2500)
    #expect(transport.calls[2].promptTokens == 1024)
  }

  @Test func aBadDatumIsRefusedBeforeAnythingIsSent() async throws {
    let transport = FakeTransport()
    let training = try await trainingClient(transport)
    var datum = Datum(prompt: [1], completion: [2])
    datum.lossFnInputs["weights"] = TensorData([1, 2], shape: [3])
    let pass = training.forwardBackward(
      [Datum(prompt: [1], completion: [2]), datum], loss: .crossEntropy)
    let error = await #expect(throws: TinsmithError.self) { try await pass.value() }
    #expect(error?.field.hasPrefix("data[1].loss_fn_inputs[weights]") == true)
    let none = training.forward([], loss: .crossEntropy)
    await #expect(throws: TinsmithError.self) { try await none.value() }
    #expect(transport.calls.count == 2)
  }

  @Test func aRefusalArrivesWithCodeAndField() async throws {
    let transport = FakeTransport { call in
      if call.method == .trainingOptimStep {
        throw TinsmithError(.invalidArgument, "too large", field: "adam.beta1")
      }
      return try FakeTransport.standard(call)
    }
    let step = try await trainingClient(transport).optimStep(AdamParams(beta1: 2))
    let error = await #expect(throws: TinsmithError.self) { try await step.value() }
    #expect(error == TinsmithError(.invalidArgument, "too large", field: "adam.beta1"))
  }

  @Test func firstLogprobIsNil() async throws {
    let service = ServiceClient(transport: FakeTransport())
    let sampler = try await service.createSamplingClient(baseModel: "base").value()
    #expect(try await sampler.computeLogprobs([1, 2]).value() == [nil, -2])
  }

  @Test func samplingRequestsNameTheirSource() async throws {
    let transport = FakeTransport()
    let training = try await trainingClient(transport)
    let sampler = try await training.saveWeightsAndGetSamplingClient().value()
    _ = try await sampler.computeLogprobs([1, 2]).value()
    let path = "tinsmith://s:train:0/sampler_weights/x"
    #expect(sampler.modelPath == path)
    let last = try #require(transport.calls.last)
    #expect(try ComputeLogprobsRequest.decode(last.payload).source == .modelPath(path))
  }

  @Test func statisticsNeedNoSession() async throws {
    let transport = FakeTransport { call in
      #expect(call.method == .adminStats)
      return StatsResponse(values: ["router.in_flight": 3]).encode()
    }
    let stats = try await ServiceClient(transport: transport).stats().value()
    #expect(stats == ["router.in_flight": 3])
    #expect(transport.methods == [.adminStats])
  }

  @Test func aClosedClientSaysSo() async {
    let service = ServiceClient(transport: FakeTransport())
    await service.close()
    let pending = service.createSamplingClient(baseModel: "base")
    let error = await #expect(throws: TinsmithError.self) { try await pending.value() }
    #expect(error?.code == .cancelled)
  }
}
