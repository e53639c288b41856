import Foundation
import Glibc
import Synchronization
import Testing
import Tinsmith
import Wire

/// Router and workers are children of the supervisor: what ends or stops one costs a moment.
@Suite(.serialized, .timeLimit(.minutes(30))) struct SupervisedChildrenTests {
  private static let tiny = [
    "--threads", "1", "--base", "\(TestService.tiny)=\(Program.fixture("qwen3"))",
  ]

  @Test("Routers killed at any time: as if nothing had happened", arguments: [SIGKILL, SIGILL])
  func killedRouters(signal: Int32) async throws {
    let seeds: Range<UInt64> = 40..<43
    let expected = try await RecordedTraining.undisturbed(seeds)
    let server = try await TestService(workers: 2)
    defer { server.stop() }
    let service = server.client(timeout: nil)
    let workers = server.workers
    let isDone = Mutex(false)
    let killer = Task {
      var random = SeededGenerator(UInt64(signal))
      var victims: Set<pid_t> = []
      while !isDone.withLock({ $0 }), victims.count < 6 {
        try await Task.sleep(for: .milliseconds(Int.random(in: 50...400, using: &random)))
        guard let victim = server.router, victims.insert(victim).inserted else { continue }
        kill(victim, signal)
      }
      return victims.count
    }
    let records = try await RecordedTraining.together(service, seeds)
    isDone.withLock { $0 = true }
    #expect(try await killer.value > 1)
    #expect(records == expected)
    // The workers were never touched.
    #expect(server.workers == workers)
    await service.close()
  }

  @Test("A session that was finished stays so for the next router; others go on")
  func finishedSessions() async throws {
    let server = try await TestService(workers: 1)
    defer { server.stop() }
    let finished = try await RawClient(endpoint: server.endpoint)
    let other = try await RawClient(endpoint: server.endpoint)
    try finished.send(
      finished.header(.sessionsFinish, "keep", 0), FinishSessionRequest(reason: .success).encode())
    #expect(try await finished.final(seq: 0).header.code == .ok)
    let victim = try #require(server.router)
    kill(victim, SIGKILL)
    try await eventually("another router") { server.router.map { $0 != victim } ?? false }
    for (client, code) in [(finished, StatusCode.unauthenticated), (other, .ok)] {
      try client.send(client.header(.sessionsHeartbeat, "keep", 1), HeartbeatRequest().encode())
      #expect(try await client.final(seq: 1).header.code == code)
    }
  }

  @Test("A router that is stopped is replaced, and what waited for it is answered")
  func stoppedRouter() async throws {
    try await TestFolder.with { folder in
      let service = try await ServeProcess(
        data: "\(folder)/data", log: "\(folder)/log", ["--workers", "1"] + Self.tiny)
      let client = ServiceClient(endpoint: service.endpoint, timeout: nil)
      let training = try await TestService.model(client)
      let victim = try #require(service.router)
      kill(victim, SIGSTOP)
      let outputs = try await Batches.trainOneByOne(training, 0..<3)
      #expect(outputs.count == 3)
      #expect(service.words.contains("the router was killed: it said nothing for 15 s"))
      #expect(service.router != victim)
      await client.close()
      await service.stop()
    }
  }

  @Test("A worker that is stopped is replaced within 30 s, and nobody notices")
  func stoppedWorker() async throws {
    let seeds: Range<UInt64> = 44..<46
    let expected = try await RecordedTraining.undisturbed(seeds)
    let server = try await TestService(workers: 2)
    defer { server.stop() }
    let service = server.client(timeout: nil)
    let stopper = Task {
      try await Task.sleep(for: .milliseconds(300))
      let victim = try #require(server.workers["worker-0"])
      let clock = ContinuousClock()
      let start = clock.now
      kill(victim, SIGSTOP)
      try await eventually(within: .seconds(60), "another worker") {
        server.workers["worker-0"].map { $0 != victim } ?? false
      }
      // Too late: there is nobody to wake.
      #expect(kill(victim, SIGCONT) == -1)
      return clock.now - start
    }
    let records = try await RecordedTraining.together(service, seeds)
    #expect(try await stopper.value < .seconds(30))
    #expect(records == expected)
    await service.close()
  }

  @Test(
    "A request whose worker the kernel kills for its memory is not sent for ever",
    .enabled(if: MemoryGroup.isAvailable, "needs leave to make control groups"))
  func outOfMemory() async throws {
    try await TestFolder.with { folder in
      let group = try MemoryGroup()
      defer { group.remove() }
      let service = try await ServeProcess(
        data: "\(folder)/data", log: "\(folder)/log", before: "echo $$ > \(group.members)",
        ["--workers", "1", "--threads", "1", "--memory", "4G"])
      try group.limit(bytes: 40 << 20)
      // The kernel takes its time: first it takes away the pages of programs and weights, each of
      // which is read again at once.
      let client = ServiceClient(endpoint: service.endpoint, timeout: .seconds(300))
      let sampler = try await client.createSamplingClient(baseModel: "tinsmith/mini").value()
      let error = await #expect(throws: TinsmithError.self) {
        // More keys and values than there is memory, before the first token.
        _ = try await sampler.sample(
          ModelInput(tokens: [Int32](repeating: 7, count: 4000)),
          params: SamplingParams(maxTokens: 90, seed: 1, stop: .tokens([]))
        ).value()
      }
      #expect(error?.code == .internal)
      #expect(error?.message.contains("crashed its worker") == true, "\(error?.message ?? "")")
      #expect(service.words.contains("worker-0 was ended by SIGKILL, as memory ran out"))
      await client.close()
      await service.stop()
    }
  }

  @Test("Starts that fail are tried later and later, and the service lives")
  func failedStarts() async throws {
    try await TestFolder.with { folder in
      let service = try await ServeProcess(
        data: "\(folder)/data", log: "\(folder)/log", ["--workers", "1"] + Self.tiny)
      let worker = try #require(service.workers["worker-0"])
      // Nothing more can be opened.
      try Self.limitFiles(of: service.pid, to: 3)
      kill(worker, SIGKILL)
      try await eventually("a second failure") {
        service.words.contains(/worker-0 cannot be started: .*; it is tried again in 0\.5 seconds/)
      }
      #expect(service.words.contains(/worker-0 cannot be started: .*; it is tried again at once/))
      try Self.limitFiles(of: service.pid, to: 256)
      try await eventually("another worker") {
        service.workers["worker-0"].map { $0 != worker } ?? false
      }
      let client = ServiceClient(endpoint: service.endpoint, timeout: .seconds(60))
      _ = try await TestService.model(client)
      await client.close()
      await service.stop()
    }
  }

  /// Changes the soft limit of open files.
  private static func limitFiles(of pid: pid_t, to count: Int) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/prlimit")
    process.arguments = ["--pid", "\(pid)", "--nofile=\(count):"]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }

  // MARK: Limits and endpoints

  /// Runs the program under a limit of open files.
  private static func run(_ limit: String, _ arguments: [String]) async throws -> (
    status: Int32, output: String, errors: String
  ) {
    try await Program.run(
      ["-c", "ulimit \(limit) && exec \"$0\" \"$@\"", Program.url.path] + arguments,
      at: URL(fileURLWithPath: "/bin/bash"))
  }

  @Test(arguments: ["serve", "router", "worker"])
  func tooFewFilesAreRefusedInWords(command: String) async throws {
    try await TestFolder.with { folder in
      let arguments = command == "worker" ? ["--router", "ipc://\(folder)/none"] : []
      let (status, output, errors) = try await Self.run(
        "-n 32", [command, "--data", "\(folder)/data"] + arguments)
      #expect(status == 1)
      #expect(output.isEmpty)
      #expect(errors.contains("only 32 files may be open at once; raise that"), "\(errors)")
    }
  }

  /// A service that was started with `nice` is nice as a whole.
  @Test func childrenHaveThePriorityOfTheSupervisor() async throws {
    try await TestFolder.with { folder in
      let service = try await ServeProcess(
        data: "\(folder)/data", before: "renice -n 5 -p $$ >&2", ["--workers", "1"] + Self.tiny)
      for pid in [try #require(service.router)] + service.workers.values {
        let facts = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        let fields = try #require(
          facts.lastIndex(of: ")").map { facts[$0...].split(separator: " ") })
        // The 19th, where this begins with the second.
        #expect(fields[17] == "5")
      }
      await service.stop()
    }
  }

  @Test func theSoftLimitOfFilesIsRaised() async throws {
    try await TestFolder.with { folder in
      let service = try await ServeProcess(
        data: "\(folder)/data", before: "ulimit -Sn 100", ["--workers", "1"] + Self.tiny)
      for pid in [service.pid, try #require(service.router)] + service.workers.values {
        let limits = try String(contentsOfFile: "/proc/\(pid)/limits", encoding: .utf8)
        let words = try #require(limits.firstMatch(of: /Max open files +(\d+) +(\d+)/))
        #expect(Int(words.1) == min(Int(words.2) ?? 0, 1 << 20))
      }
      await service.stop()
    }
  }

  @Test(arguments: [
    ("tcp://127.0.0.1:99999", "the port of tcp://127.0.0.1:99999 is not 1 to 65535"),
    ("tcp://127.0.0.1", "tcp://127.0.0.1 has no port"),
    ("7410", "7410 is no endpoint like tcp://127.0.0.1:7410"),
  ])
  func wrongEndpointsAreRefusedInWords(endpoint: String, words: String) async throws {
    for arguments in [
      ["serve", "--listen", endpoint], ["serve", "--listen-workers", endpoint],
      ["router", "--listen", endpoint], ["worker", "--router", endpoint],
    ] {
      let (status, output, errors) = try await Program.run(arguments)
      #expect(status == 2)
      #expect(output.isEmpty)
      #expect(errors.contains(words), "\(errors)")
    }
  }

  @Test func aPortThatIsTakenIsNamed() async throws {
    let taken = try await TestService.running().endpoint
    try await TestFolder.with { folder in
      let (status, output, errors) = try await Program.run([
        "serve", "--listen", taken, "--data", "\(folder)/data",
      ])
      #expect(status == 1)
      #expect(output.isEmpty)
      #expect(errors == "Error: cannot listen at \(taken): Address already in use\n")
    }
  }
}

/// A control group of its own for a service, where tests may make one.
private struct MemoryGroup {
  private static let first = "/sys/fs/cgroup/memory"
  private static let second = "/sys/fs/cgroup"
  private let path: String
  private let limitName: String

  /// Version 1, or version 2 with memory handed down.
  private static var parent: String? {
    if access("\(first)/memory.limit_in_bytes", W_OK) == 0 { return first }
    let handedDown = try? String(
      contentsOfFile: "\(second)/cgroup.subtree_control", encoding: .utf8)
    return handedDown?.contains("memory") == true && access(second, W_OK) == 0 ? second : nil
  }

  static var isAvailable: Bool { parent != nil }

  init() throws {
    let parent = try #require(Self.parent)
    path = "\(parent)/tinsmith-test-\(getpid())"
    limitName = parent == Self.first ? "memory.limit_in_bytes" : "memory.max"
    try #require(mkdir(path, 0o755) == 0)
  }

  /// The file for its processes.
  var members: String { "\(path)/cgroup.procs" }

  func limit(bytes: Int) throws {
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: "\(path)/\(limitName)"))
    try file.write(contentsOf: Data("\(bytes)".utf8))
    try file.close()
  }

  /// Its processes have ended.
  func remove() { rmdir(path) }
}
