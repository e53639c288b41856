import BenchPeers
import Foundation
import RPC
import Wire
import ZeroMQ

/// Where the processes of one measurement meet.
struct Endpoints {
  enum Place: Int, CaseIterable {
    case clients, workers, rawClients, rawWorkers, rawFrom, rawTo
  }

  private let endpoints: [String]
  private let folder: URL?

  init(_ transport: String) throws {
    if transport == "ipc" {
      let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("tinsmith-rpc-\(ProcessInfo.processInfo.processIdentifier)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      self.folder = folder
      endpoints = Place.allCases.map { "ipc://\(folder.path)/\($0)" }
      return
    }
    folder = nil
    // Free ports: bound once, all at the same time, then given to the processes.
    let context = try Context()
    var sockets: [Socket] = []
    endpoints = try Place.allCases.map { _ in
      let socket = try Socket(context, .router)
      sockets.append(socket)
      return try socket.bind("tcp://127.0.0.1:*")
    }
  }

  subscript(place: Place) -> String { endpoints[place.rawValue] }

  func remove() {
    if let folder { try? FileManager.default.removeItem(at: folder) }
  }
}

/// The other ends of a measurement, each this program again as a process of its own.
enum RPCPeer: String, CaseIterable {
  /// Our router with its keeper.
  case router
  /// A worker of ours with null methods.
  case worker
  /// A bare broker in C: ROUTER to ROUTER, nothing decided.
  case broker
  /// A bare worker in C: sends back what comes.
  case echo
  /// A bare forwarder in C, from one PUSH to the next.
  case forwarder
  /// A bare sender in C: as many messages of 1 MiB as it is told, then it ends.
  case sender

  private static let variable = "TINSMITH_BENCH_PEER"

  /// What this process was started as, nil for the measuring one.
  static var requested: RPCPeer? {
    ProcessInfo.processInfo.environment[variable].flatMap { text in
      RPCPeer(rawValue: String(text.prefix { $0 != " " }))
    }
  }

  /// The two endpoints that the peer needs.
  private func places(_ endpoints: Endpoints) -> [String] {
    switch self {
    case .router, .worker: [endpoints[.clients], endpoints[.workers]]
    case .broker, .echo: [endpoints[.rawClients], endpoints[.rawWorkers]]
    case .forwarder, .sender: [endpoints[.rawFrom], endpoints[.rawTo]]
    }
  }

  func start(_ endpoints: Endpoints, count: Int = 0) throws -> PeerProcess {
    let words = [rawValue] + places(endpoints) + ["\(count)"]
    return try PeerProcess([Self.variable: words.joined(separator: " ")])
  }

  func serve() async throws {
    let words = (ProcessInfo.processInfo.environment[Self.variable] ?? "").split(separator: " ")
      .map(String.init)
    guard words.count == 4, let count = Int(words[3]) else {
      throw RPCError(.invalidArgument, "the peer's endpoints")
    }
    PeerProcess.answerParent()
    let (first, second) = (words[1], words[2])
    switch self {
    case .router:
      let server = try RouterServer(
        RouterConfiguration(listen: first, workers: second), context: try Context())
      try await server.run()
    case .worker:
      let service = try WorkerService(
        WorkerConfiguration(endpoint: second, name: "bench"), methods: .null,
        context: try Context())
      try await service.run()
    case .broker: _ = bench_broker(first, second)
    case .echo: _ = bench_echo(second)
    case .forwarder: _ = bench_forward(first, second)
    case .sender: _ = bench_push(first, Int32(count), Int32(BulkLoad.bytes))
    }
  }
}

extension MethodTable {
  /// Two methods that compute nothing: of independent requests, and of a stream's in order. The
  /// answer is the request, or empty for one with attachments.
  static var null: MethodTable {
    var table = MethodTable()
    for method in [NullMethod.independent, NullMethod.ordered] {
      table.handle(method, Payload.self, Payload.self) { request, _, reply in
        reply.finish(request.attachments.isEmpty ? request : .empty)
      }
    }
    return table
  }
}

/// Methods that a bench worker answers with nothing done. Both need a session's token.
enum NullMethod {
  static let independent = Method.checkpointsImport
  static let ordered = Method.trainingGetInfo
}
