import Testing
import Tinsmith

@Suite struct ChunkingTests {
  private func data(_ lengths: [Int]) -> [Datum] {
    lengths.map {
      Datum(modelInput: ModelInput(tokens: .init(repeating: 1, count: $0)), lossFnInputs: [:])
    }
  }

  @Test func oneChunkHoldsUpToTheMostData() {
    #expect(Chunking.split(data(.init(repeating: 1, count: 1024))) == [0..<1024])
    #expect(Chunking.split(data(.init(repeating: 1, count: 1025))) == [0..<1024, 1024..<1025])
  }

  @Test func bytesBeginANewChunk() {
    // Four bytes for each token.
    #expect(Chunking.split(data([5, 5, 5]), maxBytes: 40) == [0..<2, 2..<3])
    #expect(Chunking.split(data([5, 5, 5]), maxBytes: 39) == [0..<1, 1..<2, 2..<3])
  }

  @Test func aDatumOverTheLimitIsAChunkByItself() {
    #expect(Chunking.split(data([1, 100, 1]), maxBytes: 40) == [0..<1, 1..<2, 2..<3])
  }

  @Test func noDataNoChunks() { #expect(Chunking.split([]) == []) }

  @Test func tensorsCount() {
    let sparse = TensorData(
      sparse: .init(rowStarts: [0, 1], columns: [2]), cells: .float32([1]), shape: [1, 4])
    let datum = Datum(
      modelInput: [1],
      lossFnInputs: ["weights": sparse, "target_tokens": TensorData(integers: [1])])
    // A token, an int64, a cell and three indices.
    let size = 4 + 8 + 4 + 3 * 8
    #expect(Chunking.split([datum, datum], maxBytes: 2 * size) == [0..<2])
    #expect(Chunking.split([datum, datum], maxBytes: 2 * size - 1) == [0..<1, 1..<2])
  }
}
