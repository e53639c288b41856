/// Finds the matches of a pattern in UTF-8 text by backtracking, with a bound on its work.
///
/// The stack of choices lives on the heap: a run of a million letters costs one entry, and no
/// input can exhaust the thread's stack. Runs that give back keep one entry each.
struct PatternMatcher {
  /// Steps allowed for a whole text, all its parts and patterns together: the usual patterns need
  /// some twenty a byte, so that this is a bound in time, too, and linear.
  static func stepLimit(_ byteCount: Int) -> Int { 100_000 + 200 * byteCount }
  /// Choices kept open at once, besides a few for each byte.
  static let openChoices = 1 << 16

  private struct Choice {
    var instruction: Int
    var position: Int
    /// Earliest position to give back to; equals `position` where there is nothing to give.
    var floor: Int
  }

  private let instructions: UnsafeBufferPointer<PatternInstruction>
  private let sets: UnsafeBufferPointer<CompiledSet>
  private let ranges: UnsafeBufferPointer<ClosedRange<UInt32>>
  private let table: UnsafeBufferPointer<UInt8>
  private let text: UnsafeBufferPointer<UInt8>
  private var choices: [Choice] = []
  private let choiceLimit: Int
  private var stepsLeft: Int

  /// Matches of `program` in `text`, which must be valid UTF-8, left to right without overlap.
  /// An empty match right behind another match does not count, as in the reference.
  /// - Parameter steps: how many may be taken; what was taken is subtracted.
  /// - Throws: `limitExceeded` when the pattern needs more.
  static func matches(
    of program: PatternProgram, in text: UnsafeBufferPointer<UInt8>, steps: inout Int
  ) throws(TokenizerError) -> [Range<Int>] {
    let found: [Range<Int>]? = program.instructions.withUnsafeBufferPointer { instructions in
      program.sets.withUnsafeBufferPointer { sets in
        program.ranges.withUnsafeBufferPointer { ranges in
          ScalarTable.categories.withUnsafeBufferPointer { table in
            var matcher = PatternMatcher(
              instructions: instructions, sets: sets, ranges: ranges, table: table, text: text,
              stepsLeft: steps)
            defer { steps = matcher.stepsLeft }
            return matcher.findAll()
          }
        }
      }
    }
    guard let found else {
      throw TokenizerError(.limitExceeded, "the split pattern needs too many steps for this text")
    }
    return found
  }

  private init(
    instructions: UnsafeBufferPointer<PatternInstruction>, sets: UnsafeBufferPointer<CompiledSet>,
    ranges: UnsafeBufferPointer<ClosedRange<UInt32>>, table: UnsafeBufferPointer<UInt8>,
    text: UnsafeBufferPointer<UInt8>, stepsLeft: Int
  ) {
    self.instructions = instructions
    self.sets = sets
    self.ranges = ranges
    self.table = table
    self.text = text
    self.stepsLeft = stepsLeft
    choiceLimit = Self.openChoices + 4 * text.count
  }

  private mutating func findAll() -> [Range<Int>]? {
    var found: [Range<Int>] = []
    found.reserveCapacity(text.count / 4)
    var start = 0
    var lastEnd = -1
    while start <= text.count {
      let end = run(from: 0, at: start)
      guard stepsLeft >= 0 else { return nil }
      if let end, end > start || lastEnd != start {
        found.append(start..<end)
        lastEnd = end
        start = end
      } else {
        start = start < text.count ? after(start) : start + 1
      }
    }
    return found
  }

  // MARK: Scalars

  @inline(__always)
  private func after(_ position: Int) -> Int {
    position + UTF8Text.length(text[position])
  }

  @inline(__always)
  private func before(_ position: Int) -> Int {
    var position = position - 1
    while text[position] & 0xC0 == 0x80 { position -= 1 }
    return position
  }

  @inline(__always)
  private func isMember(_ set: Int, _ position: Int) -> Bool {
    sets[set].contains(UTF8Text.scalar(text, position), table, ranges)
  }

  // MARK: Running

  /// The end of the match of the instructions from `instruction` on at `position`, nil if none or
  /// if the steps ran out.
  private mutating func run(from instruction: Int, at position: Int) -> Int? {
    let base = choices.count
    defer { choices.removeSubrange(base...) }
    var instruction = instruction
    var position = position
    while true {
      stepsLeft -= 1
      guard stepsLeft >= 0, choices.count <= choiceLimit else {
        stepsLeft = -1
        return nil
      }
      if case .accept = instructions[instruction] { return position }
      if let next = step(instruction, &position) {
        instruction = next
        continue
      }
      guard choices.count > base else { return nil }
      (instruction, position) = giveBack()
    }
  }

  /// Takes the latest choice: the position to go on from, one scalar earlier for a run.
  private mutating func giveBack() -> (Int, Int) {
    let last = choices.count - 1
    let choice = choices[last]
    guard choice.position > choice.floor else {
      choices.removeLast()
      return (choice.instruction, choice.position)
    }
    let position = before(choice.position)
    if position > choice.floor {
      choices[last].position = position
    } else {
      choices.removeLast()
    }
    return (choice.instruction, position)
  }

  /// Does one instruction: the next one, or nil where it fails.
  @inline(__always)
  private mutating func step(_ at: Int, _ position: inout Int) -> Int? {
    switch instructions[at] {
    case .set(let set):
      guard position < text.count, isMember(set, position) else { return nil }
      position = after(position)
      return at + 1
    case .greedyRun(let set, let minimum, let maximum):
      guard let floor = takeRun(set, minimum, maximum, &position) else { return nil }
      if position > floor {
        choices.append(Choice(instruction: at + 1, position: position, floor: floor))
      }
      return at + 1
    case .possessiveRun(let set, let minimum, let maximum):
      return takeRun(set, minimum, maximum, &position) == nil ? nil : at + 1
    case .fork(let first, let second, let lead):
      if let lead, position >= text.count || !isMember(lead, position) { return second }
      choices.append(Choice(instruction: second, position: position, floor: position))
      return first
    case .jump(let target):
      return target
    case .lookahead(let isNegative, let end):
      let found = run(from: at + 1, at: position) != nil
      return found != isNegative ? end : nil
    case .atomic(let end):
      guard let stop = run(from: at + 1, at: position) else { return nil }
      position = stop
      return end
    case .accept:
      return at
    }
  }

  /// Moves over as many members as allowed; where the least number of them ends, nil if too few.
  @inline(__always)
  private mutating func takeRun(
    _ set: Int, _ minimum: Int, _ maximum: Int, _ position: inout Int
  ) -> Int? {
    var count = 0
    var floor = position
    while count < maximum, position < text.count, isMember(set, position) {
      position = after(position)
      count += 1
      if count == minimum { floor = position }
    }
    stepsLeft -= count
    return count >= minimum ? floor : nil
  }
}

/// Reading valid UTF-8 by hand.
enum UTF8Text {
  /// Length of the sequence that starts with `lead`.
  @inline(__always)
  static func length(_ lead: UInt8) -> Int {
    lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
  }

  /// The code point that starts at `position`.
  @inline(__always)
  static func scalar(_ text: UnsafeBufferPointer<UInt8>, _ position: Int) -> UInt32 {
    let first = UInt32(text[position])
    if first < 0x80 { return first }
    let second = UInt32(text[position + 1] & 0x3F)
    if first < 0xE0 { return (first & 0x1F) << 6 | second }
    let third = UInt32(text[position + 2] & 0x3F)
    if first < 0xF0 { return (first & 0x0F) << 12 | second << 6 | third }
    return (first & 0x07) << 18 | second << 12 | third << 6 | UInt32(text[position + 3] & 0x3F)
  }
}
