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
struct RPCSuite {
  let reporter: Reporter
  let runs: Int

  private static let bodyBytes = 256

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
    let peers = try [
      RPCPeer.router.start(endpoints), RPCPeer.worker.start(endpoints),
      RPCPeer.broker.start(endpoints), RPCPeer.echo.start(endpoints),
    ]
    defer { for peer in peers { peer.terminate() } }
    let prefix = "rpc.\(transport).\(Self.bodyBytes)B"
    try await pipelined(prefix, endpoints)
    try await alone(prefix, endpoints)
  }

  // MARK: Many outstanding

  private func pipelined(_ prefix: String, _ endpoints: Endpoints) async throws {
    let window = 64
    let name = "\(prefix).w\(window)"
    guard reporter.wants(name) else { return }
    let context = try Context()
    let channel = try ClientChannel(
      ClientConfiguration(endpoint: endpoints.clients), context: context)
    let raw = try RawPeer(context, endpoints.brokerClients)
    var rates: [Double] = []
    var middles: [Double] = []
    var tails: [Double] = []
    var bare: [Double] = []
    var shares: [Double] = []
    for run in 0...runs {
      let stream = channel.stream("bench-\(UInt64.random(in: 0...UInt64.max))")
      let broker = try raw.rate(count: 40_000, window: window, bodyBytes: Self.bodyBytes)
      let ours = await Pump(stream, count: 40_000, bodyBytes: Self.bodyBytes).run(window: window)
      // The first round warms everything up.
      guard run > 0 else { continue }
      rates.append(ours.rate)
      middles.append(ours.microseconds(0.5))
      tails.append(ours.microseconds(0.99))
      bare.append(broker)
      shares.append(ours.rate / broker)
    }
    await channel.closeAndWait()
    reporter.report("\(name).throughput", samples: rates, unit: "requests/s")
    reporter.report("\(name).p50", samples: middles, unit: "us")
    reporter.report("\(name).p99", samples: tails, unit: "us")
    reporter.report("\(name).broker", samples: bare, unit: "requests/s")
    reporter.report("\(name).vs_broker", samples: shares, unit: "ratio")
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
