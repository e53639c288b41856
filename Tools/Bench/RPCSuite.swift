import Foundation
import RPC
import Synchronization
import Wire
import ZeroMQ

/// Null requests through router and worker, each a process of its own, beside a bare ROUTER/ROUTER
/// broker that moves the same bytes and decides nothing: what the RPC layer costs on top of libzmq.
///
/// - `rpc.tcp.256B.w64.throughput`: requests/s with 64 outstanding
/// - `rpc.tcp.256B.w64.p50`, `.p99`: microseconds from submission to answer
/// - `rpc.tcp.256B.w1.p50`, `.p99`: the same with one outstanding, awaited by a task
/// - `rpc.tcp.256B.w64.broker`, `rpc.tcp.256B.w64.vs_broker`: the bare broker, and our share of it
/// - `rpc.tcp.256B.w64.client_cpu` and so on: processor time per request of each process, which a
///   busy machine disturbs less than rates
struct RPCSuite {
  let reporter: Reporter
  let runs: Int

  private static let bodyBytes = 256
  private static let count = 40_000

  func run() async throws {
    // The suite starts this program again for the other ends.
    if let role = RPCPeer.requested { return try await role.serve() }
    for transport in ["tcp", "ipc"] where reporter.wants("rpc.\(transport)") {
      try await measure(transport)
    }
  }

  private func measure(_ transport: String) async throws {
    let endpoints = try Endpoints(transport)
    defer { endpoints.remove() }
    var peers: [RPCPeer: Process] = [:]
    defer { for peer in peers.values { peer.terminate() } }
    for peer in RPCPeer.allCases { peers[peer] = try peer.start(endpoints) }
    let prefix = "rpc.\(transport).\(Self.bodyBytes)B"
    try await pipelined(prefix, endpoints, peers.mapValues(\.processIdentifier))
    try await alone(prefix, endpoints)
  }

  // MARK: Many outstanding

  private func pipelined(
    _ prefix: String, _ endpoints: Endpoints, _ peers: [RPCPeer: Int32]
  ) async throws {
    let window = 64
    let name = "\(prefix).w\(window)"
    guard reporter.wants(name) else { return }
    let context = try Context()
    let channel = try ClientChannel(
      ClientConfiguration(endpoint: endpoints.clients), context: context)
    let raw = try RawPeer(context, endpoints.brokerClients)
    let own = getpid()
    var samples: [String: [Double]] = [:]
    for run in 0...runs {
      let stream = channel.stream("bench-\(UInt64.random(in: 0...UInt64.max))")
      let processes = peers.map { ($0.key.rawValue, $0.value) }
      func used() -> [String: Double] {
        Dictionary(uniqueKeysWithValues: processes.map { ($0.0, processorSeconds($0.1)) })
          .merging(["client": processorSeconds(own)]) { _, own in own }
      }
      let start = used()
      let broker = try raw.rate(count: Self.count, window: window, bodyBytes: Self.bodyBytes)
      let before = used()
      let ours = await Pump(stream, count: Self.count, bodyBytes: Self.bodyBytes)
        .run(window: window)
      let after = used()
      // The first round warms everything up.
      guard run > 0 else { continue }
      samples["throughput", default: []].append(ours.rate)
      samples["p50", default: []].append(ours.microseconds(0.5))
      samples["p99", default: []].append(ours.microseconds(0.99))
      samples["broker", default: []].append(broker)
      samples["vs_broker", default: []].append(ours.rate / broker)
      for end in ["client", "router", "worker"] {
        let seconds = (after[end] ?? 0) - (before[end] ?? 0)
        samples["\(end)_cpu", default: []].append(seconds * 1e6 / Double(Self.count))
      }
      let bare = (before["broker"] ?? 0) - (start["broker"] ?? 0)
      samples["broker_cpu", default: []].append(bare * 1e6 / Double(Self.count))
    }
    await channel.closeAndWait()
    for (what, unit) in [
      ("throughput", "requests/s"), ("p50", "us"), ("p99", "us"), ("broker", "requests/s"),
      ("vs_broker", "ratio"), ("client_cpu", "us"), ("router_cpu", "us"), ("worker_cpu", "us"),
      ("broker_cpu", "us"),
    ] {
      reporter.report("\(name).\(what)", samples: samples[what] ?? [], unit: unit)
    }
  }

  // MARK: One outstanding

  private func alone(_ prefix: String, _ endpoints: Endpoints) async throws {
    let name = "\(prefix).w1"
    guard reporter.wants(name) else { return }
    let channel = try ClientChannel(
      ClientConfiguration(endpoint: endpoints.clients), context: try Context())
    let stream = channel.stream("bench-\(UInt64.random(in: 0...UInt64.max))")
    let body = Payload(body: Bytes([UInt8](repeating: 0, count: Self.bodyBytes)))
    var middles: [Double] = []
    var tails: [Double] = []
    for run in 0...runs {
      var times: [UInt64] = []
      for _ in 0..<2000 {
        let start = Monotonic.microseconds()
        _ = try await stream.call(.adminWorkerPing, body, Payload.self)
        times.append(Monotonic.microseconds() - start)
      }
      guard run > 0 else { continue }
      let measured = Measured(rate: 0, times: times)
      middles.append(measured.microseconds(0.5))
      tails.append(measured.microseconds(0.99))
    }
    await channel.closeAndWait()
    reporter.report("\(name).p50", samples: middles, unit: "us")
    reporter.report("\(name).p99", samples: tails, unit: "us")
  }
}

/// What one run of a pump saw.
struct Measured: Sendable {
  /// Requests per second.
  let rate: Double
  /// Microseconds of each request.
  let times: [UInt64]

  func microseconds(_ quantile: Double) -> Double {
    let sorted = times.sorted()
    return sorted.isEmpty ? 0 : Double(sorted[Int(quantile * Double(sorted.count - 1))])
  }
}

/// Keeps a number of requests outstanding: each answer submits the next request.
private final class Pump: Sendable {
  private struct State {
    var left: Int
    var open = 0
    var times: [UInt64] = []
    var done: CheckedContinuation<Void, Never>?
  }

  private let stream: StreamHandle
  private let body: Payload
  private let state: Mutex<State>

  init(_ stream: StreamHandle, count: Int, bodyBytes: Int) {
    self.stream = stream
    body = Payload(body: Bytes([UInt8](repeating: 0, count: bodyBytes)))
    state = Mutex(State(left: count))
    state.withLock { $0.times.reserveCapacity(count) }
  }

  func run(window: Int) async -> Measured {
    let start = Monotonic.microseconds()
    await withCheckedContinuation { continuation in
      state.withLock { $0.done = continuation }
      for _ in 0..<window { submit() }
    }
    let elapsed = Double(Monotonic.microseconds() - start) * 1e-6
    let times = state.withLock { $0.times }
    return Measured(rate: Double(times.count) / elapsed, times: times)
  }

  private func submit() {
    let isWanted = state.withLock { state in
      guard state.left > 0 else { return false }
      state.left -= 1
      state.open += 1
      return true
    }
    guard isWanted else { return }
    let start = Monotonic.microseconds()
    stream.submit(.adminWorkerPing, body, Payload.self).whenDone { _ in
      let now = Monotonic.microseconds()
      let done = self.state.withLock { state -> CheckedContinuation<Void, Never>? in
        state.open -= 1
        state.times.append(now - start)
        guard state.left == 0, state.open == 0 else { return nil }
        defer { state.done = nil }
        return state.done
      }
      if let done { done.resume() } else { self.submit() }
    }
  }
}
