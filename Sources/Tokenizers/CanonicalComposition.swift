import Foundation

/// Unicode's canonical composition (NFC) of code points, in time linear in their number whatever
/// they are: runs of marks are ordered by counting, not by swapping.
///
/// The data are those of the characters in `ScalarTable.normalization`, which the reference knows.
/// A character's normalisation never changes once it is in Unicode, so that the decompositions can
/// be asked of Foundation, one character at a time; ordering and composing are done here.
struct CanonicalComposition: Sendable {
  static let shared = CanonicalComposition()

  /// Decomposition or, for a character that has none, itself; with the combining class of each.
  private struct Mark {
    let scalar: UInt32
    let order: UInt8
  }

  /// Hangul syllables are put together by arithmetic: Unicode, section 3.12.
  private enum Hangul {
    static let base: UInt32 = 0xAC00
    static let leads: Range<UInt32> = 0x1100..<0x1113
    static let vowels: Range<UInt32> = 0x1161..<0x1176
    /// The first one stands for no tail.
    static let tails: Range<UInt32> = 0x11A7..<0x11C3
    static let syllables: Range<UInt32> = 0xAC00..<0xD7A4
  }

  private let decompositions: [UInt32: [UInt32]]
  private let classes: [UInt32: UInt8]
  private let composites: [UInt64: UInt32]

  private init() {
    var decompositions: [UInt32: [UInt32]] = [:]
    var classes: [UInt32: UInt8] = [:]
    for range in ScalarTable.normalization.ranges {
      for value in range where !Hangul.syllables.contains(value) {
        guard let scalar = Unicode.Scalar(value) else { continue }
        let parts = String(scalar).decomposedStringWithCanonicalMapping.unicodeScalars
        let order = scalar.properties.canonicalCombiningClass.rawValue
        if order != 0 { classes[value] = order }
        if !parts.elementsEqual([scalar]) { decompositions[value] = parts.map(\.value) }
      }
    }
    // Below U+0300 nothing has a class, but letters with accents come apart, too.
    for value in UInt32(0xC0)..<0x300 {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let parts = String(scalar).decomposedStringWithCanonicalMapping.unicodeScalars
      if !parts.elementsEqual([scalar]) { decompositions[value] = parts.map(\.value) }
    }
    self.decompositions = decompositions
    self.classes = classes
    composites = Self.composites(of: decompositions)
  }

  /// The pairs that compose. A character composes from what precedes the last part of its
  /// decomposition, itself composed, and that part, unless Unicode excludes it: then its own
  /// composition is something else.
  private static func composites(of decompositions: [UInt32: [UInt32]]) -> [UInt64: UInt32] {
    var composites: [UInt64: UInt32] = [:]
    for (value, parts) in decompositions where parts.count > 1 {
      guard let scalar = Unicode.Scalar(value), let last = parts.last,
        String(scalar).precomposedStringWithCanonicalMapping.unicodeScalars.elementsEqual([scalar])
      else { continue }
      var first = String.UnicodeScalarView()
      for part in parts.dropLast() { Unicode.Scalar(part).map { first.append($0) } }
      let composed = String(first).precomposedStringWithCanonicalMapping.unicodeScalars
      guard composed.count == 1, let start = composed.first?.value else { continue }
      composites[key(start, last)] = value
    }
    return composites
  }

  private static func key(_ first: UInt32, _ second: UInt32) -> UInt64 {
    UInt64(first) << 32 | UInt64(second)
  }

  // MARK: Composing

  /// The composition of `text`.
  func composed(_ text: [UInt32]) -> [UInt32] {
    var marks: [Mark] = []
    marks.reserveCapacity(text.count + text.count / 4)
    for scalar in text { decompose(scalar, into: &marks) }
    order(&marks)
    return compose(marks)
  }

  private func decompose(_ scalar: UInt32, into marks: inout [Mark]) {
    if Hangul.syllables.contains(scalar) {
      let index = scalar - Hangul.base
      let tails = UInt32(Hangul.tails.count)
      let perLead = UInt32(Hangul.vowels.count) * tails
      marks.append(Mark(scalar: Hangul.leads.lowerBound + index / perLead, order: 0))
      marks.append(Mark(scalar: Hangul.vowels.lowerBound + index % perLead / tails, order: 0))
      let tail = index % tails
      if tail > 0 { marks.append(Mark(scalar: Hangul.tails.lowerBound + tail, order: 0)) }
    } else if let parts = decompositions[scalar] {
      for part in parts { marks.append(Mark(scalar: part, order: classes[part] ?? 0)) }
    } else {
      marks.append(Mark(scalar: scalar, order: classes[scalar] ?? 0))
    }
  }

  /// Puts each run of marks into the order of their classes, equal ones as they stood.
  private func order(_ marks: inout [Mark]) {
    var start = 0
    while start < marks.count {
      guard marks[start].order != 0 else {
        start += 1
        continue
      }
      var end = start + 1
      var isOrdered = true
      while end < marks.count, marks[end].order != 0 {
        if marks[end].order < marks[end - 1].order { isOrdered = false }
        end += 1
      }
      if !isOrdered { Self.sort(&marks, start..<end) }
      start = end
    }
  }

  /// Counting sort: linear, however long the run.
  private static func sort(_ marks: inout [Mark], _ run: Range<Int>) {
    var places = [Int](repeating: 0, count: 257)
    for index in run { places[Int(marks[index].order) + 1] += 1 }
    for order in 1..<257 { places[order] += places[order - 1] }
    let before = Array(marks[run])
    for mark in before {
      marks[run.lowerBound + places[Int(mark.order)]] = mark
      places[Int(mark.order)] += 1
    }
  }

  /// Joins each starter with the marks behind it that nothing blocks.
  private func compose(_ marks: [Mark]) -> [UInt32] {
    var out: [UInt32] = []
    out.reserveCapacity(marks.count)
    var starter: Int?
    // Class of what was last put behind the starter; -1 where there is nothing between.
    var last = -1
    for mark in marks {
      if let at = starter, last < Int(mark.order), let joined = pair(out[at], mark.scalar) {
        out[at] = joined
        continue
      }
      if mark.order == 0 {
        starter = out.count
        last = -1
      } else {
        last = Int(mark.order)
      }
      out.append(mark.scalar)
    }
    return out
  }

  private func pair(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if Hangul.leads.contains(first), Hangul.vowels.contains(second) {
      let lead = (first - Hangul.leads.lowerBound) * UInt32(Hangul.vowels.count)
      let vowel = second - Hangul.vowels.lowerBound
      return Hangul.base + (lead + vowel) * UInt32(Hangul.tails.count)
    }
    if Hangul.syllables.contains(first), Hangul.tails.contains(second),
      second != Hangul.tails.lowerBound,
      (first - Hangul.base) % UInt32(Hangul.tails.count) == 0
    {
      return first + second - Hangul.tails.lowerBound
    }
    return composites[Self.key(first, second)]
  }
}
