internal import Wire

/// Answer to `forward`, `forwardBackward` and `forwardBackwardCustom`.
public struct ForwardBackwardOutput: Sendable, Hashable {
  /// For each datum, in the order of the call, tensors by name. `logprobs` has the shape of the
  /// datum's `target_tokens`.
  public var lossFnOutputs: [[String: TensorData]]
  /// Numbers by `name:reduction`; `loss:sum` is always there.
  public var metrics: [String: Double]

  /// An answer.
  public init(lossFnOutputs: [[String: TensorData]], metrics: [String: Double]) {
    self.lossFnOutputs = lossFnOutputs
    self.metrics = metrics
  }

  /// The loss, summed over tokens and data: the metric `loss:sum`; NaN if there is none.
  public var loss: Double { metrics["loss:sum"] ?? .nan }

  /// For each datum the log-probs of its targets, row by row; empty where there are none.
  public var logprobs: [[Float]] { lossFnOutputs.map { $0["logprobs"]?.floats ?? [] } }

  init(_ wire: Wire.ForwardBackwardResponse) throws(WireError) {
    lossFnOutputs = []
    lossFnOutputs.reserveCapacity(wire.lossFnOutputs.count)
    for tensors in wire.lossFnOutputs {
      var output: [String: TensorData] = [:]
      for (name, tensor) in tensors { output[name] = try TensorData(tensor) }
      lossFnOutputs.append(output)
    }
    metrics = wire.metrics
  }
}
