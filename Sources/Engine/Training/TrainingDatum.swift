/// One training example, validated: tokens, their targets and the loss's inputs per token.
package struct TrainingDatum: Sendable {
  package let tokens: [Int32]
  /// [tokens, targetsPerToken].
  let targets: [Int32]
  package let targetsPerToken: Int
  /// As the caller gave the targets: [tokens] or [tokens, targetsPerToken].
  package let targetShape: [Int]
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
    try Self.check(
      shapes: inputs.mapValues(\.shape), tokens: tokens.count, loss: loss, field: field)
    let count = tokens.count
    self.tokens = tokens
    targetShape = inputs["target_tokens"]?.shape ?? []
    (targets, targetsPerToken) = try Self.targets(
      inputs["target_tokens"], vocabulary: config.vocabularySize,
      allowsSeveral: !loss.isPolicy, field: path("target_tokens"))
    func floats(_ name: String) throws(EngineError) -> [Float] {
      try Self.floats(inputs[name], field: path(name))
    }
    weights = try floats(loss.isPolicy ? "advantages" : "weights")
    guard loss.isPolicy else {
      (reference, low, high, mask) = ([], [], [], [])
      return
    }
    reference = try floats("logprobs")
    low =
      inputs["clip_low_threshold"] == nil
      ? Array(repeating: loss.low, count: count) : try floats("clip_low_threshold")
    high =
      inputs["clip_high_threshold"] == nil
      ? Array(repeating: loss.high, count: count) : try floats("clip_high_threshold")
    mask = loss.needsWholeSequence ? try floats("sequence_ratio_mask") : []
    if loss.needsWholeSequence, mask.allSatisfy({ $0 == 0 }), weights.contains(where: { $0 != 0 }) {
      throw .invalid(path("sequence_ratio_mask"), "selects no token but advantages are not zero")
    }
  }

  /// Checks names and shapes of the loss's inputs, for which nothing need be read of them.
  ///
  /// - Parameter tokens: of the model input.
  /// - Throws: `invalidArgument` naming the input.
  package static func check(
    shapes: [String: [Int]], tokens count: Int, loss: LossFunction, field: String
  ) throws(EngineError) {
    func path(_ name: String) -> String { "\(field).loss_fn_inputs[\(name)]" }
    let names = loss.name.inputs
    for name in shapes.keys.sorted() where !names.required.contains(name) {
      guard names.optional.contains(name) else {
        throw .invalid(path(name), "is not an input of \(loss.name.rawValue)")
      }
    }
    for name in names.required where shapes[name] == nil {
      throw .invalid(path(name), "is required by \(loss.name.rawValue)")
    }
    let targets = shapes["target_tokens"] ?? []
    let k = targets.count == 2 && !loss.isPolicy ? targets[1] : 1
    guard targets == [count] || (!loss.isPolicy && targets == [count, k] && k >= 1) else {
      throw .invalid(
        path("target_tokens"), "has shape \(targets), the model input has \(count) tokens")
    }
    for (name, shape) in shapes.sorted(by: { $0.key < $1.key }) where name != "target_tokens" {
      let width = name == "weights" ? k : 1
      guard shape == [count, width] || (width == 1 && shape == [count]) else {
        throw .invalid(
          path(name), "has shape \(shape), expected [\(count)]\(width > 1 ? " × \(width)" : "")")
      }
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
        field, "token \(bad), id \(tokens[bad]), is outside 0..<\(range.upperBound)")
    }
  }

  private static func targets(
    _ input: LossInput?, vocabulary: Int, allowsSeveral: Bool, field: String
  ) throws(EngineError) -> ([Int32], Int) {
    guard let input, case .integers(let values) = input.values else {
      throw .invalid(field, "must hold integers")
    }
    let k = input.shape.count == 2 && allowsSeveral ? input.shape[1] : 1
    if let bad = values.firstIndex(where: { !(0..<Int64(vocabulary)).contains($0) }) {
      throw .invalid(
        "\(field)[\(bad)]", "token id \(values[bad]) is outside 0..<\(vocabulary)")
    }
    return (values.map { Int32($0) }, k)
  }

  private static func floats(
    _ input: LossInput?, field: String
  ) throws(EngineError) -> [Float] {
    guard let input, case .floats(let values) = input.values else {
      throw .invalid(field, "must hold floats")
    }
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      throw .invalid("\(field)[\(bad)]", "is not finite")
    }
    return values
  }
}
