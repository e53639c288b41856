/// A forward or forward_backward of one adapter.
package struct TrainingRequest {
  package let adapter: Adapter?
  package let data: [TrainingDatum]
  package let loss: LossFunction
  /// False for `forward`: no gradient is accumulated.
  package let accumulates: Bool

  package init(
    adapter: Adapter?, data: [TrainingDatum], loss: LossFunction, accumulates: Bool
  ) {
    self.adapter = adapter
    self.data = data
    self.loss = loss
    self.accumulates = accumulates
  }
}

/// What a forward or forward_backward answers.
package struct TrainingResult: Sendable {
  /// Per datum, [tokens] or [tokens, targets per token], of the unscaled distribution.
  package let logprobs: [[Float]]
  /// `name:reduction` → value.
  package let metrics: [String: Double]
}
