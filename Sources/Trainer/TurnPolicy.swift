/// Whose turn it is on the compute thread: a micro-batch of training, or a step of decoding.
///
/// While both wait they get equal time: whoever used less goes next. However long a piece was (a slow
/// model, a model that came back from disk), the other side then has as much; but debts of many pieces
/// do not add up to a long pause.
struct TurnPolicy {
  enum Side { case training, decode }

  /// Most microseconds that one side can owe to the other, unless one piece took longer.
  static let maximumDebt: Int64 = 250_000

  /// Microseconds that training had more than decoding while both waited.
  private var ahead: Int64 = 0

  /// The side that goes next; nil if none waits.
  func next(training: Bool, decode: Bool) -> Side? {
    switch (training, decode) {
    case (true, true): ahead > 0 ? .decode : .training
    case (true, false): .training
    case (false, true): .decode
    case (false, false): nil
    }
  }

  /// A side had its turn.
  /// - Parameter isContended: the other side waited meanwhile.
  mutating func used(_ side: Side, microseconds: UInt64, isContended: Bool) {
    guard isContended else {
      // Nobody was kept waiting, so nobody owes anything.
      ahead = 0
      return
    }
    let time = Int64(clamping: microseconds)
    let debt = max(Self.maximumDebt, time)
    switch side {
    case .training: ahead = min(ahead + time, debt)
    case .decode: ahead = max(ahead - time, -debt)
    }
  }
}
