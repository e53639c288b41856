import CKernels
import Glibc

/// AdamW's settings; names and defaults of `tinker-api.md` (beta2 0.95, eps 1e-12).
package struct AdamParameters: Sendable, Equatable {
  package var learningRate: Double = 1e-4
  package var beta1: Double = 0.9
  package var beta2: Double = 0.95
  package var epsilon: Double = 1e-12
  /// Decoupled: parameters shrink by learningRate · weightDecay.
  package var weightDecay: Double = 0
  /// Largest global L2 norm of the gradient; 0 is off.
  package var gradientClipNorm: Double = 0

  package init() {}

  /// - Parameter step: the number of the step that they are for, from 1.
  /// - Throws: `invalidArgument` naming the setting.
  package func validate(step: Int) throws(EngineError) {
    for (name, value) in [("beta1", beta1), ("beta2", beta2)] where !(0..<1).contains(value) {
      throw .invalid("adam.\(name)", "must be at least 0 and below 1, not \(value)")
    }
    for (name, value) in [
      ("learning_rate", learningRate), ("eps", epsilon), ("weight_decay", weightDecay),
      ("grad_clip_norm", gradientClipNorm),
    ] where !(value.isFinite && value >= 0) {
      throw .invalid("adam.\(name)", "must be a finite number of at least 0, not \(value)")
    }
    // What the step computes with.
    for (name, what, value) in [
      ("eps", "it is", epsilon),
      ("weight_decay", "times the learning rate it is", learningRate * weightDecay),
      ("learning_rate", "over the bias of beta1 it is", learningRate / bias(beta1, step)),
    ] where value > Double(Float.greatestFiniteMagnitude) {
      throw .invalid(
        "adam.\(name)",
        "\(what) \(value), above \(Float.greatestFiniteMagnitude), the largest float32")
    }
  }

  /// What the moment of a decay lacks after some steps, by which it is divided.
  func bias(_ beta: Double, _ step: Int) -> Double { 1 - pow(beta, Double(step)) }
}

/// One matrix of a flat block of gradients: A or B of a target, in tensor order.
private struct GradientMatrix {
  let index: Int
  let offset: Int
  let count: Int
}

/// Gradients and Adam moments of an adapter, laid out like its parameters.
///
/// Gradients are held twice: a forward_backward reads the committed block, works on the spare one and
/// swaps at the end, so a failed one leaves no trace (numerics rule n).
package final class OptimizerState {
  private var committed: FloatBlock
  private var working: FloatBlock
  let firstMoment: FloatBlock
  let secondMoment: FloatBlock
  /// Steps taken: the t of the bias corrections.
  package internal(set) var stepCount = 0
  /// Whether anything was accumulated since the last step.
  package private(set) var hasGradient = false
  /// L2 norm of the committed gradient, where it is known.
  private var norm: Double?
  /// The matrices of the working block, A and B of each target, that hold something; the others are
  /// stored into by the first product instead of being zeroed for it.
  private var written: [Bool]
  /// Whether the committed block holds zeros. They are written when somebody looks, not when a step
  /// has consumed the gradient: mostly nobody does.
  private var isClear = true

  init(count: Int, matrices: Int) {
    written = Array(repeating: false, count: matrices)
    committed = FloatBlock(count: count)
    working = FloatBlock(count: count)
    firstMoment = FloatBlock(count: count)
    secondMoment = FloatBlock(count: count)
  }

  /// The accumulated gradient; zeros if there is none.
  var gradients: FloatBlock {
    if !hasGradient, !isClear {
      committed.zero()
      isClear = true
    }
    return committed
  }

  /// Starts a forward_backward: the working block continues from the committed one.
  func begin() {
    if hasGradient { working.copy(from: committed) }
    for i in written.indices { written[i] = hasGradient }
  }

  /// Where a product adds to the working gradient of one matrix, and whether anything is there yet.
  fileprivate func claim(_ matrix: GradientMatrix) -> (UnsafeMutablePointer<Float>, Bool) {
    defer { written[matrix.index] = true }
    return (working.pointer + matrix.offset, written[matrix.index])
  }

  /// Ends it: finite results become the committed gradient.
  ///
  /// - Throws: `failedPrecondition` when a gradient is not finite; nothing is kept then.
  fileprivate func commit(_ matrices: [GradientMatrix], kernels: Kernels) throws(EngineError) {
    for matrix in matrices where !written[matrix.index] {
      (working.pointer + matrix.offset).update(repeating: 0, count: matrix.count)
    }
    let squares = squareSum(working, matrices, kernels)
    guard squares.isFinite else {
      throw EngineError(
        .failedPrecondition, "a gradient is not finite; the accumulated gradients are unchanged")
    }
    swap(&committed, &working)
    (hasGradient, isClear, norm) = (true, false, squares.squareRoot())
  }

  /// Takes over what was written into `gradients` (used when a saved state is loaded).
  func restoreGradient(present: Bool) {
    hasGradient = present
    (isClear, norm) = (false, nil)
  }

  /// L2 norm of the committed gradient.
  fileprivate func norm(_ matrices: [GradientMatrix], kernels: Kernels) -> Double {
    guard hasGradient else { return 0 }
    if let norm { return norm }
    let value = squareSum(committed, matrices, kernels).squareRoot()
    norm = value
    return value
  }

  /// Squares in double, blocks of 4096, in tensor order (numerics rule k).
  private func squareSum(
    _ block: FloatBlock, _ matrices: [GradientMatrix], _ kernels: Kernels
  ) -> Double {
    kernels.squareSum(
      matrices.map { UnsafeBufferPointer(start: block.pointer + $0.offset, count: $0.count) })
  }

  /// Drops what was accumulated.
  package func discardGradient() { hasGradient = false }
}

extension Adapter {
  /// What a target's rows add to the working gradient: dB of `b` and dA of `a`, operands of aᵀ · b.
  func gradientUpdates(_ tensor: Int, b: (Rows, Rows), a: (Rows, Rows)) -> [OuterProduct] {
    guard let training else {
      // Backward only runs on adapters that `RequestAccumulator.begin` has checked to be trainable.
      preconditionFailure("gradient asked of an adapter that is not being trained")
    }
    let pair = matrices(of: tensor)
    return [(pair[1], b), (pair[0], a)].map { matrix, operands in
      let (g, accumulate) = training.claim(matrix)
      return OuterProduct(g: g, accumulate: accumulate, a: operands.0, b: operands.1)
    }
  }

  /// A and B of a target.
  private func matrices(of tensor: Int) -> [GradientMatrix] {
    let place = tensors[tensor]
    return [
      GradientMatrix(index: 2 * tensor, offset: place.offsetA, count: place.countA),
      GradientMatrix(index: 2 * tensor + 1, offset: place.offsetB, count: place.countB),
    ]
  }

  private var matrices: [GradientMatrix] { tensors.indices.flatMap(matrices(of:)) }

  /// Makes the adapter trainable, with a cold optimizer.
  package func startTraining() {
    training = OptimizerState(count: parameters.count, matrices: 2 * tensors.count)
  }

  /// Global L2 norm of the accumulated gradient.
  package func gradientNorm(kernels: Kernels) -> Double {
    training?.norm(matrices, kernels: kernels) ?? 0
  }

  /// Ends a forward_backward: its finite results become the accumulated gradient.
  ///
  /// - Throws: `failedPrecondition` when a gradient is not finite; nothing is kept then.
  func commitGradient(kernels: Kernels) throws(EngineError) {
    try training?.commit(matrices, kernels: kernels)
  }

  /// One AdamW step on the accumulated gradient (zero if there is none), which it consumes.
  ///
  /// - Returns: the gradient's norm before clipping.
  /// - Throws: `invalidArgument` naming the setting; `failedPrecondition` without an optimizer.
  package func step(_ adam: AdamParameters, kernels: Kernels) throws(EngineError) -> Double {
    guard let training else {
      throw EngineError(.failedPrecondition, "the adapter is not being trained")
    }
    let step = training.stepCount + 1
    try adam.validate(step: step)
    let norm = gradientNorm(kernels: kernels)
    let clip =
      adam.gradientClipNorm > 0 ? min(1, adam.gradientClipNorm / (norm + 1e-6)) : 1
    ck_adamw(
      kernels.handle, parameters.pointer, training.firstMoment.pointer,
      training.secondMoment.pointer, training.gradients.pointer, Int64(parameters.count),
      Float(clip), adam.learningRate, adam.beta1, adam.beta2, adam.epsilon, adam.weightDecay,
      adam.bias(adam.beta1, step), adam.bias(adam.beta2, step))
    training.stepCount = step
    training.discardGradient()
    repack(kernels: kernels)
    return norm
  }
}
