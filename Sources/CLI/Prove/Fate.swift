/// What happens to one message between a client and the service.
enum Fate: Hashable, Sendable {
  /// It arrives at once.
  case pass
  /// It arrives later.
  case late(milliseconds: Int)
  /// It arrives at once, and once more later.
  case twice(milliseconds: Int)
  /// It arrives behind so many others that went the same way later.
  case behind(Int)
  /// It never arrives, though later ones do, until the connection breaks: whoever loses messages of
  /// a connection loses the connection, and that is when clients send again.
  case lost(breaksAfter: Int)
}

/// The fate of each message, from a seed: message n of a direction has the same in every run.
struct Fates: Sendable {
  /// Which way a message goes.
  enum Direction: UInt64, CaseIterable, Sendable { case toService, toClient }

  /// How often things happen, each in thousand messages.
  struct Odds: Sendable {
    var late = 0
    var twice = 0
    var behind = 0
    var lost = 0

    /// Nothing happens.
    static let none = Odds()
    /// A bad network.
    static let bad = Odds(late: 80, twice: 80, behind: 80, lost: 12)
  }

  let seed: UInt64
  let odds: Odds

  /// - Parameter number: of the message among those of its direction, from 0 on.
  func fate(of number: UInt64, _ direction: Direction) -> Fate {
    var keys = SeededGenerator(seed: seed ^ (number << 1 | direction.rawValue))
    var random = SeededGenerator(seed: keys.next())
    var draw = Int.random(in: 0..<1000, using: &random)
    func isWithin(_ share: Int) -> Bool {
      draw -= share
      return draw < 0
    }
    if isWithin(odds.late) { return .late(milliseconds: .random(in: 1...200, using: &random)) }
    if isWithin(odds.twice) { return .twice(milliseconds: .random(in: 1...200, using: &random)) }
    if isWithin(odds.behind) { return .behind(.random(in: 1...6, using: &random)) }
    if isWithin(odds.lost) { return .lost(breaksAfter: .random(in: 0...300, using: &random)) }
    return .pass
  }
}
