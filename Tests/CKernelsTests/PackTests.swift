import CKernels
import Testing

/// Packing, gathers and conversions are exact.
@Suite struct PackTests {
  @Test("Unpack is the inverse of pack", arguments: [CK_F32, CK_BF16, CK_F16])
  func roundTrip(type: ck_dtype) {
    var random = Random(1)
    for (n, k) in [(1, 1), (31, 2), (33, 7), (64, 40), (96, 21)] {
      for engine in KernelEngine.all() {
        let w = Matrix(engine, random.floats(n * k), n: n, k: k, source: type)
        var plain = [Float](repeating: 0, count: n * k)
        ck_unpack(engine.handle, &plain, &w.packed)
        #expect(sameBits(plain, w.values))
        let tokens: [Int32] = [0, Int32(n - 1), Int32(n / 2), 0]
        var rows = [Float](repeating: 0, count: 4 * k)
        ck_gather_packed(engine.handle, &rows, &w.packed, tokens, 4)
        #expect(sameBits(rows, tokens.flatMap { w.values[Int($0) * k..<(Int($0) + 1) * k] }))
      }
    }
  }

  @Test("Every half-precision value widens exactly, at odd addresses too")
  func halves() {
    let engine = KernelEngine.reference()
    let words = (0...UInt16.max).map { $0 }
    let bytes = [0] + words.withUnsafeBytes { Array($0) }
    var wide = [Float](repeating: 0, count: words.count)
    bytes.withUnsafeBytes {
      ck_convert(engine.handle, &wide, $0.baseAddress! + 1, CK_F16, Int64(words.count))
    }
    for (word, value) in zip(words, wide) {
      let expected = Float(Float16(bitPattern: word))
      #expect(value.bitPattern == expected.bitPattern || (value.isNaN && expected.isNaN))
    }
    bytes.withUnsafeBytes {
      ck_convert(engine.handle, &wide, $0.baseAddress! + 1, CK_BF16, Int64(words.count))
    }
    #expect(sameBits(wide, words.map { Float(bitPattern: UInt32($0) << 16) }))
  }

  @Test("Rows are gathered from a plain table and scattered back", arguments: [CK_F32, CK_BF16])
  func rows(type: ck_dtype) {
    var random = Random(2)
    let (n, width) = (11, 37)
    let (values, bytes) = Matrix.encode(random.floats(n * width), type)
    let index: [Int32] = [3, 10, 0, 7]
    for engine in KernelEngine.all() {
      var y = [Float](repeating: 0, count: index.count * width)
      bytes.withUnsafeBytes {
        ck_gather(
          engine.handle, &y, $0.baseAddress, type, Int64(width), index, Int64(index.count))
      }
      let expected = index.flatMap { values[Int($0) * width..<(Int($0) + 1) * width] }
      #expect(sameBits(y, expected))
      var gathered = y
      ck_gather_rows(engine.handle, &gathered, values, Int64(width), index, Int64(index.count))
      #expect(sameBits(gathered, expected))
      var back = [Float](repeating: 0, count: n * width)
      ck_scatter_rows(engine.handle, &back, y, Int64(width), index, Int64(index.count))
      for row in 0..<n {
        let part = Array(back[row * width..<(row + 1) * width])
        let known = index.contains(Int32(row))
        #expect(
          sameBits(
            part,
            known
              ? Array(values[row * width..<(row + 1) * width])
              : .init(repeating: 0, count: width)))
      }
    }
  }
}
