import CKernels
import Testing

/// Rule l: drawing tokens, and the random numbers behind it.
@Suite struct DrawTests {
  static func parameters(
    _ position: Int, seed: UInt64 = 1, temperature: Float = 1, topP: Float = 1, topK: Int = 0
  ) -> ck_draw_params {
    ck_draw_params(
      seed: seed, sample: 3, position: UInt32(position), temperature: temperature, top_p: topP,
      top_k: Int32(topK))
  }

  /// One draw per parameter set, each from the same row of logits.
  static func draw(_ engine: KernelEngine, _ row: [Float], _ parameters: [ck_draw_params])
    -> [Int32]
  {
    let logits = parameters.flatMap { _ in row }
    let max = [Float](repeating: row.max()!, count: parameters.count)
    var tokens = [Int32](repeating: -1, count: parameters.count)
    ck_draw(
      engine.handle, &tokens, logits, max, parameters, Int64(parameters.count), Int64(row.count))
    return tokens
  }

  @Test("Philox4x32-10 gives the published vectors of Random123")
  func philox() {
    let vectors: [(counter: [UInt32], key: [UInt32], out: [UInt32])] = [
      (
        [0, 0, 0, 0], [0, 0],
        [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
      ),
      (
        [UInt32](repeating: .max, count: 4), [.max, .max],
        [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
      ),
      (
        [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0],
        [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
      ),
    ]
    for vector in vectors {
      var out = [UInt32](repeating: 0, count: 4)
      ck_philox(vector.counter, vector.key, &out)
      #expect(out == vector.out)
    }
  }

  @Test("Frequencies follow the distribution", arguments: [Float(1), 0.5, 2])
  func frequencies(temperature: Float) {
    let row: [Float] = [0, 1, -1, 2, 0.5, -3, 1.5]
    let count = 20_000
    let weights = row.map { Double(ck_exp(($0 - 2) / temperature)) }
    let total = weights.reduce(0, +)
    let engine = KernelEngine.reference()
    for (topP, topK) in [(Float(1), 0), (1, 7), (0.999_999, 0)] {
      let tokens = Self.draw(
        engine, row,
        (0..<count).map { Self.parameters($0, temperature: temperature, topP: topP, topK: topK) })
      for id in row.indices {
        let share = Double(tokens.count { $0 == Int32(id) }) / Double(count)
        let expected = weights[id] / total
        let deviation = (expected * (1 - expected) / Double(count)).squareRoot()
        #expect(abs(share - expected) < 5 * deviation + 1e-6, "\(id): \(share), \(expected)")
      }
    }
  }

  @Test("top-k and top-p keep the right candidates, ties by id")
  func filters() {
    let row: [Float] = [1, 3, 3, 0, 2, 3]
    let engine = KernelEngine.reference()
    func kept(topP: Float = 1, topK: Int = 0) -> Set<Int32> {
      Set(
        Self.draw(
          engine, row, (0..<3000).map { Self.parameters($0, topP: topP, topK: topK) }))
    }
    #expect(kept(topK: 1) == [1])
    #expect(kept(topK: 2) == [1, 2])
    #expect(kept(topK: 4) == [1, 2, 5, 4])
    #expect(kept(topP: 0) == [1])
    #expect(kept(topP: 0.3) == [1, 2])
    #expect(kept(topP: 0.7) == [1, 2, 5])
    // Mass refers to what top-k left: two of three equal candidates reach 0.6.
    #expect(kept(topP: 0.6, topK: 3) == [1, 2])
    #expect(kept() == [0, 1, 2, 3, 4, 5])
  }

  /// Rule l with everything sorted.
  static func drawOracle(_ row: [Float], _ p: ck_draw_params) -> Int32 {
    let max = row.max()!
    let weight = row.map { Double(ck_exp(($0 - max) / p.temperature)) }
    var block = [UInt32](repeating: 0, count: 4)
    ck_philox(
      [p.position, p.sample, 0, 0x6472_6177], [UInt32(truncatingIfNeeded: p.seed), 0], &block)
    let u = Double(UInt64(block[0] >> 5) << 26 | UInt64(block[1] >> 6)) * 0x1p-53
    var ids = Array(row.indices)
    if p.top_k > 0 || p.top_p < 1 {
      let total = ids.reduce(0.0) { $0 + weight[$1] }
      ids.sort { row[$0] > row[$1] || (row[$0] == row[$1] && $0 < $1) }
      if p.top_k > 0 { ids.removeLast(ids.count - Int(p.top_k)) }
      let all = p.top_k > 0 ? ids.reduce(0.0) { $0 + weight[$1] } : total
      var mass = 0.0
      let end = ids.firstIndex { id in
        mass += weight[id]
        return p.top_p < 1 && mass >= Double(p.top_p) * all
      }
      if let end { ids.removeLast(ids.count - end - 1) }
    }
    let target = u * ids.reduce(0.0) { $0 + weight[$1] }
    var sum = 0.0
    return Int32(
      ids.first { id in
        sum += weight[id]
        return sum > target
      }!)
  }

  @Test(
    "Every filter and temperature equals the sorted definition", arguments: [Float(0.1), 3, 40])
  func sorted(spread: Float) {
    var random = Random(12)
    let row = random.floats(700, -spread..<spread).map { ($0 * 64).rounded() / 64 }
    for engine in KernelEngine.all() {
      for (topP, topK) in [(Float(1), 0), (0.9, 0), (0.5, 0), (0.999, 40), (1, 5), (0.01, 0)] {
        let parameters = (0..<80).map {
          Self.parameters(
            $0, seed: 99, temperature: $0 % 2 == 0 ? 1 : 0.4, topP: topP, topK: topK)
        }
        #expect(
          Self.draw(engine, row, parameters) == parameters.map { Self.drawOracle(row, $0) },
          "\(engine.name) \(topP) \(topK)")
      }
    }
  }

  @Test("Temperature 0 is argmax, the lowest id on ties")
  func greedy() {
    let engine = KernelEngine.reference()
    let greedy = Self.parameters(0, temperature: 0)
    #expect(Self.draw(engine, [1, 5, 2, 5], [greedy]) == [1])
    #expect(Self.draw(engine, [-0.0, 0.0], [greedy]) == [0])
  }

  @Test("A draw depends on its own row and key only, whatever the engine")
  func keyed() {
    var random = Random(8)
    let row = random.floats(3001, -4..<4)
    let parameters = (0..<60).map {
      Self.parameters(
        $0, seed: UInt64($0 % 3), temperature: 1.3, topP: $0 % 2 == 0 ? 0.9 : 1,
        topK: $0 % 4 < 2 ? 50 : 0)
    }
    let alone = parameters.map { Self.draw(KernelEngine.reference(), row, [$0])[0] }
    for engine in KernelEngine.all() {
      #expect(Self.draw(engine, row, parameters) == alone, "\(engine.name)")
    }
    #expect(Set(alone).count > 20)
  }

  @Test("uniform: in [lo, hi), a function of seed, stream and index")
  func uniform() {
    for engine in KernelEngine.all() {
      let count = 50_000
      var x = [Float](repeating: .nan, count: count)
      ck_uniform(engine.handle, &x, Int64(count), 42, 7, -0.25, 0.5)
      #expect(x.min()! >= -0.25 && x.max()! < 0.5)
      let mean = x.reduce(0.0) { $0 + Double($1) } / Double(count)
      #expect(abs(mean - 0.125) < 5 * 0.75 / 12.0.squareRoot() / Double(count).squareRoot())
      var block = [UInt32](repeating: 0, count: 4)
      ck_philox([17, 0, 7, 0], [42, 0], &block)
      #expect(x[17] == Float(-0.25).addingProduct(Float(block[0] >> 8) * 0x1p-24, 0.75))
      var part = [Float](repeating: .nan, count: 100)
      ck_uniform(engine.handle, &part, 100, 42, 7, -0.25, 0.5)
      #expect(sameBits(part, Array(x[..<100])))
      ck_uniform(engine.handle, &part, 100, 42, 8, -0.25, 0.5)
      #expect(!sameBits(part, Array(x[..<100])))
    }
  }
}
