/// What a pass needs of the arena, from above: a function of the model's shape, so that batches are
/// cut and requests refused before anything is computed.
package struct Workspace: Sendable {
  private let config: ModelConfig

  package init(_ config: ModelConfig) { self.config = config }

  /// Values of one row in one block: inputs and outputs of its products, the factor u of adapters,
  /// and keys and values once more in the pages of the attention.
  private var block: Int {
    let query = config.heads * config.headDimension
    let key = config.kvHeads * config.headDimension
    return 6 * config.hiddenSize + 3 * query + 5 * key + 4 * config.intermediateSize
  }

  /// Embedding, final norm, and gradients between blocks.
  private var ends: Int { 8 * config.hiddenSize }

  /// Bytes of a row while all values are kept for backward.
  package var keptRow: Int { 4 * (config.layers * block + ends) }
  /// Bytes of a row while only the blocks' inputs are: one block's values and gradients beside.
  package var recomputedRow: Int { 4 * (config.layers * config.hiddenSize + 2 * block + ends) }
  /// Bytes of a row that nothing is kept of.
  package var inferenceRow: Int { 4 * (block + ends) }

  /// Bytes of a block of the output head: logits, and a gathered copy of them in backward.
  package var head: Int {
    4 * OutputHead.blockRows * (2 * config.vocabularySize + 4 * config.hiddenSize) + (8 << 20)
  }

  /// Bytes of the targets of a datum in a block of the head: log-probs, gradients, copies.
  func targets(rows: Int, each: Int) -> Int { min(rows, OutputHead.blockRows) * each * 24 }

  /// Bytes of a step of decoding.
  package var decoding: Int {
    head + inferenceRow * (Generator.maximumSequences + Generator.maximumPrefillRows)
  }
}
