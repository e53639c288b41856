import CKernels

/// A loss by its public name, with its settings.
///
/// Notation: p log-prob of the target, q `logprobs`, A `advantages`, w `weights`, r = exp(p - q).
/// The formulas stand beside `ck_loss_kind`; all are sums over tokens and datums.
package struct LossFunction: Sendable {
  /// Public names, in the order they are documented.
  package enum Name: String, Sendable, CaseIterable {
    case crossEntropy = "cross_entropy"
    case importanceSampling = "importance_sampling"
    case ppo, cispo, dro, gspo

    var kernelKind: ck_loss_kind {
      switch self {
      case .crossEntropy: CK_LOSS_CROSS_ENTROPY
      case .importanceSampling: CK_LOSS_IMPORTANCE_SAMPLING
      case .ppo: CK_LOSS_PPO
      case .cispo: CK_LOSS_CISPO
      case .dro: CK_LOSS_DRO
      case .gspo: CK_LOSS_GSPO
      }
    }

    /// Settings and their defaults; nil must be given.
    var settings: [String: Float?] {
      switch self {
      case .crossEntropy, .importanceSampling: [:]
      case .ppo, .gspo: ["clip_low_threshold": 0.8, "clip_high_threshold": 1.2]
      case .cispo: ["clip_low_threshold": 0, "clip_high_threshold": 4]
      case .dro: ["beta": Optional<Float>.none]
      }
    }

    /// Names of the datum inputs: required, and allowed beside them.
    var inputs: (required: [String], optional: [String]) {
      switch self {
      case .crossEntropy: (["target_tokens", "weights"], [])
      case .importanceSampling, .dro: (["target_tokens", "logprobs", "advantages"], [])
      case .ppo, .cispo:
        (
          ["target_tokens", "logprobs", "advantages"],
          ["clip_low_threshold", "clip_high_threshold"]
        )
      case .gspo:
        (
          ["target_tokens", "logprobs", "advantages", "sequence_ratio_mask"],
          ["clip_low_threshold", "clip_high_threshold"]
        )
      }
    }
  }

  package let name: Name
  let beta: Float
  let low: Float
  let high: Float

  var isPolicy: Bool { name != .crossEntropy }
  /// Needs the log-probs of a whole sequence before any gradient.
  var needsWholeSequence: Bool { name == .gspo }

  /// - Throws: `unimplemented` for an unknown loss, `invalidArgument` for an unknown, missing or
  ///   unusable setting.
  package init(name text: String, config: [String: Double] = [:]) throws(EngineError) {
    guard let name = Name(rawValue: text) else {
      let known = Name.allCases.map(\.rawValue).joined(separator: ", ")
      throw EngineError(
        .unimplemented, "\"\(text)\" is not a known loss (known: \(known))", field: "loss_fn")
    }
    var values: [String: Float] = [:]
    for (key, value) in config {
      guard name.settings.keys.contains(key) else {
        throw .invalid("loss_fn_config[\(key)]", "is not a setting of \(text)")
      }
      guard value.isFinite else {
        throw .invalid("loss_fn_config[\(key)]", "must be finite")
      }
      values[key] = Float(value)
    }
    for (key, fallback) in name.settings where values[key] == nil {
      guard let fallback else {
        throw .invalid("loss_fn_config[\(key)]", "is required by \(text)")
      }
      values[key] = fallback
    }
    self.name = name
    beta = values["beta"] ?? 0
    low = values["clip_low_threshold"] ?? 0
    high = values["clip_high_threshold"] ?? 0
    guard low <= high else {
      throw .invalid("loss_fn_config[clip_low_threshold]", "exceeds clip_high_threshold")
    }
  }
}
