internal import CProto

/// AdamW with decoupled weight decay.
package struct AdamParams: Sendable, Equatable {
  /// Step size.
  package var learningRate: Double
  /// Decay of the first moment, below 1.
  package var beta1: Double
  /// Decay of the second moment, below 1.
  package var beta2: Double
  /// Added to the root of the second moment.
  package var eps: Double
  /// Decoupled weight decay.
  package var weightDecay: Double
  /// Largest L2 norm of all gradients together; 0 for no clipping.
  package var gradClipNorm: Double

  /// Parameters; the defaults are those of the schema.
  package init(
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
}

extension AdamParams: Coded {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__AdamParams>?) {
    tinsmith__v1__adam_params__init(c)
  }

  init(_ c: Tinsmith__V1__AdamParams, _ reader: Reader) throws(WireError) {
    self.init()
    if c.learning_rate_presence_case
      == TINSMITH__V1__ADAM_PARAMS__LEARNING_RATE_PRESENCE_LEARNING_RATE
    {
      learningRate = try Check.notNegative(c.learning_rate, "learning_rate")
    }
    if c.beta1_presence_case == TINSMITH__V1__ADAM_PARAMS__BETA1_PRESENCE_BETA1 {
      beta1 = try Self.beta(c.beta1, "beta1")
    }
    if c.beta2_presence_case == TINSMITH__V1__ADAM_PARAMS__BETA2_PRESENCE_BETA2 {
      beta2 = try Self.beta(c.beta2, "beta2")
    }
    if c.eps_presence_case == TINSMITH__V1__ADAM_PARAMS__EPS_PRESENCE_EPS {
      eps = try Check.notNegative(c.eps, "eps")
    }
    weightDecay = try Check.notNegative(c.weight_decay, "weight_decay")
    gradClipNorm = try Check.notNegative(c.grad_clip_norm, "grad_clip_norm")
  }

  private static func beta(_ value: Double, _ field: String) throws(WireError) -> Double {
    try Check.number(value, field, "at least 0 and below 1") { $0 >= 0 && $0 < 1 }
  }

  func fill(_ c: inout Tinsmith__V1__AdamParams, _ writer: Writer) {
    c.learning_rate_presence_case =
      TINSMITH__V1__ADAM_PARAMS__LEARNING_RATE_PRESENCE_LEARNING_RATE
    c.learning_rate = learningRate
    c.beta1_presence_case = TINSMITH__V1__ADAM_PARAMS__BETA1_PRESENCE_BETA1
    c.beta1 = beta1
    c.beta2_presence_case = TINSMITH__V1__ADAM_PARAMS__BETA2_PRESENCE_BETA2
    c.beta2 = beta2
    c.eps_presence_case = TINSMITH__V1__ADAM_PARAMS__EPS_PRESENCE_EPS
    c.eps = eps
    c.weight_decay = weightDecay
    c.grad_clip_norm = gradClipNorm
  }
}

/// `Training.OptimStep`.
package struct OptimStepRequest: Sendable, Equatable {
  /// The optimizer's parameters for this step.
  package var adam: AdamParams

  /// A request.
  package init(adam: AdamParams = AdamParams()) { self.adam = adam }
}

extension OptimStepRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__OptimStepRequest>?) {
    tinsmith__v1__optim_step_request__init(c)
  }

  init(_ c: Tinsmith__V1__OptimStepRequest, _ reader: Reader) throws(WireError) {
    adam = try reader.optional(c.adam, "adam") ?? AdamParams()
  }

  func fill(_ c: inout Tinsmith__V1__OptimStepRequest, _ writer: Writer) {
    c.adam = writer.message(adam)
  }
}

/// Answer of `Training.OptimStep`.
package struct OptimStepResponse: Sendable, Equatable {
  /// Numbers by `name:reduction`.
  package var metrics: [String: Double]

  /// An answer.
  package init(metrics: [String: Double] = [:]) { self.metrics = metrics }
}

extension OptimStepResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__OptimStepResponse>?) {
    tinsmith__v1__optim_step_response__init(c)
  }

  init(_ c: Tinsmith__V1__OptimStepResponse, _ reader: Reader) throws(WireError) {
    metrics = try reader.metrics(c.metrics, c.n_metrics)
  }

  func fill(_ c: inout Tinsmith__V1__OptimStepResponse, _ writer: Writer) {
    writer.pairs(metrics, &c.n_metrics, &c.metrics, NamedNumber.init)
  }
}
