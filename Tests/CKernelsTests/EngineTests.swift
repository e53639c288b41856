import CKernels
import Testing

/// The handle: what it refuses, and that its threads leave the caller as they found it.
@Suite struct EngineTests {
  @Test("An engine says what it is")
  func identity() {
    let engine = KernelEngine(threads: 2, isa: CK_ISA_BEST)!
    #expect(ck_engine_isa(engine.handle) == ck_isa_available())
    #expect(ck_engine_threads(engine.handle) == 2)
    #expect(KernelEngine(threads: 1, isa: 7) == nil)
    #expect((KernelEngine(threads: 1, isa: CK_ISA_V4) != nil) == hasV4)
  }

  @Test("Calls leave the caller's floating-point mode alone")
  func floatingPointMode() {
    let engine = KernelEngine.reference()
    var y: [Float] = [.leastNormalMagnitude]
    ck_scale(engine.handle, &y, 0.5, 1)
    #expect(y[0] == 0, "results below the smallest normal number are 0 inside")
    #expect(Float.leastNormalMagnitude * y.map { $0 + 0.5 }[0] > 0, "and kept outside")
    _ = ck_exp(1)
    #expect(Float.leastNormalMagnitude * y.map { $0 + 0.5 }[0] > 0)
  }

  @Test("Many short calls from several engines at once")
  func manyCalls() async {
    await withTaskGroup(of: Bool.self) { group in
      for seed in 0..<3 {
        group.addTask {
          let engine = KernelEngine(threads: 3, isa: CK_ISA_BEST)!
          var random = Random(UInt64(seed))
          let count = 40_000
          let a = random.floats(count)
          let expected = a.map { $0 + $0 }
          var y = a
          for _ in 0..<200 {
            ck_add(engine.handle, &y, a, a, Int64(count))
          }
          return sameBits(y, expected)
        }
      }
      for await same in group { #expect(same) }
    }
  }
}
