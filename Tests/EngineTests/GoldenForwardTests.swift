import CKernels
import Testing

@testable import Engine

/// Whole models, forward, against float64: every family, base and adapters, alone and in a pack.
@Suite struct GoldenForwardTests {
  @Test(arguments: Golden.models)
  func forward(name: String) throws {
    let golden = try GoldenModel(name)
    let expected = try Golden.forward(name)
    let tensors = try Golden.tensors("forward-\(name).safetensors")
    let vocabulary = golden.model.config.vocabularySize
    for label in Set(expected.results.map(\.adapter)) {
      let adapter = try label.map(golden.adapter)
      let results = expected.results.filter { $0.adapter == label }
      var pack = RowBatch()
      for result in results {
        pack.append(expected.sequences[result.sequence].tokens, adapter: adapter)
      }
      let packed = try golden.logits(pack)
      var row = 0
      for result in results {
        let sequence = expected.sequences[result.sequence]
        let count = sequence.tokens.count
        let inPack = packed[row * vocabulary..<(row + count) * vocabulary]
        row += count
        var single = RowBatch()
        single.append(sequence.tokens, adapter: adapter)
        #expect(Array(inPack) == (try golden.logits(single)), "\(result.key): not the same bits")
        let first = inPack.startIndex
        let kept = result.logitsPositions.flatMap {
          inPack[first + $0 * vocabulary..<first + ($0 + 1) * vocabulary]
        }
        let error = relativeError(kept, try tensors.doubles("\(result.key)/logits"))
        #expect(error <= Tolerance.logprobs, "\(result.key) logits: \(error)")
      }
    }
  }

  @Test(arguments: Golden.models)
  func logprobs(name: String) throws {
    let golden = try GoldenModel(name)
    let expected = try Golden.forward(name)
    let tensors = try Golden.tensors("forward-\(name).safetensors")
    for label in Set(expected.results.map(\.adapter)) {
      let adapter = try label.map(golden.adapter)
      let results = expected.results.filter { $0.adapter == label }
      let datums = try results.map { result in
        let sequence = expected.sequences[result.sequence]
        return try golden.datum(sequence.tokens, targets: sequence.targets)
      }
      let answer = try golden.run(
        TrainingRequest(
          adapter: adapter, data: datums, loss: try LossFunction(name: "cross_entropy"),
          accumulates: false))
      for (result, ours) in zip(results, answer.logprobs) {
        let error = relativeError(ours, try tensors.doubles("\(result.key)/logprobs"))
        #expect(error <= Tolerance.logprobs, "\(result.key): \(error)")
      }
    }
  }

  struct Index: Decodable {
    struct Part: Decodable {
      let sequence: Int
      let adapter: String?
    }

    let mixedPack: [Part]
  }

  /// Several adapters and the base in one batch, one adapter in two places: each sequence's log-probs
  /// are those of its adapter, and the bits those of the sequence alone.
  @Test(arguments: ["llama", "qwen3"])
  func mixedPack(name: String) throws {
    let golden = try GoldenModel(name)
    let expected = try Golden.forward(name)
    let tensors = try Golden.tensors("forward-\(name).safetensors")
    let vocabulary = golden.model.config.vocabularySize
    var adapters: [String: Adapter] = [:]
    var pack = RowBatch()
    let plan = try Golden.decode(Index.self, "index.json").mixedPack
    for label in plan.compactMap(\.adapter) where adapters[label] == nil {
      adapters[label] = try golden.adapter(label)
    }
    for part in plan {
      let tokens = expected.sequences[part.sequence].tokens
      pack.append(tokens, adapter: part.adapter.flatMap { adapters[$0] })
    }
    let packed = try golden.logits(pack)
    var row = 0
    for part in plan {
      let (index, label) = (part.sequence, part.adapter)
      let sequence = expected.sequences[index]
      let rows = row..<row + sequence.tokens.count
      row = rows.upperBound
      let ours = packed[rows.lowerBound * vocabulary..<rows.upperBound * vocabulary]
      var single = RowBatch()
      single.append(sequence.tokens, adapter: label.flatMap { adapters[$0] })
      #expect(Array(ours) == (try golden.logits(single)), "\(label ?? "base")/\(index)")
      let key = "\(label ?? "base")/\(index)"
      let lse = try tensors.doubles("\(key)/lse")
      let goldenLogprobs = try tensors.doubles("\(key)/logprobs")
      let logprobs = sequence.targets.enumerated().map { i, target in
        Float(Double(ours[ours.startIndex + i * vocabulary + Int(target)]) - lse[i])
      }
      let error = relativeError(logprobs, goldenLogprobs)
      #expect(error <= Tolerance.logprobs, "\(key): \(error)")
    }
  }

  /// Threads and instruction sets move no bit (numerics contract 4).
  @Test func sameBitsOnEveryMachine() throws {
    var reference: [Float]?
    for (threads, isa) in [(1, 3), (2, 3), (3, 3), (1, 4), (2, 4)] {
      guard isa <= Int(ck_isa_available()) else { continue }
      let golden = try GoldenModel("qwen3-mha", threads: threads, isa: Int32(isa))
      let adapter = try golden.adapter("all-r3")
      var pack = RowBatch()
      for sequence in try Golden.forward("qwen3-mha").sequences {
        pack.append(sequence.tokens, adapter: adapter)
      }
      let logits = try golden.logits(pack)
      #expect(reference == nil || reference == logits, "\(threads) threads, v\(isa)")
      reference = logits
    }
  }
}
