/// How many rows a piece of compute may have: as many as take a set time at the rate seen so far.
///
/// Large pieces are a little faster; small ones let others in sooner. So pieces are small only
/// while somebody else may be waiting.
struct Quantum {
  /// Microseconds of a piece that nobody waits for, and of one that somebody may wait for.
  static let alone: UInt64 = 250_000
  static let shared: UInt64 = 50_000
  /// For so long after others were seen, pieces stay small.
  static let memory: UInt64 = 2_000_000
  /// Rows of any piece, at most and at least.
  static let maximumRows = 2048
  static let minimumRows = 32

  /// Rows per microsecond, averaged over pieces; nil before the first.
  private(set) var rate: Double?
  private var lastContended: UInt64?

  /// Rows of the next piece.
  /// - Parameters:
  ///   - isContended: somebody else waits.
  ///   - now: microseconds of any steady clock.
  mutating func rows(isContended: Bool, now: UInt64) -> Int {
    if isContended { lastContended = now }
    let isShared = lastContended.map { now < $0 + Self.memory } ?? false
    guard let rate else { return isShared ? 128 : 512 }
    let rows = rate * Double(isShared ? Self.shared : Self.alone)
    return Int(min(max(rows, Double(Self.minimumRows)), Double(Self.maximumRows)))
  }

  /// A piece took its time. Tiny ones say little about the rate and are left out.
  mutating func ran(rows: Int, microseconds: UInt64) {
    guard rows >= Self.minimumRows, microseconds > 0 else { return }
    let seen = Double(rows) / Double(microseconds)
    rate = rate.map { $0 + 0.2 * (seen - $0) } ?? seen
  }
}
