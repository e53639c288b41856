import Foundation
import FoundationNetworking
import Glibc
import Testing
import Tinsmith

/// Workers that die, a router that dies, a supervisor that dies, workers that join.
@Suite(.serialized, .timeLimit(.minutes(30))) struct SupervisionTests {
  private static let tiny = [
    "--threads", "1", "--base", "\(TestService.tiny)=\(Program.fixture("qwen3"))",
  ]

  private static func numbers(_ service: ServeProcess) async throws -> [String: Double] {
    let client = ServiceClient(endpoint: service.endpoint, timeout: .seconds(20))
    let result = try await client.stats().value()
    await client.close()
    return result
  }

  private static func isRunning(_ pid: pid_t) -> Bool { kill(pid, 0) == 0 }

  @Test func aWorkerThatDiesIsStartedAgainUnderItsName() async throws {
    try await TestFolder.with { folder in
      let service = try await ServeProcess(
        data: "\(folder)/data", log: "\(folder)/log", ["--workers", "2"] + Self.tiny)
      let first = service.workers
      #expect(Set(first.keys) == ["worker-0", "worker-1"])
      var victim = try #require(first["worker-0"])
      for (signal, words) in [
        (SIGABRT, "worker-0 was ended by SIGABRT; it is started again at once"),
        (SIGSEGV, "worker-0 was ended by SIGSEGV; it is started again in 0.5 seconds"),
        (SIGKILL, "worker-0 was ended by SIGKILL; it is started again"),
      ] {
        #expect(kill(victim, signal) == 0)
        try await eventually("another worker-0") {
          service.workers["worker-0"].map { $0 != victim } ?? false
        }
        #expect(service.words.contains(words), "\(service.words)")
        victim = try #require(service.workers["worker-0"])
      }
      #expect(service.workers["worker-1"] == first["worker-1"])
      // The new one has registered, and serves.
      try await eventually("both workers") {
        try await Self.numbers(service)["router.workers"] == 2
      }
      let client = ServiceClient(endpoint: service.endpoint, timeout: .seconds(60))
      for _ in 0..<4 {
        let sampler = try await client.createSamplingClient(baseModel: TestService.tiny).value()
        let answer = try await sampler.sample([1, 2, 3], params: SamplingParams(maxTokens: 2))
          .value()
        #expect(answer.sequences.count == 1)
      }
      await client.close()
      await service.stop()
      #expect(!service.workers.values.contains { Self.isRunning($0) })
    }
  }

  @Test func aKilledSupervisorLeavesNothingBehind() async throws {
    try await TestFolder.with { folder in
      let service = try await ServeProcess(
        data: "\(folder)/data", log: "\(folder)/log", ["--workers", "2"] + Self.tiny)
      let client = ServiceClient(endpoint: service.endpoint, patience: .seconds(1))
      // Work for minutes, on each worker.
      var busy: [TrainingClient] = []
      for _ in 0..<2 {
        let model = try await client.createLoRATrainingClient(
          baseModel: "tinsmith/mini", rank: 8
        ).value()
        let datum = Datum(
          prompt: [Int32](repeating: 7, count: 1000), completion: [Int32](repeating: 9, count: 1000)
        )
        _ = model.forwardBackward([Datum](repeating: datum, count: 64), loss: .crossEntropy)
        busy.append(model)
      }
      try await eventually("busy workers") {
        try await Self.numbers(service)["router.in_flight"] ?? 0 >= 2
      }
      let workers = service.workers
      let processes = Array(workers.values) + [try #require(service.router)]
      #expect(processes.count == 3)
      // One cannot even read that it is alone.
      let stopped = try #require(workers["worker-1"])
      kill(stopped, SIGSTOP)
      // The kernel ends what is stopped when its supervisor goes, not what will be.
      try await eventually("the worker has stopped") { isStoppedProcess(stopped) }
      let sockets = try FileManager.default.destinationOfSymbolicLink(
        atPath: "\(service.data)/sockets")
      service.signal(SIGKILL)
      await service.ended()
      try await eventually(within: .seconds(5), "no orphans") {
        !processes.contains { Self.isRunning($0) }
      }
      #expect(FileManager.default.fileExists(atPath: sockets))

      let next = try await ServeProcess(
        data: service.data, log: "\(folder)/log", ["--workers", "1"] + Self.tiny)
      #expect(!FileManager.default.fileExists(atPath: sockets))
      let others = try FileManager.default.destinationOfSymbolicLink(atPath: "\(next.data)/sockets")
      await next.stop()
      #expect(!FileManager.default.fileExists(atPath: others))
      withExtendedLifetime(busy) {}
      await client.close()
    }
  }

  @Test func workersOfOtherHostsJoinAndLeave() async throws {
    try await TestFolder.with { folder in
      let service = try await ServeProcess(
        data: "\(folder)/data", log: "\(folder)/log",
        ["--workers", "1", "--listen-workers", "tcp://127.0.0.1:*"] + Self.tiny)
      let words = try #require(service.words.firstMatch(of: /--router (tcp:[^ \n]+)/))
      let process = Process()
      process.executableURL = Program.url
      process.arguments =
        ["worker", "--router", String(words.1), "--name", "far.away-1", "--data", service.data]
        + Self.tiny
      process.standardInput = FileHandle.nullDevice
      process.standardOutput = FileHandle.nullDevice
      try process.run()
      defer { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }
      try await eventually("the worker of another host") {
        try await Self.numbers(service)["worker.far.away-1.streams"] != nil
      }
      // Half of the models are placed there.
      let client = ServiceClient(endpoint: service.endpoint, timeout: .seconds(60))
      for seed in 0..<2 { _ = try await TestService.model(client, seed: UInt64(seed)) }
      try await eventually("a model there") {
        try await Self.numbers(service)["worker.far.away-1.streams"] == 1
      }
      // A router that is started anew listens where the first one did.
      kill(try #require(service.router), SIGKILL)
      try await eventually("the worker of another host, again") {
        let numbers = try await Self.numbers(service)
        return numbers["worker.far.away-1.streams"] == 1 && numbers["router.workers"] == 2
      }
      process.terminate()
      try await eventually("its leaving") {
        try await Self.numbers(service)["worker.far.away-1.streams"] == nil
      }
      await client.close()
      await service.stop()
    }
  }

  @Test func metricsAreServed() async throws {
    try await TestFolder.with { folder in
      let service = try await ServeProcess(
        data: "\(folder)/data", log: "\(folder)/log",
        ["--workers", "1", "--metrics", "0"] + Self.tiny)
      let words = try #require(service.words.firstMatch(of: /metrics are at (http:[^ \n]+)/))
      let url = try #require(URL(string: String(words.1)))
      for _ in 0..<2 {
        try await eventually("the worker's numbers") {
          guard let data = try? await URLSession.shared.data(from: url).0 else { return false }
          let page = String(decoding: data, as: UTF8.self)
          return page.contains("tinsmith_worker_requests{worker=\"worker-0\"} ")
            && page.contains("\ntinsmith_router_workers 1\n")
        }
        // The next router serves them at the same place.
        kill(try #require(service.router), SIGKILL)
      }
      await service.stop()
    }
  }

  @Test func topShowsWorkers() async throws {
    let endpoint = try await TestService.running().endpoint
    let (status, output, errors) = try await Program.run([
      "top", "--endpoint", endpoint, "--once", "--interval", "0.2",
    ])
    #expect(status == 0, "\(errors)")
    #expect(output.contains("WORKER") && output.contains("worker-1"))
    #expect(!output.contains("\u{1B}"))
    let look = try await Program.run([
      "top", "--endpoint", endpoint, "--once", "--interval", "0.2", "--json",
    ])
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(look.output.utf8)) as? [String: Any])
    let values = try #require(object["values"] as? [String: Double])
    #expect(values["router.workers"] == 2)
    #expect((object["rates"] as? [String: Double])?["router.requests_total"] != nil)
  }
}
