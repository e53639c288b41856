import TestSupport
import Testing
import Wire

@testable import Trainer

@Suite struct StopFinderTests {
  private func finder(_ texts: [String], samples: Int = 1) -> StopFinder {
    StopFinder(StopStrings(texts), samples: samples)
  }

  @Test func findsAStringCutAnywhere() {
    let text = Array("the end. And more".utf8)
    for cut in 1..<7 {
      let finder = finder(["end."])
      var stoppedAt: Int?
      var position = 0
      while position < text.count, stoppedAt == nil {
        let piece = Array(text[position..<min(position + cut, text.count)])
        position += piece.count
        if finder.append(piece, sample: 0) { stoppedAt = position }
      }
      // "end." is bytes 4 to 7; the piece that completes it ends at the next multiple of the cut.
      #expect(stoppedAt == (8 + cut - 1) / cut * cut)
    }
  }

  @Test func samplesDoNotMix() {
    let finder = finder(["ab"], samples: 2)
    #expect(!finder.append(Array("a".utf8), sample: 0))
    #expect(!finder.append(Array("b".utf8), sample: 1))
    #expect(finder.append(Array("b".utf8), sample: 0))
  }

  @Test func anyOfSeveralIncludingMultiByteCharacters() {
    let finder = finder(["\n\n", "終"])
    let bytes = Array("終".utf8)
    #expect(!finder.append(Array("x\n".utf8), sample: 0))
    #expect(!finder.append([bytes[0]], sample: 0))
    #expect(!finder.append([bytes[1]], sample: 0))
    #expect(finder.append([bytes[2]], sample: 0))
  }

  /// Random strings over two letters, of which many are parts of each other, in random texts that
  /// come in random pieces: the first piece in which one ends is that of a search by hand.
  @Test(arguments: UInt64(1)...20)
  func findsWhatASearchByHandFinds(seed: UInt64) {
    var random = SplitMix(seed: seed)
    for _ in 0..<50 {
      func word(_ longest: Int) -> [UInt8] {
        (0..<Int.random(in: 1...longest, using: &random)).map { _ in
          UInt8(ascii: Bool.random(using: &random) ? "a" : "b")
        }
      }
      let texts = (0..<Int.random(in: 1...8, using: &random)).map { _ in
        String(decoding: word(12), as: UTF8.self)
      }
      let finder = finder(texts)
      var seen: [UInt8] = []
      for _ in 0..<100 {
        let piece = word(3)
        let before = seen.count
        seen += piece
        let isThere = texts.contains { text in
          let bytes = Array(text.utf8)
          return (1...piece.count).contains { end in
            seen.prefix(before + end).suffix(bytes.count) == bytes[...]
          }
        }
        #expect(finder.append(piece, sample: 0) == isThere, "\(texts) in \(seen)")
        if isThere { break }
      }
    }
  }

  /// The most that a request may bring, of the worst kind: a run of one letter, and each prefix of it,
  /// in a text that almost ends each of them at every byte.
  @Test func manyLongStringsCostNoMoreThanOne() {
    let longest = Limits.maxStopBytes / Limits.maxStops
    let texts = (0..<Limits.maxStops).map { String(repeating: "a", count: longest - $0) + "b" }
    let strings = StopStrings(texts)
    #expect(strings.bytes <= 14 * (Limits.maxStopBytes + 1))
    var steps = 0
    var state: Int32 = 0
    for byte in Array(String(repeating: "a", count: 200_000).utf8) {
      (state, _) = strings.next(state, byte)
      steps += 1
    }
    #expect(steps == 200_000)
    #expect(strings.next(state, UInt8(ascii: "b")).isEnd)
  }
}
