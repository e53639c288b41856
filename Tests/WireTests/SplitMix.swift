/// Seeded random numbers for tests that must be repeatable.
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// A number of any magnitude, often 0.
  mutating func number() -> UInt64 { next() % 4 == 0 ? 0 : next() >> (next() % 64) }

  /// A short text, often empty, often beyond ASCII.
  mutating func text() -> String {
    let letters = Array("aZ0:/é漢🙂")
    return String((0..<Int(next() % 20)).map { _ in pick(letters) })
  }

  mutating func pick<Element>(_ items: [Element]) -> Element {
    items[Int(next() % UInt64(items.count))]
  }
}
