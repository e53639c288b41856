import CKernels

/// An engine that lives as long as its test.
final class KernelEngine {
  let handle: OpaquePointer
  let name: String

  init?(threads: Int32, isa: Int) {
    guard let handle = ck_engine_create(threads, Int32(isa)) else { return nil }
    self.handle = handle
    name = "v\(ck_engine_isa(handle)), \(threads) threads"
  }

  deinit { ck_engine_destroy(handle) }

  /// The engine that the others are compared with: AVX2, one thread.
  static func reference() -> KernelEngine {
    KernelEngine(threads: 1, isa: CK_ISA_V3)!
  }

  /// Every instruction set of this CPU with one, two and three threads.
  static func all() -> [KernelEngine] {
    [CK_ISA_V3, CK_ISA_V4].flatMap { isa in
      [1, 2, 3].compactMap { KernelEngine(threads: $0, isa: isa) }
    }
  }
}

/// Whether the v4 kernels can run here; without it the v3 = v4 tests are skipped and say so.
let hasV4 = ck_isa_available() == Int32(CK_ISA_V4)

/// SplitMix64: fixed inputs in every run.
struct Random {
  var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func uniform(_ range: Range<Float> = -1..<1) -> Float {
    let unit = Float(next() >> 40) * 0x1p-24
    return range.lowerBound + (range.upperBound - range.lowerBound) * unit
  }

  mutating func floats(_ count: Int, _ range: Range<Float> = -1..<1) -> [Float] {
    (0..<count).map { _ in uniform(range) }
  }
}

/// A packed matrix with its plain f32 values [n, k].
final class Matrix {
  let n: Int
  let k: Int
  let values: [Float]
  var packed: ck_packed
  private let memory: UnsafeMutableRawPointer

  /// Rounds the values to `source` and packs them.
  init(_ engine: KernelEngine, _ values: [Float], n: Int, k: Int, source: ck_dtype) {
    self.n = n
    self.k = k
    let bytes = max(ck_packed_bytes(source, Int64(n), Int64(k)), 64)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    let (rounded, raw) = Self.encode(values, source)
    raw.withUnsafeBytes {
      ck_pack(engine.handle, memory, $0.baseAddress, source, Int64(n), Int64(k))
    }
    self.memory = memory
    self.values = rounded
    packed = ck_packed(
      panels: memory, dtype: ck_packed_dtype(source), n: Int64(n), k: Int64(k))
  }

  deinit { memory.deallocate() }

  /// Values after rounding to `type`, and their bytes.
  static func encode(_ values: [Float], _ type: ck_dtype) -> ([Float], [UInt8]) {
    if type == CK_F32 { return (values, values.withUnsafeBytes { Array($0) }) }
    let words = values.map { value in
      type == CK_F16 ? Float16(value).bitPattern : UInt16(value.bitPattern >> 16)
    }
    let rounded = words.map { word in
      type == CK_F16
        ? Float(Float16(bitPattern: word)) : Float(bitPattern: UInt32(word) << 16)
    }
    return (rounded, words.withUnsafeBytes { Array($0) })
  }
}

/// Equal bit for bit (so that -0 differs from 0, and NaN equals itself).
func sameBits(_ a: [Float], _ b: [Float]) -> Bool {
  a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern }
}

/// Index and values of the first difference, for messages.
func firstDifference(_ a: [Float], _ b: [Float]) -> String {
  guard a.count == b.count else { return "counts \(a.count), \(b.count)" }
  for i in a.indices where a[i].bitPattern != b[i].bitPattern {
    return "[\(i)] \(a[i]) \(b[i])"
  }
  return "none"
}

/// ‖a - b‖ / ‖b‖ in double.
func relativeError(_ a: [Float], _ b: [Double]) -> Double {
  var difference = 0.0
  var norm = 0.0
  for (x, y) in zip(a, b) {
    difference += (Double(x) - y) * (Double(x) - y)
    norm += y * y
  }
  return (difference / max(norm, 1e-300)).squareRoot()
}

/// Σ weight · value in double: the scalar whose derivative a backward kernel gives.
func dot(_ a: [Float], _ b: [Float]) -> Double {
  zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
}

/// Relative error between ‖gradient‖ and the central difference of `loss` along the gradient.
func directionalError(
  at x: [Float], gradient: [Float], step: Float = 4e-3, _ loss: ([Float]) -> Double
) -> Double {
  let norm = Float(dot(gradient, gradient).squareRoot())
  let plus = zip(x, gradient).map { $0 + step * $1 / norm }
  let minus = zip(x, gradient).map { $0 - step * $1 / norm }
  // The step that f32 really took.
  let moved = zip(zip(plus, minus), gradient).reduce(0.0) { sum, pair in
    sum + (Double(pair.0.0) - Double(pair.0.1)) * Double(pair.1)
  }
  return abs((loss(plus) - loss(minus)) / moved - 1)
}
