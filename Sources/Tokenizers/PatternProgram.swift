/// One step of a compiled pattern. Targets are indices of instructions, sets indices of sets.
enum PatternInstruction {
  /// Takes one scalar of the set.
  case set(Int)
  /// Takes as many scalars of the set as there are up to `maximum`, giving back down to `minimum`.
  case greedyRun(Int, minimum: Int, maximum: Int)
  /// The same without giving back.
  case possessiveRun(Int, minimum: Int, maximum: Int)
  /// Goes on at `first`, and at `second` should that fail. `first` is skipped at once where the
  /// next scalar is not in `lead`.
  case fork(first: Int, second: Int, lead: Int?)
  case jump(Int)
  /// Runs the body that follows up to its `accept`, takes no text, goes on at `end`.
  case lookahead(isNegative: Bool, end: Int)
  /// Runs the body that follows up to its `accept` and keeps its first success.
  case atomic(end: Int)
  case accept
}

/// A pattern compiled to instructions for `PatternMatcher`.
struct PatternProgram: Sendable {
  static let maximumInstructions = 20_000
  /// Most ranges of characters in all the sets together.
  static let maximumRanges = 100_000

  private(set) var instructions: [PatternInstruction] = []
  private(set) var sets: [CompiledSet] = []
  private(set) var ranges: [ClosedRange<UInt32>] = []

  /// - Throws: what `PatternParser` refuses, `limitExceeded` for a pattern that grows too large.
  init(_ pattern: String) throws(TokenizerError) {
    try emit(try PatternParser.parse(pattern))
    instructions.append(.accept)
  }

  /// A pattern that matches `text` as it stands.
  init(literal text: String) throws(TokenizerError) {
    guard !text.isEmpty else { throw TokenizerError(.unsupported, "an empty split pattern") }
    for scalar in text.unicodeScalars {
      try append(.set(try intern(ScalarSet(scalar: scalar))))
    }
    instructions.append(.accept)
  }

  private mutating func append(_ instruction: PatternInstruction) throws(TokenizerError) {
    guard instructions.count < Self.maximumInstructions else {
      throw TokenizerError(.limitExceeded, "a pattern with too many repeats")
    }
    instructions.append(instruction)
  }

  private mutating func intern(_ set: ScalarSet) throws(TokenizerError) -> Int {
    let start = ranges.count
    ranges += set.orderedRanges()
    guard ranges.count <= Self.maximumRanges else {
      throw TokenizerError(.limitExceeded, "a pattern with too many ranges of characters")
    }
    sets.append(CompiledSet(set, ranges: start..<ranges.count))
    return sets.count - 1
  }

  private mutating func emit(_ node: PatternNode) throws(TokenizerError) {
    switch node {
    case .empty: break
    case .set(let set): try append(.set(try intern(set)))
    case .sequence(let parts): for part in parts { try emit(part) }
    case .alternation(let branches): try emitAlternation(branches)
    case .repetition(let part, let count, let kind): try emitRepetition(part, count, kind)
    case .lookahead(let body, let isNegative):
      try emitBody(body) { .lookahead(isNegative: isNegative, end: $0) }
    case .atomic(let body):
      try emitBody(body) { .atomic(end: $0) }
    }
  }

  private mutating func emitBody(
    _ body: PatternNode, _ instruction: (Int) -> PatternInstruction
  ) throws(TokenizerError) {
    let start = instructions.count
    try append(.accept)
    try emit(body)
    try append(.accept)
    instructions[start] = instruction(instructions.count)
  }

  private mutating func emitAlternation(_ branches: [PatternNode]) throws(TokenizerError) {
    var exits: [Int] = []
    for (index, branch) in branches.enumerated() {
      guard index < branches.count - 1 else {
        try emit(branch)
        break
      }
      let fork = instructions.count
      try append(.accept)
      try emit(branch)
      exits.append(instructions.count)
      try append(.accept)
      try setFork(fork, over: branch, second: instructions.count)
    }
    for exit in exits { instructions[exit] = .jump(instructions.count) }
  }

  private mutating func setFork(
    _ at: Int, over branch: PatternNode, second: Int
  ) throws(TokenizerError) {
    let lead = try branch.lead.map { (set) throws(TokenizerError) in try intern(set) }
    instructions[at] = .fork(first: at + 1, second: second, lead: lead)
  }

  private mutating func emitRepetition(
    _ part: PatternNode, _ count: RepeatCount, _ kind: RepeatKind
  ) throws(TokenizerError) {
    if case .set(let set) = part, kind != .lazy {
      let index = try intern(set)
      let maximum = count.maximum ?? .max
      try append(
        kind == .greedy
          ? .greedyRun(index, minimum: count.minimum, maximum: maximum)
          : .possessiveRun(index, minimum: count.minimum, maximum: maximum))
      return
    }
    if kind == .possessive {
      try emitBody(.repetition(part, count: count, kind: .greedy)) { .atomic(end: $0) }
      return
    }
    for _ in 0..<count.minimum { try emit(part) }
    guard let maximum = count.maximum else {
      let fork = instructions.count
      try append(.accept)
      try emit(part)
      try append(.jump(fork))
      try setLoop(fork, part, kind)
      return
    }
    var forks: [Int] = []
    for _ in count.minimum..<maximum {
      forks.append(instructions.count)
      try append(.accept)
      try emit(part)
    }
    for fork in forks { try setLoop(fork, part, kind) }
  }

  /// A fork that goes on into `part` or leaves to the end of what is emitted so far.
  private mutating func setLoop(
    _ at: Int, _ part: PatternNode, _ kind: RepeatKind
  ) throws(TokenizerError) {
    if kind == .lazy {
      instructions[at] = .fork(first: instructions.count, second: at + 1, lead: nil)
    } else {
      try setFork(at, over: part, second: instructions.count)
    }
  }
}

/// A set ready for matching: ASCII as bits, the rest by category and by halving among the ranges,
/// which are in order and apart from each other.
struct CompiledSet: Sendable {
  private let low: UInt64
  private let high: UInt64
  private let categories: CategorySet
  private let ranges: Range<Int>
  private let isInverted: Bool

  init(_ set: ScalarSet, ranges: Range<Int>) {
    func bits(_ from: UInt32) -> UInt64 {
      (0..<64).reduce(0) { set.contains(from + $1) ? $0 | 1 << UInt64($1) : $0 }
    }
    low = bits(0)
    high = bits(64)
    categories = set.categories
    self.ranges = ranges
    isInverted = set.isInverted
  }

  @inline(__always)
  func contains(
    _ scalar: UInt32, _ table: UnsafeBufferPointer<UInt8>,
    _ allRanges: UnsafeBufferPointer<ClosedRange<UInt32>>
  ) -> Bool {
    if scalar < 64 { return low >> UInt64(scalar) & 1 == 1 }
    if scalar < 128 { return high >> UInt64(scalar & 63) & 1 == 1 }
    var inside = categories.rawValue >> UInt32(table[Int(scalar)]) & 1 == 1
    if !inside, !ranges.isEmpty {
      var low = ranges.lowerBound
      var high = ranges.upperBound
      while low < high {
        let middle = (low + high) / 2
        if allRanges[middle].upperBound < scalar { low = middle + 1 } else { high = middle }
      }
      inside = low < ranges.upperBound && allRanges[low].contains(scalar)
    }
    return inside != isInverted
  }
}

extension PatternNode {
  /// The scalars with which a match can start, nil where that is not one set.
  fileprivate var lead: ScalarSet? {
    switch self {
    case .empty, .lookahead: return nil
    case .set(let set): return set
    case .atomic(let body): return body.lead
    case .repetition(let part, let count, _): return count.minimum > 0 ? part.lead : nil
    case .alternation(let branches):
      return Self.union(branches.map(\.lead))
    case .sequence(let parts):
      var sets: [ScalarSet?] = []
      for part in parts {
        if case .repetition(let inner, _, _) = part, part.canBeEmpty {
          sets.append(inner.canBeEmpty ? nil : inner.lead)
          continue
        }
        sets.append(part.lead)
        return Self.union(sets)
      }
      return nil
    }
  }

  /// A superset of the union, nil where one of the sets is not known.
  private static func union(_ sets: [ScalarSet?]) -> ScalarSet? {
    var union = ScalarSet()
    for set in sets {
      guard let set else { return nil }
      if set.isInverted {
        union.categories.formUnion(set.categories.inverted)
      } else {
        union.categories.formUnion(set.categories)
        union.ranges += set.ranges
      }
    }
    return union
  }
}
