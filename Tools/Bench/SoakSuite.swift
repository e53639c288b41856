import RPC

/// Very many null requests: does anything grow?
///
/// - `rpc.tcp.soak.requests`: how many were answered, in ordered and independent streams in turns
/// - `.throughput`: requests/s over all of it
/// - `.client_heap`, `.client_resident` and so on: bytes at the end
/// - `.client_heap_growth`, `.client_resident_growth` and so on: bytes more at the end than after
///   the first fifth
struct SoakSuite {
  let reporter: Reporter
  let count: Int

  private static let window = 64
  private static let parts = 10

  func measure(_ name: String, _ bench: ServedBench) async throws {
    guard reporter.wants(name) else { return }
    let start = Monotonic.microseconds()
    var first: [String: Memory] = [:]
    let ordered = bench.stream(NullMethod.ordered)
    let independent = bench.stream(NullMethod.independent)
    for part in 0..<Self.parts {
      let load =
        part % 2 == 0
        ? NullLoad(independent, NullMethod.independent, bodyBytes: 256)
        : NullLoad(ordered, NullMethod.ordered, bodyBytes: 256)
      _ = try await load.pump(count: count / Self.parts, window: Self.window, keepsTimes: false)
      // Both kinds have run by then.
      if part == 1 { first = try memory(bench) }
    }
    let seconds = Double(Monotonic.microseconds() - start) * 1e-6
    var samples = Samples()
    samples["requests", "requests"] = [Double(count)]
    samples["throughput", "requests/s"] = [Double(count) / seconds]
    for (end, now) in try memory(bench).sorted(by: { $0.key < $1.key }) {
      let before = first[end] ?? now
      samples["\(end)_heap", "bytes"] = [now.heap]
      samples["\(end)_resident", "bytes"] = [now.resident]
      samples["\(end)_heap_growth", "bytes"] = [now.heap - before.heap]
      samples["\(end)_resident_growth", "bytes"] = [now.resident - before.resident]
    }
    samples.report(name, reporter)
  }

  private func memory(_ bench: ServedBench) throws -> [String: Memory] {
    [
      "client": Memory.own, "router": try bench.router.memory(),
      "worker": try bench.worker.memory(),
    ]
  }
}
