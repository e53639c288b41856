import Foundation

/// The moments at which an open loop intends to send, in order: a function of timeline and seed
/// alone, so that nothing the service does can move them.
///
/// An arrival is where the integral of the rate reaches the next mark; marks are 1 apart for even
/// arrivals and Exp(1) apart for a Poisson process (time rescaling).
package struct Arrivals: Sequence, IteratorProtocol, Sendable {
  private let blocks: [Timeline.Block]
  private var random: Randomness
  private var block = 0
  /// Of the current block, in units of the integral.
  private var mark: Double?
  /// Of the current block's burst.
  private var sent = 0

  package init(_ timeline: Timeline, seed: UInt64, group: Int) {
    blocks = timeline.blocks
    random = Randomness(seed: seed, 1, UInt64(clamping: group))
  }

  /// The next moment, seconds.
  package mutating func next() -> Double? {
    while block < blocks.count {
      let current = blocks[block]
      switch current.load {
      case .burst(let count):
        if sent < count {
          sent += 1
          return current.start
        }
      case .rate(let ramp, let arrival):
        // A Poisson process has no memory and even arrivals begin with the stage: each block
        // starts afresh.
        let goal = mark ?? (arrival == .poisson ? gap(arrival) : 0)
        if let offset = Self.offset(of: goal, ramp, current.seconds) {
          mark = goal + gap(arrival)
          return current.start + offset
        }
      case .outstanding, .idle: break
      }
      block += 1
      mark = nil
      sent = 0
    }
    return nil
  }

  private mutating func gap(_ arrival: Arrival) -> Double {
    arrival == .constant ? 1 : -log(random.unit())
  }

  /// Seconds until a straight line of rates has summed up to `goal`; nil if it does not. The root
  /// of r₀x + (r₁−r₀)x²/2d, in the form that does not cancel.
  private static func offset(of goal: Double, _ ramp: Ramp, _ seconds: Double) -> Double? {
    let total = (ramp.from + ramp.to) / 2 * seconds
    guard goal < total else { return nil }
    let slope = (ramp.to - ramp.from) / seconds
    let root = (ramp.from * ramp.from + 2 * slope * goal).squareRoot()
    let below = ramp.from + root
    return below > 0 ? Swift.min(2 * goal / below, seconds) : 0
  }
}
