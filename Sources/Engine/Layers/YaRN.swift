import Glibc

/// YaRN (Peng et al., arXiv 2309.00071) as transformers has it: short wavelengths are kept, long ones
/// divided by a factor, with a linear ramp over the dimensions between; cosines and sines grow by a
/// factor of their own. It depends on the position alone, not on the length of the sequence.
package struct YaRN: Equatable, Sendable {
  let factor: Double
  let originalLength: Int
  /// Rotations over the original length above which a dimension is kept, below which it is divided.
  let betaFast: Double
  let betaSlow: Double
  /// Whether the ends of the ramp are whole dimensions.
  let isTruncated: Bool
  /// Of cosines and sines.
  let attentionFactor: Double

  /// The growth of attention for a factor of the context.
  static func magnitude(_ factor: Double, _ scale: Double) -> Double {
    factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1
  }

  /// First and last dimension of the ramp for `dimension` rotated values of base `theta`.
  func ramp(_ dimension: Int, theta: Double) -> (low: Double, high: Double) {
    func edge(_ rotations: Double) -> Double {
      Double(dimension) * log(Double(originalLength) / (rotations * 2 * .pi)) / (2 * log(theta))
    }
    let (low, high) = (edge(betaFast), edge(betaSlow))
    return (
      max(isTruncated ? low.rounded(.down) : low, 0),
      min(isTruncated ? high.rounded(.up) : high, Double(dimension - 1))
    )
  }

  /// `theta ^ (-2 i / dimension)` scaled, for each i.
  func frequencies(_ dimension: Int, theta: Double) -> [Float] {
    var (low, high) = ramp(dimension, theta: theta)
    if low == high { high += 0.001 }
    return (0..<dimension / 2).map { i in
      let power = Float(pow(theta, Double(Float(2 * i) / Float(dimension))))
      let share = min(max((Float(i) - Float(low)) / Float(high - low), 0), 1)
      let kept = 1 - share
      return 1 / (Float(factor) * power) * (1 - kept) + 1 / power * kept
    }
  }
}
