import Engine
import Foundation
import RPC
import TestSupport
import Testing
import Wire

@testable import Trainer

/// Dividing a worker's memory, and keeping account of it.
@Suite struct MemoryTests {
  // MARK: The plan

  private static let gigabyte = 1 << 30

  /// Figures like those of a model of 0.6 billion parameters, and of the embedded one.
  private func bases() throws(EngineError) -> [MemoryPlan.Base] {
    let config = try ModelConfig(path: "\(ServedModels.miniFolder)/config.json")
    return [
      MemoryPlan.Base(
        name: "large", bytes: 1_213_000_000, cache: config.cacheGeometry, maxPositions: 40_960,
        leastWorkspace: 150 << 20),
      MemoryPlan.Base(
        name: "small", bytes: 12 << 20, cache: config.cacheGeometry, maxPositions: 4096,
        leastWorkspace: 10 << 20),
    ]
  }

  @Test(arguments: [2, 4, 8, 16, 64, 512], [nil, 256 << 20, 1 << 30])
  func partsAddUp(gigabytes: Int, cache: Int?) throws {
    let limit = gigabytes * Self.gigabyte
    let options = MemoryOptions(memoryBytes: limit, kvCacheBytes: cache)
    guard let plan = try? MemoryPlan(options, bases: bases()) else {
      #expect(gigabytes == 2 && (cache ?? 0) > 256 << 20)
      return
    }
    let parts =
      MemoryPlan.processBytes + plan.bases + plan.workspace + plan.requests + plan.adapters
    let caches = plan.kvCacheBytes
    #expect(parts + caches <= limit && parts + caches > limit - (1 << 20))
    for part in [plan.workspace, plan.requests, plan.adapters, caches] { #expect(part > 0) }
    if let cache { #expect(caches <= cache && caches > cache - (1 << 20)) }
    // Both models get the same number of positions, and no longer sequences than they know.
    #expect(plan.kvCache["large"] == plan.kvCache["small"])
    #expect(plan.contextLengths["small"] == 4096)
    let pages = (plan.kvCache["large"] ?? 0) / (try bases()[0].cache.pageBytes)
    #expect(plan.contextLengths["large"] == min(40_960, pages * 32))
  }

  @Test func tooLittleIsRefusedWithFigures() throws {
    for bytes in [0, 1 << 20, Self.gigabyte, Self.gigabyte * 3 / 2] {
      let error = #expect(throws: EngineError.self) {
        try MemoryPlan(MemoryOptions(memoryBytes: bytes), bases: bases())
      }
      #expect(error?.code == .resourceExhausted)
      // Of the base models.
      #expect(error?.message.contains("1.1 GiB") == true)
    }
    let error = #expect(throws: EngineError.self) {
      try MemoryPlan(
        MemoryOptions(memoryBytes: 8 * Self.gigabyte, kvCacheBytes: 7 * Self.gigabyte),
        bases: bases())
    }
    #expect(error?.message.contains("7.0 GiB") == true)
  }

  /// What a refusal asks for is enough, and less would not be; whatever is too little.
  @Test(arguments: [1, 1 << 20, gigabyte, 3 * gigabyte / 2], [nil, 1 << 30, 4 << 30])
  func theLeastThatIsNamedIsEnough(bytes: Int, cache: Int?) throws {
    func problem(_ mebibytes: Int) throws -> String? {
      do throws(EngineError) {
        let options = MemoryOptions(memoryBytes: mebibytes << 20, kvCacheBytes: cache)
        _ = try MemoryPlan(options, bases: try bases())
        return nil
      } catch {
        return error.message
      }
    }
    let words = try #require(try problem(bytes >> 20)).split(separator: " ")
    let place = try #require(words.firstIndex(of: "least"))
    #expect(words[place + 1].last == "M")
    let named = try #require(Int(words[place + 1].dropLast()))
    #expect(try problem(named) == nil)
    #expect(try problem(named - 1) != nil)
  }

  /// The same of a cache that is too small for one step.
  @Test func theLeastCacheThatIsNamedIsEnough() throws {
    let memory = 8 * Self.gigabyte
    let error = #expect(throws: EngineError.self) {
      try MemoryPlan(MemoryOptions(memoryBytes: memory, kvCacheBytes: 1 << 10), bases: bases())
    }
    let message = try #require(error?.message)
    #expect(message.contains("--kv-cache of 1.0 KiB") && !message.contains("page"))
    let words = message.split(separator: " ")
    let place = try #require(words.firstIndex(of: "least"))
    let named = try #require(Int(words[place + 1].dropLast()))
    _ = try MemoryPlan(
      MemoryOptions(memoryBytes: memory, kvCacheBytes: named << 20), bases: bases())
  }

  @Test func theDefaultIsAPartOfTheMachine() {
    let one = MemoryOptions().resolved().memoryBytes ?? 0
    let four = MemoryOptions().resolved(workers: 4).memoryBytes ?? 0
    #expect(one > 0 && one <= MemoryOptions.availableBytes())
    #expect(abs(one - 4 * four) < 8)
    #expect(MemoryOptions(memoryBytes: 5).resolved(workers: 3).memoryBytes == 5)
  }

  /// The router, which has no weights, says of the models what the workers say.
  @Test func capabilitiesAreWhatCanBeSampled() throws {
    let models = ServedModels()
    let small = MemoryOptions(memoryBytes: 1 << 30, kvCacheBytes: 8 << 20)
    let plan = try models.memoryPlan(small)
    let said = try models.capabilities(version: "1", memory: small).models
    #expect(said.map(\.maxContextLength) == [plan.contextLengths[ServedModels.miniName]])
    #expect(said[0].maxContextLength < 4096 && said[0].maxContextLength > 1000)
    let large = MemoryOptions(memoryBytes: 2 << 30)
    #expect(try models.capabilities(version: "1", memory: large).models[0].maxContextLength == 4096)
  }

  /// Weights that the index does not name, and files that are not the model's, take no memory.
  @Test func theMemoryOfWeightsIsThatOfTheModelsTensors() throws {
    let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../EngineTests/Fixtures/models/llama").standardized.path
    let mini = ServedModels().weightBytes
    let config = try ModelConfig(path: "\(golden)/config.json")
    let expected = mini + 4 * config.parameterCount
    #expect(ServedModels(bases: ["x": golden]).weightBytes == expected)
    let folder = try TemporaryFolder()
    for name in try FileManager.default.contentsOfDirectory(atPath: golden) {
      try FileManager.default.copyItem(
        atPath: "\(golden)/\(name)", toPath: "\(folder.path)/\(name)")
    }
    for name in ["consolidated.safetensors", "model-00003-of-00003.safetensors"] {
      try Data(count: 1 << 20).write(to: URL(fileURLWithPath: "\(folder.path)/\(name)"))
    }
    #expect(ServedModels(bases: ["x": folder.path]).weightBytes == expected)
    // What cannot be read is not served.
    try FileManager.default.removeItem(atPath: "\(folder.path)/model-00001-of-00002.safetensors")
    #expect(ServedModels(bases: ["x": folder.path]).weightBytes == mini)
  }

  // MARK: The ledger

  @Test func allOrNothing() throws {
    var ledger = MemoryLedger(limits: [.adapters: 100, .training: 10])
    try ledger.reserve(60, .adapters)
    let shortage = #expect(throws: MemoryShortage.self) { try ledger.reserve(41, .adapters) }
    #expect(shortage == MemoryShortage(kind: .adapters, needed: 41, free: 40, limit: 100))
    #expect(shortage?.isForGood == false)
    #expect(ledger.used(.adapters) == 60 && ledger.free(.training) == 10)
    try ledger.reserve(40, .adapters)
    #expect(ledger.free(.adapters) == 0)
    ledger.release(60, .adapters)
    try ledger.reserve(60, .adapters)
    for bytes in [101, Int.max, -1] {
      let error = #expect(throws: MemoryShortage.self) { try ledger.reserve(bytes, .adapters) }
      #expect(error?.isForGood == true)
    }
    #expect(throws: MemoryShortage.self) { try ledger.reserve(1, .sampling) }
  }

  /// Nobody sends again for ever what can never be had.
  @Test func codesSayWhetherToComeAgain() {
    let now = RPCError(MemoryShortage(kind: .adapters, needed: 5, free: 4, limit: 9), "the adapter")
    #expect(now.code == .resourceExhausted && now.retryAfterMilliseconds > 0)
    #expect(
      now.message
        == "the adapter needs 5 bytes of memory; this worker has 9 bytes for adapters, of "
        + "which 4 bytes are free")
    let never = RPCError(
      MemoryShortage(kind: .adapters, needed: 2 << 20, free: 4, limit: 1 << 20), "the adapter")
    #expect(never.code == .failedPrecondition && never.code.consumesSeq)
    #expect(never.message.contains("2.0 MiB") && never.message.contains("1.0 MiB"))
  }

  private func account() throws -> MemoryAccount {
    MemoryAccount(try MemoryPlan(MemoryOptions(memoryBytes: 4 << 30), bases: bases()))
  }

  @Test func chargesEndWithTheirOwners() throws {
    let account = try account()
    let limit = account.limit(.adapters)
    do {
      let charge = try account.reserve(limit, .adapters)
      #expect(throws: MemoryShortage.self) { _ = try account.reserve(1, .adapters) }
      let figures = account.figures
      #expect(figures["memory_bytes"] == figures["memory_limit_bytes"])
      withExtendedLifetime(charge) {}
    }
    #expect(account.used(.adapters) == 0)
    let figures = account.figures
    #expect(figures["memory_bytes"] == Double((4 << 30) - limit))
    #expect(figures["memory_limit_bytes"] == 0x1p32)
  }

  /// Who waits gets what another lets go of.
  @Test func waitingEndsWhenMemoryComesBack() async throws {
    let account = try account()
    let limit = account.limit(.training)
    var charge: MemoryCharge? = try account.reserve(limit, .training)
    #expect(charge != nil)
    async let second = Task.detached { try account.waitAndReserve(limit / 2, .training) }.value
    try await Task.sleep(for: .milliseconds(20))
    charge = nil
    _ = try await second
    #expect(throws: MemoryShortage.self) {
      _ = try account.waitAndReserve(limit + 1, .training)
    }
  }

  // MARK: Predictions

  @Test func theLimitsOfWireAreThoseOfTheEngine() {
    #expect(Limits.maxTopK == GenerationRequest.maxTopK)
    #expect(Limits.maxSamples == GenerationRequest.maxSamples)
    #expect(Limits.maxLoraRank == LoRAConfig.maxRank)
  }

  /// What is wrong with names or shapes is said before anything is written out or memory is asked for.
  @Test func namesAndShapesComeFirst() throws {
    func request(_ name: String, _ shape: [Int]) throws -> ForwardBackwardRequest {
      let sparse = try Tensor(
        dtype: .float32, shape: shape, rowStarts: Array(repeating: 0, count: shape[0] + 1),
        columns: [], cells: .empty)
      var inputs = ["target_tokens": Tensor([Int64(66)]), "weights": Tensor([Float(1)])]
      inputs[name] = sparse
      return ForwardBackwardRequest(
        data: [Datum(modelInput: ModelInput(tokens: [65]), lossFnInputs: inputs)],
        lossFn: "cross_entropy")
    }
    // Could be written out to 64 TB.
    let width = 1 << 44
    for (name, shape) in [("x", [1, width]), ("weights", [1, width])] {
      let error = #expect(throws: EngineError.self) {
        try PreparedTraining.check(try request(name, shape))
      }
      #expect(error?.code == .invalidArgument && error?.field == "data[0].loss_fn_inputs[\(name)]")
    }
  }
}
