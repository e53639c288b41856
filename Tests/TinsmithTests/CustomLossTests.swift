import Testing
import Tinsmith
import Wire

@Suite(.timeLimit(.minutes(30))) struct CustomLossTests {
  private let data = [
    Datum(modelInput: [1, 2], lossFnInputs: ["target_tokens": TensorData(tokens: [2, 3])]),
    Datum(prompt: [1], completion: [2]),
  ]

  @Test func backwardIsWeightedByTheGradient() async throws {
    let transport = FakeTransport()
    let training = try await trainingClient(transport)
    let output = try await training.forwardBackwardCustom(data) { data, logprobs in
      #expect(data.count == 2)
      #expect(logprobs == [[-1, -1], [-1]])
      return CustomLoss(loss: 5, gradients: [[0.5, -2], [3]], metrics: ["mine:mean": 4])
    }.value()
    #expect(transport.methods.dropFirst(2) == [.trainingForward, .trainingForwardBackward])
    let forward = try transport.request(2), backward = try transport.request(3)
    #expect(forward.lossFn == "cross_entropy")
    #expect(try forward.data[0].lossFnInputs["weights"]?.floats() == [0, 0])
    #expect(try backward.data[0].lossFnInputs["weights"]?.floats() == [-0.5, 2])
    #expect(try backward.data[1].lossFnInputs["weights"]?.floats() == [-3])
    #expect(
      output.metrics == ["mine:mean": 4, "loss:sum": 5, "surrogate_loss:sum": -1.5])
  }

  @Test func laterCallsRunBehindIt() async throws {
    let transport = FakeTransport()
    let training = try await trainingClient(transport)
    let (gate, open) = AsyncStream.makeStream(of: Void.self)
    let custom = training.forwardBackwardCustom(data) { _, logprobs in
      for await _ in gate { break }
      return CustomLoss(loss: 0, gradients: logprobs)
    }
    let step = training.optimStep()
    let second = training.forwardBackwardCustom(data) { _, logprobs in
      CustomLoss(loss: 0, gradients: logprobs)
    }
    let last = training.optimStep()
    #expect(transport.methods.dropFirst(2) == [.trainingForward])
    open.yield()
    _ = try await custom.value()
    _ = try await step.value()
    _ = try await second.value()
    _ = try await last.value()
    let both: [Method] = [.trainingForward, .trainingForwardBackward, .trainingOptimStep]
    #expect(Array(transport.methods.dropFirst(2)) == both + both)
  }

  @Test func aFailedLossBreaksTheAccumulationAndLetsOthersGo() async throws {
    struct Failure: Error {}
    let transport = FakeTransport()
    let training = try await trainingClient(transport)
    let custom = training.forwardBackwardCustom(data) { _, _ in throw Failure() }
    let step = training.optimStep()
    await #expect(throws: TinsmithError.self) { try await custom.value() }
    _ = try await step.value()
    #expect(
      transport.methods.dropFirst(2) == [
        .trainingForward, .trainingForwardBackward, .trainingOptimStep,
      ])
    // The service refuses a pass without data, and with it the next step.
    #expect(throws: WireError.self) { try transport.request(3) }
  }

  @Test func gradientsMustFit() async throws {
    let training = try await trainingClient(FakeTransport())
    let few = training.forwardBackwardCustom(data) { _, _ in CustomLoss(loss: 0, gradients: [[]]) }
    var error = await #expect(throws: TinsmithError.self) { try await few.value() }
    #expect(error?.field == "gradients")
    let short = training.forwardBackwardCustom(data) { _, _ in
      CustomLoss(loss: 0, gradients: [[1, 1], []])
    }
    error = await #expect(throws: TinsmithError.self) { try await short.value() }
    #expect(error?.field == "gradients[1]")
  }

  @Test func targetsAreNeeded() async throws {
    let transport = FakeTransport()
    let training = try await trainingClient(transport)
    let custom = training.forwardBackwardCustom([Datum(modelInput: [1], lossFnInputs: [:])]) {
      _, logprobs in CustomLoss(loss: 0, gradients: logprobs)
    }
    let error = await #expect(throws: TinsmithError.self) { try await custom.value() }
    #expect(error?.field == "data[0].loss_fn_inputs")
    #expect(transport.calls.count == 2)
  }
}
