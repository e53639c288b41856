/// What a pre-tokenizer pattern says, as a tree.
indirect enum PatternNode {
  case empty
  case set(ScalarSet)
  case sequence([PatternNode])
  case alternation([PatternNode])
  case repetition(PatternNode, count: RepeatCount, kind: RepeatKind)
  case lookahead(PatternNode, isNegative: Bool)
  case atomic(PatternNode)

  /// Whether it can match no text at all; a loop over such a part is refused.
  var canBeEmpty: Bool {
    switch self {
    case .empty, .lookahead: true
    case .set: false
    case .sequence(let parts): parts.allSatisfy(\.canBeEmpty)
    case .alternation(let parts): parts.contains(where: \.canBeEmpty)
    case .repetition(let part, let count, _): count.minimum == 0 || part.canBeEmpty
    case .atomic(let part): part.canBeEmpty
    }
  }
}

/// How often a part repeats; no maximum means without bound.
struct RepeatCount {
  let minimum: Int
  let maximum: Int?
}

enum RepeatKind {
  case greedy, lazy, possessive
}

/// A set of code points: categories and ranges, possibly inverted.
struct ScalarSet {
  var categories: CategorySet = []
  var ranges: [ClosedRange<UInt32>] = []
  var isInverted = false

  init() {}

  init(scalar: Unicode.Scalar) {
    ranges = [scalar.value...scalar.value]
  }

  init(categories: CategorySet) {
    self.categories = categories
  }

  /// The ranges beyond ASCII in order, those that meet joined.
  func orderedRanges() -> [ClosedRange<UInt32>] {
    var joined: [ClosedRange<UInt32>] = []
    let beyond = ranges.filter { $0.upperBound >= 0x80 }
    for range in beyond.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = joined.last, range.lowerBound <= last.upperBound {
        joined[joined.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        joined.append(range)
      }
    }
    return joined
  }

  func contains(_ scalar: UInt32) -> Bool {
    let inside =
      ScalarTable.contains(scalar, in: categories) || ranges.contains { $0.contains(scalar) }
    return inside != isInverted
  }
}
