import BenchPeers
import Foundation
import RPC
import Wire
import ZeroMQ

/// Null requests of a session through router and worker, each a process of its own, and beside them
/// in turns what libzmq alone does (C programs, `Peers`), and programs from outside if given.
///
/// - `rpc.tcp.256B.w64.throughput`, `.p50`, `.p99`: requests/s with 64 outstanding, microseconds
///   from submission to answer; `.ordered.*` the same in one stream whose requests run in order,
///   each once, and `.await.*` with a task that awaits each answer
/// - `.raw`, `.vs_raw`: a bare ROUTER-ROUTER broker in C and our share of it
/// - `.zmq_peer`, `.vs_zmq_peer`, `.grpc_peer`, `.vs_grpc_peer`: the same for the programs given
/// - `.client_cpu`, `.router_cpu`, `.worker_cpu`: processor time per request, which a busy machine
///   disturbs less than rates
/// - `rpc.tcp.256B.w1.p50`, `.p99`: one outstanding, awaited by a task
/// - `rpc.tcp.1MiB.*`: see `BulkSuite`; `rpc.tcp.soak.*`: see `SoakSuite`
struct RPCSuite {
  let reporter: Reporter
  let runs: Int
  /// Programs to compare with; see `ExternalPeer`.
  var zmqPeer: String?
  var grpcPeer: String?
  /// Requests of the soak; 0 for none.
  var soak = 0

  private static let bodyBytes = 256
  private static let window = 64
  private static let count = 60_000

  func run() async throws {
    // The suite starts this program again for the other ends.
    if let role = RPCPeer.requested { return try await role.serve() }
    for transport in ["tcp", "ipc"] where reporter.wants("rpc.\(transport)") {
      try await measure(transport)
    }
  }

  private func measure(_ transport: String) async throws {
    let bench = try await ServedBench(transport)
    let prefix = "rpc.\(transport)"
    do {
      try await pipelined("\(prefix).\(Self.bodyBytes)B.w\(Self.window)", bench)
      try await alone("\(prefix).\(Self.bodyBytes)B.w1", bench)
      try await BulkSuite(reporter: reporter, runs: runs).measure("\(prefix).1MiB", bench)
      if soak > 0, transport == "tcp" {
        try await SoakSuite(reporter: reporter, count: soak).measure("\(prefix).soak", bench)
      }
    } catch {
      await bench.stop()
      throw error
    }
    await bench.stop()
  }

  // MARK: Many outstanding

  private func pipelined(_ name: String, _ bench: ServedBench) async throws {
    guard reporter.wants(name) else { return }
    var samples = Samples()
    // The first round warms everything up.
    for run in 0...runs {
      var round = Samples()
      let peers = try rates(name, bench, into: &round)
      for (kind, method) in [("", NullMethod.independent), ("ordered.", NullMethod.ordered)]
      where reporter.wants("\(name).\(kind)throughput") {
        let load = NullLoad(bench.stream(method), method, bodyBytes: Self.bodyBytes)
        let before = bench.processorSeconds()
        let ours = try await load.pump(count: Self.count, window: Self.window)
        round.add(ours, kind, unit: "requests/s")
        for (end, seconds) in bench.processorSeconds() {
          let used = (seconds - (before[end] ?? 0)) * 1e6 / Double(Self.count)
          round["\(kind)\(end)_cpu", "us"].append(used)
        }
        for (peer, rate) in peers { round["\(kind)vs_\(peer)", "ratio"].append(ours.rate / rate) }
      }
      if reporter.wants("\(name).await") {
        let method = NullMethod.independent
        let load = NullLoad(bench.stream(method), method, bodyBytes: Self.bodyBytes)
        let awaited = try await load.await(count: Self.count, window: Self.window)
        round.add(awaited, "await.", unit: "requests/s")
      }
      if run > 0 { samples.merge(round) }
    }
    samples.report(name, reporter)
  }

  /// What the peers reach, one after another.
  private func rates(
    _ name: String, _ bench: ServedBench, into round: inout Samples
  ) throws -> [(peer: String, rate: Double)] {
    let raw = bench_request_rate(
      bench.endpoints[.rawClients], Int32(Self.window), Int32(Self.count), Int32(Self.bodyBytes))
    var rates = [(peer: "raw", rate: raw)]
    if name.hasPrefix("rpc.tcp") {
      if let zmqPeer {
        rates.append(("zmq_peer", try ExternalPeer.zeroMQ(zmqPeer).rate()))
      }
      if let grpcPeer {
        let peer = ExternalPeer.gRPC(grpcPeer, window: Self.window, bodyBytes: Self.bodyBytes)
        rates.append(("grpc_peer", try peer.rate()))
      }
    }
    for (peer, rate) in rates { round[peer, "requests/s"].append(rate) }
    return rates
  }

  // MARK: One outstanding

  private func alone(_ name: String, _ bench: ServedBench) async throws {
    guard reporter.wants(name) else { return }
    let method = NullMethod.independent
    let load = NullLoad(bench.stream(method), method, bodyBytes: Self.bodyBytes)
    var samples = Samples()
    for run in 0...runs {
      let measured = try await load.await(count: 2000, window: 1)
      if run > 0 { samples.add(measured, "", unit: nil) }
    }
    samples.report(name, reporter)
  }
}

/// The processes of one measurement and a session of this one.
final class ServedBench {
  let endpoints: Endpoints
  let channel: ClientChannel
  let router: PeerProcess
  let worker: PeerProcess
  private let session: String
  private let others: [PeerProcess]
  private var streams = 0

  init(_ transport: String) async throws {
    let endpoints = try Endpoints(transport)
    self.endpoints = endpoints
    router = try RPCPeer.router.start(endpoints)
    worker = try RPCPeer.worker.start(endpoints)
    others = try [.broker, .echo].map { (peer: RPCPeer) in try peer.start(endpoints) }
    let channel = try ClientChannel(
      ClientConfiguration(endpoint: endpoints[.clients]), context: try Context())
    self.channel = channel
    let response = try await channel.control.call(
      .sessionsCreate, CreateSessionRequest(), CreateSessionResponse.self)
    channel.use(sessionToken: response.token)
    session = response.sessionID
  }

  /// A new stream for a null method.
  func stream(_ method: Wire.Method) -> StreamHandle {
    streams += 1
    let kind = method.ordering == .ordered ? "train" : "sample"
    return channel.stream("\(session):\(kind):\(streams)")
  }

  /// Processor time used so far by each end.
  func processorSeconds() -> [String: Double] {
    [
      "client": Bench.processorSeconds(getpid()),
      "router": Bench.processorSeconds(router.identifier),
      "worker": Bench.processorSeconds(worker.identifier),
    ]
  }

  func stop() async {
    await channel.closeAndWait()
    for peer in [router, worker] + others { peer.stop() }
    endpoints.remove()
  }
}
