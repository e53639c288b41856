import BenchPeers
import RPC

/// Requests with an attachment of 1 MiB and empty answers.
///
/// - `rpc.tcp.1MiB.throughput`: requests/s (1.05 MB each) with 16 outstanding
/// - `.raw`, `.vs_raw`: messages/s of 1 MiB from a sender over a forwarder to a receiver, one way,
///   all in C, and our share of it
struct BulkSuite {
  let reporter: Reporter
  let runs: Int

  private static let window = 16
  private static let count = 2000

  func measure(_ name: String, _ bench: ServedBench) async throws {
    guard reporter.wants(name) else { return }
    let forwarder = try RPCPeer.forwarder.start(bench.endpoints)
    defer { forwarder.stop() }
    var samples = Samples()
    for run in 0...runs {
      let sender = try RPCPeer.sender.start(bench.endpoints, count: Self.count)
      let raw = bench_pull_rate(bench.endpoints[.rawTo], Int32(Self.count))
      sender.waitUntilExit()
      let load = BulkLoad(stream: bench.stream(NullMethod.independent))
      let ours = try await load.rate(count: Self.count, window: Self.window)
      guard run > 0 else { continue }
      samples["throughput", "requests/s"].append(ours)
      samples["raw", "messages/s"].append(raw)
      samples["vs_raw", "ratio"].append(ours / raw)
    }
    samples.report(name, reporter)
  }
}
