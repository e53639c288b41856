internal import Wire

/// What a custom loss found for a batch.
public struct CustomLoss: Sendable, Hashable {
  /// The loss C, summed over the batch.
  public var loss: Double
  /// For each datum dC/dlogprob of each of its targets, in the order of its log-probs.
  public var gradients: [[Float]]
  /// Numbers to report, by `name:reduction`.
  public var metrics: [String: Double]

  /// A loss and its gradients.
  public init(loss: Double, gradients: [[Float]], metrics: [String: Double] = [:]) {
    self.loss = loss
    self.gradients = gradients
    self.metrics = metrics
  }
}

extension TrainingClient {
  /// Like `forwardBackward`, with a loss that runs here: any function of the log-probs.
  ///
  /// A forward pass gives the log-probs of the targets, `body` gives the loss and its derivative by
  /// each of them, and a backward pass of `cross_entropy` weighted by −dC/dlogprob gives exactly
  /// the gradient of that loss. Calls made meanwhile run behind it, in their order.
  ///
  /// - Parameters:
  ///   - data: at least one datum, with `target_tokens`; `weights` are 0 where absent and only
  ///     matter to the loss that the service reports for the forward pass.
  ///   - body: given the data and, for each, the log-probs of its targets, row by row.
  /// - Returns: the log-probs of the backward pass, and as metrics those of `body`, `loss:sum`
  ///   (its loss) and `surrogate_loss:sum` (what the service computed).
  public func forwardBackwardCustom(
    _ data: [Datum],
    _ body: @escaping @Sendable (_ data: [Datum], _ logprobs: [[Float]]) async throws -> CustomLoss
  ) -> Pending<ForwardBackwardOutput> {
    do throws(TinsmithError) {
      let calls = try passes(.trainingForward, try Self.withWeights(data), .crossEntropy)
      let forward = Self.combining(sender.send(calls, then: .hold))
      return Pending { [self] in try await finish(data, forward, body) }
    } catch {
      return Pending(failed: error)
    }
  }

  private func finish(
    _ data: [Datum], _ forward: Pending<ForwardBackwardOutput>,
    _ body: @Sendable ([Datum], [[Float]]) async throws -> CustomLoss
  ) async throws -> ForwardBackwardOutput {
    let custom: CustomLoss
    let calls: [OutgoingCall]
    do {
      custom = try await body(data, try await forward.value().logprobs)
      calls = try passes(
        .trainingForwardBackward, Self.weighted(data, custom.gradients), .crossEntropy)
    } catch {
      releaseAsFailed()
      throw error
    }
    var output = try await Self.combining(sender.release(sending: calls)).value()
    let surrogate = output.loss
    output.metrics = custom.metrics
    output.metrics["loss:sum"] = custom.loss
    output.metrics["surrogate_loss:sum"] = surrogate
    return output
  }

  /// Lets the calls behind this one go. A pass without data, which the service refuses, tells it
  /// that gradients are missing, so that the next `optimStep` does not apply the others alone.
  private func releaseAsFailed() {
    let refused = ForwardBackwardRequest(data: [], lossFn: LossFunction.crossEntropy.name)
    _ = sender.release(sending: [sender.call(.trainingForwardBackward, refused)])
  }

  /// The data, with weights of 0 where there are none.
  static func withWeights(_ data: [Datum]) throws(TinsmithError) -> [Datum] {
    var result = data
    for index in data.indices where data[index].lossFnInputs["weights"] == nil {
      let targets = try targets(of: data[index], index)
      result[index].lossFnInputs["weights"] = TensorData(
        [Float](repeating: 0, count: targets.count), shape: targets.shape)
    }
    return result
  }

  /// The data with the weights −dC/dlogprob.
  static func weighted(_ data: [Datum], _ gradients: [[Float]]) throws(TinsmithError) -> [Datum] {
    guard gradients.count == data.count else {
      throw TinsmithError(
        .invalidArgument, "\(gradients.count) lists for \(data.count) data", field: "gradients")
    }
    var result = data
    for (index, gradient) in gradients.enumerated() {
      let targets = try targets(of: data[index], index)
      guard gradient.count == targets.count else {
        throw TinsmithError(
          .invalidArgument, "\(gradient.count) numbers for \(targets.count) targets",
          field: "gradients[\(index)]")
      }
      result[index].lossFnInputs = [
        "target_tokens": targets,
        "weights": TensorData(gradient.map { -$0 }, shape: targets.shape),
      ]
    }
    return result
  }

  private static func targets(of datum: Datum, _ index: Int) throws(TinsmithError) -> TensorData {
    guard let targets = datum.lossFnInputs["target_tokens"] else {
      throw TinsmithError(
        .invalidArgument, "a custom loss needs target_tokens",
        field: "data[\(index)].loss_fn_inputs")
    }
    return targets
  }
}
