import Foundation
import RPC
import Wire
import ZeroMQ

/// Where the processes of one measurement meet.
struct Endpoints {
  let clients: String
  let workers: String
  let brokerClients: String
  let brokerWorkers: String
  private let folder: URL?

  init(_ transport: String) throws {
    if transport == "ipc" {
      let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("tinsmith-rpc-\(ProcessInfo.processInfo.processIdentifier)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      self.folder = folder
      clients = "ipc://\(folder.path)/clients"
      workers = "ipc://\(folder.path)/workers"
      brokerClients = "ipc://\(folder.path)/broker-clients"
      brokerWorkers = "ipc://\(folder.path)/broker-workers"
      return
    }
    folder = nil
    // Free ports: bound once, then given to the processes.
    let context = try Context()
    var ports: [String] = []
    var sockets: [Socket] = []
    for _ in 0..<4 {
      let socket = try Socket(context, .router)
      ports.append(try socket.bind("tcp://127.0.0.1:*"))
      sockets.append(socket)
    }
    (clients, workers, brokerClients, brokerWorkers) = (ports[0], ports[1], ports[2], ports[3])
  }

  func remove() {
    if let folder { try? FileManager.default.removeItem(at: folder) }
  }
}

/// The other ends of a measurement, each this program again as a process of its own.
enum RPCPeer: String, CaseIterable {
  /// Our router with its keeper.
  case router
  /// A worker of ours that answers `Admin.WorkerPing`.
  case worker
  /// A bare broker: ROUTER to ROUTER, nothing decided.
  case broker
  /// A bare worker: sends back what comes.
  case echo

  private static let variable = "TINSMITH_BENCH_PEER"

  /// What this process was started as, nil for the measuring one.
  static var requested: RPCPeer? {
    ProcessInfo.processInfo.environment[variable].flatMap { text in
      RPCPeer(rawValue: String(text.prefix { $0 != " " }))
    }
  }

  func start(_ endpoints: Endpoints) throws -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = ["rpc"]
    let (clients, workers) =
      switch self {
      case .router, .worker: (endpoints.clients, endpoints.workers)
      case .broker, .echo: (endpoints.brokerClients, endpoints.brokerWorkers)
      }
    var environment = ProcessInfo.processInfo.environment
    environment[Self.variable] = "\(rawValue) \(clients) \(workers)"
    process.environment = environment
    // The child leaves when this end closes, whatever becomes of the parent.
    process.standardInput = Pipe()
    try process.run()
    return process
  }

  func serve() async throws {
    let words = (ProcessInfo.processInfo.environment[Self.variable] ?? "").split(separator: " ")
    guard words.count == 3 else { throw RPCError(.invalidArgument, "the peer's endpoints") }
    Thread.detachNewThread {
      _ = FileHandle.standardInput.readDataToEndOfFile()
      exit(0)
    }
    let (clients, workers) = (String(words[1]), String(words[2]))
    let context = try Context()
    switch self {
    case .router:
      let server = try RouterServer(
        RouterConfiguration(listen: clients, workers: workers), context: context)
      try await server.run()
    case .worker:
      let service = try WorkerService(
        WorkerConfiguration(endpoint: workers, name: "bench"), methods: .workerPing,
        context: context)
      try await service.run()
    case .broker: try RawPeer.broker(context, clients: clients, workers: workers)
    case .echo: try RawPeer.echo(context, workers)
    }
  }
}

/// Seconds of processor time that a process has used, from the kernel's table (in steps of 10 ms).
func processorSeconds(_ process: Int32) -> Double {
  guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
    let end = text.lastIndex(of: ")")
  else { return 0 }
  // Behind the name: state is field 3, so user and system time, 14 and 15, are 11 and 12 here.
  let fields = text[text.index(after: end)...].split(separator: " ")
  guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
    return 0
  }
  return (user + system) / 100
}
