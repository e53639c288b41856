import Testing

@testable import Trainer

@Suite struct StopFinderTests {
  @Test func findsAStringCutAnywhere() {
    let text = Array("the end. And more".utf8)
    for cut in 1..<7 {
      let finder = StopFinder(texts: ["end."], samples: 1)
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
    let finder = StopFinder(texts: ["ab"], samples: 2)
    #expect(!finder.append(Array("a".utf8), sample: 0))
    #expect(!finder.append(Array("b".utf8), sample: 1))
    #expect(finder.append(Array("b".utf8), sample: 0))
  }

  @Test func anyOfSeveralIncludingMultiByteCharacters() {
    let finder = StopFinder(texts: ["\n\n", "終"], samples: 1)
    let bytes = Array("終".utf8)
    #expect(!finder.append(Array("x\n".utf8), sample: 0))
    #expect(!finder.append([bytes[0]], sample: 0))
    #expect(!finder.append([bytes[1]], sample: 0))
    #expect(finder.append([bytes[2]], sample: 0))
  }
}
