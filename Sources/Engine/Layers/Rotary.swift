import Glibc

/// Frequency scaling of rotary embeddings. Scalings that depend on the length of the sequence are
/// refused: a position's logits would depend on what follows it.
package enum RotaryScaling: Equatable, Sendable {
  case none
  /// All frequencies divided by a factor.
  case linear(factor: Float)
  /// Llama 3: long wavelengths divided by a factor, short ones kept, a smooth ramp between.
  case llama3(factor: Float, lowFactor: Float, highFactor: Float, originalLength: Int)
  case yarn(YaRN)
}

/// Cosines and sines of every position, [positions][headDimension / 2].
///
/// `inv_freq` and `position · inv_freq` are rounded to f32 as transformers does; the cosine and
/// sine of that are taken in double (numerics rule f).
package final class RotaryTable {
  let headDimension: Int
  let positions: Int
  private let theta: Double
  private let scaling: RotaryScaling
  private var block = FloatBlock(count: 0)

  var cosines: UnsafePointer<Float> { UnsafePointer(block.pointer) }
  var sines: UnsafePointer<Float> {
    UnsafePointer(block.pointer + positions * headDimension / 2)
  }

  /// A table without values: `fill` makes them.
  init(headDimension: Int, positions: Int, theta: Double, scaling: RotaryScaling) {
    self.headDimension = headDimension
    self.positions = positions
    self.theta = theta
    self.scaling = scaling
  }

  /// Takes the memory and fills it, once the weights have been seen to fit the config: a folder
  /// that cannot be served costs nothing.
  func fill() {
    let half = headDimension / 2
    block = FloatBlock(count: positions * headDimension)
    let inverse = frequencies()
    let growth = attentionFactor
    for position in 0..<positions {
      for i in 0..<half {
        let angle = Double(Float(position) * inverse[i])
        block.pointer[position * half + i] = Float(cos(angle) * growth)
        block.pointer[positions * half + position * half + i] = Float(sin(angle) * growth)
      }
    }
  }

  /// Factor of cosines and sines.
  private var attentionFactor: Double {
    if case .yarn(let yarn) = scaling { yarn.attentionFactor } else { 1 }
  }

  private func frequencies() -> [Float] {
    if case .yarn(let yarn) = scaling { return yarn.frequencies(headDimension, theta: theta) }
    return (0..<headDimension / 2).map { i in
      let exponent = Float(2 * i) / Float(headDimension)
      return Self.scale(1 / Float(pow(theta, Double(exponent))), by: scaling)
    }
  }

  private static func scale(_ frequency: Float, by scaling: RotaryScaling) -> Float {
    switch scaling {
    case .none, .yarn: return frequency
    case .linear(let factor): return frequency / factor
    case .llama3(let factor, let low, let high, let original):
      let wavelength = 2 * Float.pi / frequency
      let length = Float(original)
      if wavelength > length / low { return frequency / factor }
      if wavelength < length / high { return frequency }
      let smooth = (length / wavelength - low) / (high - low)
      return (1 - smooth) * frequency / factor + smooth * frequency
    }
  }
}
