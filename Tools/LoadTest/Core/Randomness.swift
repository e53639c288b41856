/// A small generator whose whole state is one word (SplitMix64, Steele, Lea and Flood 2014): a
/// request's draws follow from its place in the plan, whatever ran before it.
package struct Randomness: Sendable {
  private var state: UInt64

  /// A generator of its own for each seed and place, e.g. (group, client, index).
  package init(seed: UInt64, _ place: UInt64...) {
    state = seed
    for part in place { state = Self.mix(state &+ 0x9e37_79b9_7f4a_7c15) ^ part }
  }

  /// 64 random bits.
  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    return Self.mix(state)
  }

  /// Uniform in (0, 1]; never 0, so that its logarithm is finite.
  package mutating func unit() -> Double { Double((next() >> 11) + 1) * 0x1p-53 }

  /// Uniform in 0 ..< bound; 0 if bound is less than 1.
  package mutating func below(_ bound: Int) -> Int {
    bound < 1 ? 0 : Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
