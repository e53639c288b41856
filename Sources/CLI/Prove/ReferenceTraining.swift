import Tinsmith

/// The training that is run again and again: supervised first, then by reinforcement, then once
/// more from a state in the middle. It uses what a user's program would, through the public SDK.
struct ReferenceTraining: Sendable {
  /// How long it is.
  struct Size: Sendable {
    /// Supervised steps.
    var steps: Int
    /// Sequences of each.
    var batch: Int
    /// Rounds of reinforcement.
    var rounds: Int
    /// Prompts of each, and answers to each prompt.
    var prompts: Int
    var samples: Int
    /// Most tokens of an answer.
    var newTokens: Int
    /// Steps after the state was loaded.
    var stepsAfterLoad: Int
  }

  /// What it came to.
  struct Run: Sendable {
    /// Its model, by which the service keeps files.
    var modelID: String
    var record: RunRecord
  }

  /// Name of the base model.
  let base: String
  let size: Size
  /// The supervised step whose learning rate is a thousandth higher; nil for none. It shows that
  /// the proof can fail.
  var disturbedStep: Int?

  /// Calls in flight at once.
  private static let ahead = 6
  /// Name of the checkpoint of the last state.
  static let end = "end"

  /// Trains with a model of its own.
  func run(_ service: ServiceClient, _ progress: RunProgress) async throws -> Run {
    let capabilities = try await service.getServerCapabilities().value()
    guard let served = capabilities.models.first(where: { $0.name == base }) else {
      throw CommandError("the service does not serve \(base)")
    }
    let batches = ReferenceBatches(
      vocabulary: Int32(clamping: served.vocabularySize), newTokens: size.newTokens)
    let training = try await service.createLoRATrainingClient(
      baseModel: base, rank: 8, seed: 7
    ).value()
    var calls = CallRecorder(progress, modelID: training.modelID)
    let middle = try await supervise(training, batches, &calls)
    for round in 0..<size.rounds {
      try await reinforce(round, service, training, batches, &calls)
    }
    let path = try await middle.value()
    calls.add("load_state", training.loadState(path: path, optimizer: true))
    // The gradients of the step in the middle came back with the state.
    calls.add("after load, optim_step", training.optimStep(adam(size.steps / 2)))
    for step in 0..<size.stepsAfterLoad {
      let data = batches.supervised(size.steps + step, count: size.batch)
      let name = "after load, step \(step), "
      calls.add("\(name)forward_backward", training.forwardBackward(data, loss: .crossEntropy))
      calls.add("\(name)optim_step", training.optimStep(adam(step)))
    }
    // Left in the last state, unapplied.
    let rest = batches.supervised(0, count: 1)
    calls.add("last forward_backward", training.forwardBackward(rest, loss: .crossEntropy))
    calls.add("get_info", training.getInfo())
    let end = training.saveState(name: Self.end, includeGradients: true)
    calls.add("last save_state", end)
    try await calls.collect(leaving: 0)
    let files = try await calls.value(
      "export", service.exportCheckpoint(path: try await end.value()))
    for file in files.sorted(by: { $0.name < $1.name }) {
      calls.record.add("exported \(file.name)", file.content)
    }
    return Run(modelID: training.modelID, record: calls.record)
  }

  private func adam(_ step: Int) -> AdamParams {
    let rate = 1e-3 * Double(1 + step % 4) * (step == disturbedStep ? 1.001 : 1)
    return AdamParams(learningRate: rate, weightDecay: 0.01, gradClipNorm: step % 3 == 0 ? 1 : 0)
  }

  /// Supervised steps, several in flight; the gradients of some add up with those of the next.
  /// - Returns: the path of the state in the middle, which holds unapplied gradients.
  private func supervise(
    _ training: TrainingClient, _ batches: ReferenceBatches, _ calls: inout CallRecorder
  ) async throws -> Pending<String> {
    var middle: Pending<String>?
    for step in 0..<size.steps {
      let data = batches.supervised(step, count: size.batch)
      let name = "sft step \(step), "
      calls.add("\(name)forward_backward", training.forwardBackward(data, loss: .crossEntropy))
      if step == size.steps / 2 {
        let state = training.saveState(name: "middle", includeGradients: true)
        calls.add("\(name)save_state", state)
        middle = state
      }
      if step % 5 != 4 { calls.add("\(name)optim_step", training.optimStep(adam(step))) }
      try await calls.collect(leaving: Self.ahead)
    }
    guard let middle else { throw CommandError("a training needs at least one step") }
    return middle
  }

  /// Samples from the model as it is, and makes the better answers more probable.
  private func reinforce(
    _ round: Int, _ service: ServiceClient, _ training: TrainingClient,
    _ batches: ReferenceBatches, _ calls: inout CallRecorder
  ) async throws {
    let name = "rl round \(round), "
    let sampler = try await sampler(round, service, training, calls)
    let prompts = batches.prompts(round, count: size.prompts)
    let drawn = prompts.enumerated().map { index, prompt in
      let answers = sampler.sample(
        ModelInput(tokens: prompt), numSamples: size.samples, params: batches.params(round, index),
        includeModelLogprobs: true)
      calls.add("\(name)sample \(index)", answers)
      return answers
    }
    try await calls.collect(leaving: 0)
    var data: [Datum] = []
    var sampled: [[Float]] = []
    for (prompt, answers) in zip(prompts, drawn) {
      let sequences = try await answers.value().sequences
      data += batches.reinforced(prompt, sequences)
      sampled += sequences.map { $0.modelLogprobs ?? [] }
    }
    calls.add("\(name)compute_logprobs", sampler.computeLogprobs(data[0].modelInput))
    let pass = training.forwardBackward(data, loss: .importanceSampling)
    calls.add("\(name)importance_sampling", pass)
    calls.add("\(name)optim_step", training.optimStep(adam(round)))
    calls.add("\(name)ppo", training.forwardBackward(data, loss: .ppo))
    calls.add("\(name)second optim_step", training.optimStep(adam(round + 1)))
    try await check(pass.value(), gave: sampled, name)
  }

  /// A named snapshot in every second round, one that goes with the session in the others.
  private func sampler(
    _ round: Int, _ service: ServiceClient, _ training: TrainingClient, _ calls: CallRecorder
  ) async throws -> SamplingClient {
    let name = "rl round \(round), "
    guard round % 2 == 0 else {
      return try await calls.value(
        "\(name)save_weights_and_get_sampling_client", training.saveWeightsAndGetSamplingClient())
    }
    let path = try await calls.value(
      "\(name)save_weights_for_sampler", training.saveWeightsForSampler(name: "round-\(round)"))
    return try await calls.value(
      "\(name)create_sampling_session", service.createSamplingClient(modelPath: path))
  }

  /// The weights had not changed since the answers were drawn: training must see the log-probs that
  /// sampling gave for the model's own distribution, bit for bit.
  private func check(
    _ output: ForwardBackwardOutput, gave sampled: [[Float]], _ name: String
  ) throws {
    for (index, (row, drawn)) in zip(output.logprobs, sampled).enumerated() {
      guard !drawn.isEmpty else {
        throw CommandError("\(name)datum \(index): sample gave no log-probs of the model")
      }
      for (token, (seen, gave)) in zip(row.suffix(drawn.count), drawn).enumerated()
      where seen.bitPattern != gave.bitPattern {
        throw CommandError(
          "\(name)datum \(index): forward_backward gives log-prob \(seen) for sampled token "
            + "\(token), sample gave \(gave)")
      }
    }
  }
}
