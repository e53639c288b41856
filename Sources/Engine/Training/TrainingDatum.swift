/// One training example, validated: tokens, their targets and the loss's inputs per token.
package struct TrainingDatum: Sendable {
  package let tokens: [Int32]
  /// [tokens, targetsPerToken].
  let targets: [Int32]
  package let targetsPerToken: Int
  /// Weight (cross entropy; one per target) or advantage (one per token).
  let weights: [Float]
  /// Behaviour policy's log-probs; empty for cross entropy.
  let reference: [Float]
  let low: [Float]
  let high: [Float]
  /// Tokens that count for the sequence ratio (gspo); empty otherwise.
  let mask: [Float]

  /// Checks everything a client can get wrong.
  ///
  /// - Parameters:
  ///   - inputs: `loss_fn_inputs` by name.
  ///   - field: where this datum stands in the request, for messages.
  /// - Throws: `invalidArgument` naming the field.
  package init(
    tokens: [Int32], inputs: [String: LossInput], loss: LossFunction, config: ModelConfig,
    field: String
  ) throws(EngineError) {
    func path(_ name: String) -> String { "\(field).loss_fn_inputs[\(name)]" }
    try Self.check(tokens: tokens, config: config, field: "\(field).model_input")
    let names = loss.name.inputs
    for name in inputs.keys where !names.required.contains(name) {
      guard names.optional.contains(name) else {
        throw .invalid(path(name), "is not an input of \(loss.name.rawValue)")
      }
    }
    for name in names.required where inputs[name] == nil {
      throw .invalid(path(name), "is required by \(loss.name.rawValue)")
    }
    let count = tokens.count
    self.tokens = tokens
    (targets, targetsPerToken) = try Self.targets(
      inputs["target_tokens"], count: count, vocabulary: config.vocabularySize,
      allowsSeveral: !loss.isPolicy, field: path("target_tokens"))
    let k = targetsPerToken
    func floats(_ name: String, _ width: Int) throws(EngineError) -> [Float] {
      try Self.floats(inputs[name], count: count, width: width, field: path(name))
    }
    weights = try floats(loss.isPolicy ? "advantages" : "weights", k)
    guard loss.isPolicy else {
      (reference, low, high, mask) = ([], [], [], [])
      return
    }
    reference = try floats("logprobs", 1)
    low =
      inputs["clip_low_threshold"] == nil
      ? Array(repeating: loss.low, count: count) : try floats("clip_low_threshold", 1)
    high =
      inputs["clip_high_threshold"] == nil
      ? Array(repeating: loss.high, count: count) : try floats("clip_high_threshold", 1)
    mask = loss.needsWholeSequence ? try floats("sequence_ratio_mask", 1) : []
    if loss.needsWholeSequence, mask.allSatisfy({ $0 == 0 }), weights.contains(where: { $0 != 0 }) {
      throw .invalid(path("sequence_ratio_mask"), "selects no token but advantages are not zero")
    }
  }

  package static func check(
    tokens: [Int32], config: ModelConfig, field: String
  ) throws(EngineError) {
    guard !tokens.isEmpty else { throw .invalid(field, "has no tokens") }
    guard tokens.count <= config.maxPositions else {
      throw .invalid(
        field, "\(tokens.count) tokens exceed the model's \(config.maxPositions) positions")
    }
    let range = 0..<Int32(config.vocabularySize)
    if let bad = tokens.firstIndex(where: { !range.contains($0) }) {
      throw .invalid(
        "\(field).tokens[\(bad)]", "token id \(tokens[bad]) is outside 0..<\(range.upperBound)")
    }
  }

  private static func targets(
    _ input: LossInput?, count: Int, vocabulary: Int, allowsSeveral: Bool, field: String
  ) throws(EngineError) -> ([Int32], Int) {
    guard let input, case .integers(let values) = input.values else {
      throw .invalid(field, "must hold integers")
    }
    let k = input.shape.count == 2 && allowsSeveral ? input.shape[1] : 1
    guard input.shape == [count] || (allowsSeveral && input.shape == [count, k] && k >= 1) else {
      throw .invalid(field, "has shape \(input.shape), the model input has \(count) tokens")
    }
    if let bad = values.firstIndex(where: { !(0..<Int64(vocabulary)).contains($0) }) {
      throw .invalid(
        "\(field)[\(bad)]", "token id \(values[bad]) is outside 0..<\(vocabulary)")
    }
    return (values.map { Int32($0) }, k)
  }

  private static func floats(
    _ input: LossInput?, count: Int, width: Int, field: String
  ) throws(EngineError) -> [Float] {
    guard let input, case .floats(let values) = input.values else {
      throw .invalid(field, "must hold floats")
    }
    let fits = input.shape == [count, width] || (width == 1 && input.shape == [count])
    guard fits else {
      throw .invalid(
        field, "has shape \(input.shape), expected [\(count)]\(width > 1 ? " × \(width)" : "")")
    }
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      throw .invalid("\(field)[\(bad)]", "is not finite")
    }
    return values
  }
}
