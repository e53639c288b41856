import Engine
import Foundation
import Glibc
import Operations

/// A service of real processes that can be killed and started again over the same data folder.
actor ProvedService {
  /// How it is started.
  struct Settings: Sendable {
    var shape: ChaosSchedule.Shape
    /// Its data folder.
    var data: String
    /// A folder with a short path, for local sockets.
    var sockets: String
    var workers: Int
    /// Compute threads of each worker.
    var threads: Int
    var bases: [BaseOption]
    /// The file of tenants.
    var tenants: String
    /// Milliseconds that each sync of a worker takes longer.
    var slowDisk: Int
  }

  private let settings: Settings
  /// The file of what the processes say.
  private nonisolated let logPath: String
  private let log: FileHandle
  /// The process that was started for clients: a router, or its supervisor.
  private var front: ChildProcess?
  /// The workers that are children of this process, by place.
  private var workers: [Int: ChildProcess] = [:]
  /// Something is being done to it.
  private var isDisturbed = false

  /// - Throws: `CommandError` if the folder cannot be written.
  init(_ settings: Settings) throws {
    self.settings = settings
    try DataFolder.make(settings.data)
    logPath = "\(settings.data)/prove.log"
    guard FileManager.default.createFile(atPath: logPath, contents: nil),
      let log = FileHandle(forWritingAtPath: logPath)
    else { throw CommandError("cannot write \(logPath)") }
    self.log = log
  }

  /// The last lines that its processes wrote.
  nonisolated var lastWords: String {
    let text = (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? ""
    return text.split(separator: "\n").suffix(20).joined(separator: "\n")
  }

  /// Where it listens for clients: a path, so that nobody else takes it while it is away.
  nonisolated var endpoint: String { "ipc://\(settings.sockets)/clients" }
  private var workerEndpoint: String { "ipc://\(settings.sockets)/workers" }

  // MARK: Starting

  /// Starts what does not run, and waits until clients can connect.
  func start() async throws {
    try await startFront()
    guard settings.shape == .split else { return }
    for place in 0..<settings.workers { try startWorker(place) }
  }

  private func startFront() async throws {
    guard front == nil else { return }
    var arguments = ["--listen", endpoint, "--tenants", settings.tenants] + shared
    switch settings.shape {
    case .serve: arguments = ["serve", "--workers", "\(settings.workers)"] + arguments + threads
    case .split:
      arguments =
        ["router", "--listen-workers", workerEndpoint, "--expected-workers", "\(settings.workers)"]
        + arguments
    }
    let process = try start(arguments, readsOutput: true)
    front = process
    guard await process.firstLine() == "ready \(endpoint)" else {
      throw CommandError("the service did not start")
    }
  }

  private func startWorker(_ place: Int) throws {
    guard workers[place] == nil else { return }
    workers[place] = try start(
      ["worker", "--router", workerEndpoint, "--name", Self.name(place)] + threads + shared)
  }

  private func start(_ arguments: [String], readsOutput: Bool = false) throws -> ChildProcess {
    let environment =
      settings.slowDisk > 0 ? [Failpoints.variable: "sync=delay:\(settings.slowDisk)"] : [:]
    return try ChildProcess(
      arguments, environment: environment, readsOutput: readsOutput, errors: log)
  }

  private var threads: [String] { ["--threads", "\(settings.threads)"] }
  private var shared: [String] {
    ["--data", settings.data, "--log", "info"]
      + settings.bases.flatMap { ["--base", $0.argument] }
  }

  private static func name(_ place: Int) -> String { "worker-\(place)" }

  // MARK: What happens to it

  /// Does what a schedule says and brings back what it ended. While clients cannot connect, the way
  /// to it is closed.
  ///
  /// - Returns: whether there was such a process.
  func perform(_ act: ChaosSchedule.Act, _ way: Interposer) async throws -> Bool {
    isDisturbed = true
    defer { isDisturbed = false }
    switch act {
    case .killWorker(let place, let absence):
      guard let pid = pid(ofWorker: place), kill(pid, SIGKILL) == 0 else { return false }
      // The supervisor brings back its own.
      guard let worker = workers.removeValue(forKey: place) else { return true }
      await worker.ended()
      try? await Task.sleep(for: .milliseconds(absence))
      try startWorker(place)
    case .pauseWorker(let place, let milliseconds):
      guard let pid = pid(ofWorker: place), kill(pid, SIGSTOP) == 0 else { return false }
      try? await Task.sleep(for: .milliseconds(milliseconds))
      kill(pid, SIGCONT)
    case .killRouter where settings.shape == .serve:
      guard let pid = supervisedRouter, kill(pid, SIGKILL) == 0 else { return false }
      way.close()
      // The supervisor brings it back; if that has ended, `accident` says so.
      while front?.ending == nil, supervisedRouter.map({ $0 == pid }) ?? true {
        try await Task.sleep(for: .milliseconds(5))
      }
      way.open()
    case .killRouter, .killSupervisor, .killAll:
      guard let front else { return false }
      let others =
        act == .killAll ? Array(workerPIDs.values) + [supervisedRouter].compactMap(\.self) : []
      front.signal(SIGKILL)
      for pid in others { kill(pid, SIGKILL) }
      way.close()
      await front.ended()
      self.front = nil
      if act == .killAll {
        for worker in workers.values { await worker.ended() }
        workers = [:]
      }
      try await start()
      way.open()
    }
    return true
  }

  /// What ended by itself, in words; nil if nothing has.
  var accident: String? {
    guard !isDisturbed else { return nil }
    if let ending = front?.ending { return "the service \(ending)" }
    for (place, worker) in workers {
      if let ending = worker.ending { return "\(Self.name(place)) \(ending)" }
    }
    return nil
  }

  /// Ends all processes.
  func stop() async {
    for worker in workers.values { await worker.stop() }
    await front?.stop()
    try? log.close()
  }

  // MARK: Processes

  /// Of another worker if the supervisor is just bringing this one back.
  private func pid(ofWorker place: Int) -> Int32? {
    workerPIDs[Self.name(place)] ?? workerPIDs.values.first
  }

  /// The router below a supervisor.
  private var supervisedRouter: Int32? { front.flatMap { ProcessList.router(of: $0.identifier) } }

  private var workerPIDs: [String: Int32] {
    switch settings.shape {
    case .serve: front.map { ProcessList.workers(of: $0.identifier) } ?? [:]
    case .split:
      Dictionary(uniqueKeysWithValues: workers.map { (Self.name($0.key), $0.value.identifier) })
    }
  }
}
