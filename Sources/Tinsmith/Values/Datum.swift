internal import Wire

/// One training example: what the model reads, and the inputs of the loss at each position.
public struct Datum: Sendable, Hashable {
  /// What the model reads.
  public var modelInput: ModelInput
  /// Inputs of the loss by name. `target_tokens` has the token that should follow each position:
  /// the caller shifts. See `LossFunction` for the names that each loss reads.
  public var lossFnInputs: [String: TensorData]

  /// An example.
  public init(modelInput: ModelInput, lossFnInputs: [String: TensorData]) {
    self.modelInput = modelInput
    self.lossFnInputs = lossFnInputs
  }

  /// An example for `cross_entropy`: each token is learned from those before it.
  ///
  /// - Parameters:
  ///   - tokens: the text (n + 1).
  ///   - weights: the weight of learning each token (n + 1); the first token follows nothing, so
  ///     its weight is not used.
  public init(tokens: [Int32], weights: [Float]) {
    self.init(
      modelInput: ModelInput(tokens: Array(tokens.dropLast())),
      lossFnInputs: [
        "target_tokens": TensorData(tokens: Array(tokens.dropFirst())),
        "weights": TensorData(Array(weights.dropFirst())),
      ])
  }

  /// An example for `cross_entropy`: the completion is learned, the prompt is not.
  public init(prompt: [Int32], completion: [Int32]) {
    self.init(
      tokens: prompt + completion,
      weights: prompt.map { _ in 0 } + completion.map { _ in 1 })
  }

  /// Estimated bytes on the wire: four for each token, and those of the tensors.
  var byteCount: Int { lossFnInputs.values.reduce(4 * modelInput.length) { $0 + $1.byteCount } }

  /// The example as it travels.
  ///
  /// - Throws: `TinsmithError` naming the input whose shape does not fit.
  func wire() throws(TinsmithError) -> Wire.Datum {
    var inputs: [String: Tensor] = [:]
    for (name, tensor) in lossFnInputs {
      do throws(WireError) {
        inputs[name] = try tensor.wire()
      } catch {
        throw TinsmithError(error).inside("loss_fn_inputs[\(name)]")
      }
    }
    return Wire.Datum(modelInput: modelInput.wire, lossFnInputs: inputs)
  }
}
