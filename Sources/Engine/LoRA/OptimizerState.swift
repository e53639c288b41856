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

  /// - Throws: `invalidArgument` naming the setting.
  package func validate() throws(EngineError) {
    let settings: [(String, Double, Range<Double>)] = [
      ("learning_rate", learningRate, 0..<1e6), ("beta1", beta1, 0..<1), ("beta2", beta2, 0..<1),
      ("eps", epsilon, 0..<1e6), ("weight_decay", weightDecay, 0..<1e6),
      ("grad_clip_norm", gradientClipNorm, 0..<Double.infinity),
    ]
    for (name, value, range) in settings where !range.contains(value) {
      throw .invalid("adam_params.\(name)", "must be in \(range), not \(value)")
    }
  }
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
  /// Whether the committed block holds zeros. They are written when somebody looks, not when a step
  /// has consumed the gradient: mostly nobody does.
  private var isClear = true

  init(count: Int) {
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
  var workingGradients: FloatBlock { working }

  /// Starts a forward_backward: the working block continues from the committed one.
  func begin() {
    if hasGradient { working.copy(from: committed) } else { working.zero() }
  }

  /// Ends it: finite results become the committed gradient.
  ///
  /// - Throws: `failedPrecondition` when a gradient is not finite; nothing is kept then.
  func commit(kernels: Kernels) throws(EngineError) {
    guard kernels.allFinite(working.pointer, count: working.count) else {
      throw EngineError(
        .failedPrecondition, "a gradient is not finite; the accumulated gradients are unchanged")
    }
    swap(&committed, &working)
    (hasGradient, isClear) = (true, false)
  }

  /// Takes over what was written into `gradients` (used when a saved state is loaded).
  func restoreGradient(present: Bool) {
    hasGradient = present
    isClear = false
  }

  /// Drops what was accumulated.
  package func discardGradient() { hasGradient = false }
}

extension Adapter {
  func gradientA(_ site: Int) -> UnsafeMutablePointer<Float> { gradient(site, \.offsetA) }
  func gradientB(_ site: Int) -> UnsafeMutablePointer<Float> { gradient(site, \.offsetB) }

  private func gradient(
    _ site: Int, _ offset: KeyPath<AdapterTensors, Int>
  ) -> UnsafeMutablePointer<Float> {
    guard let training, let tensor = tensors.first(where: { $0.site.index == site }) else {
      // Backward only runs on adapters that `ForwardBackward` has checked to be trainable.
      preconditionFailure("gradient asked of an adapter that is not being trained")
    }
    return training.workingGradients.pointer + tensor[keyPath: offset]
  }

  /// Makes the adapter trainable, with a cold optimizer.
  package func startTraining() { training = OptimizerState(count: parameters.count) }

  /// Global L2 norm of the accumulated gradient: squares in double, blocks of 4096, in tensor
  /// order (numerics rule k).
  package func gradientNorm(kernels: Kernels) -> Double {
    guard let training, training.hasGradient else { return 0 }
    var sum = 0.0
    for tensor in tensors {
      for (offset, count) in [
        (tensor.offsetA, tensor.countA), (tensor.offsetB, tensor.countB),
      ] {
        sum += kernels.squareSum(training.gradients.pointer + offset, count: count)
      }
    }
    return sum.squareRoot()
  }

  /// One AdamW step on the accumulated gradient (zero if there is none), which it consumes.
  ///
  /// - Returns: the gradient's norm before clipping.
  /// - Throws: `invalidArgument` naming the setting; `failedPrecondition` without an optimizer.
  package func step(_ adam: AdamParameters, kernels: Kernels) throws(EngineError) -> Double {
    try adam.validate()
    guard let training else {
      throw EngineError(.failedPrecondition, "the adapter is not being trained")
    }
    let norm = gradientNorm(kernels: kernels)
    let clip =
      adam.gradientClipNorm > 0 ? min(1, adam.gradientClipNorm / (norm + 1e-6)) : 1
    let t = Double(training.stepCount + 1)
    ck_adamw(
      kernels.handle, parameters.pointer, training.firstMoment.pointer,
      training.secondMoment.pointer, training.gradients.pointer, Int64(parameters.count),
      Float(clip), adam.learningRate, adam.beta1, adam.beta2, adam.epsilon, adam.weightDecay,
      1 - pow(adam.beta1, t), 1 - pow(adam.beta2, t))
    training.stepCount += 1
    training.discardGradient()
    repack(kernels: kernels)
    return norm
  }
}
