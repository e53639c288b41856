internal import Wire

/// Parameters of one AdamW step with decoupled weight decay.
public struct AdamParams: Sendable, Hashable {
  /// Step size.
  public var learningRate: Double
  /// Decay of the first moment, at least 0 and below 1.
  public var beta1: Double
  /// Decay of the second moment, at least 0 and below 1.
  public var beta2: Double
  /// Added to the root of the second moment.
  public var eps: Double
  /// Decoupled weight decay.
  public var weightDecay: Double
  /// Largest L2 norm of all gradients together; 0 for no clipping.
  public var gradClipNorm: Double

  /// Parameters of a step.
  public init(
    learningRate: Double = 1e-4, beta1: Double = 0.9, beta2: Double = 0.95, eps: Double = 1e-12,
    weightDecay: Double = 0, gradClipNorm: Double = 0
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.eps = eps
    self.weightDecay = weightDecay
    self.gradClipNorm = gradClipNorm
  }

  var wire: Wire.AdamParams {
    Wire.AdamParams(
      learningRate: learningRate, beta1: beta1, beta2: beta2, eps: eps, weightDecay: weightDecay,
      gradClipNorm: gradClipNorm)
  }
}

/// Answer to `optimStep`.
public struct OptimStepOutput: Sendable, Hashable {
  /// Numbers by `name:reduction`, e.g. `unclipped_grad_l2:mean`.
  public var metrics: [String: Double]

  /// An answer.
  public init(metrics: [String: Double]) { self.metrics = metrics }
}
