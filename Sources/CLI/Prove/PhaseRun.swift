import Engine
import Foundation
import Tinsmith

/// Runs the reference training once, or several times at once, amid what a phase says.
struct PhaseRun: Sendable {
  /// What came of it.
  struct Outcome: Sendable {
    /// What each copy gave.
    var records: [RunRecord] = []
    /// Answers that a copy waited for.
    var answers = 0
    /// What was done to processes, in order.
    var acts: [ChaosSchedule.Act] = []
    /// What was done to messages; nil without chaos.
    var messages: Interposer.Counts?
    var duration = Duration.zero
  }

  let phase: ProvePhase
  let training: ReferenceTraining
  let bases: [BaseOption]
  /// The phase's own folder.
  let data: String
  /// A folder with a short path.
  let sockets: String
  let seed: UInt64
  /// Answers of an undisturbed training; 0 if none has run.
  let expectedAnswers: Int

  /// After so long without any answer the service is stuck.
  private static let patience = Duration.seconds(120)

  private enum Part: Sendable {
    case trained(Int, RunRecord)
    case acted([ChaosSchedule.Act])
    case other
  }

  /// - Throws: `CommandError` for a service that refuses something or gets stuck.
  func run() async throws -> Outcome {
    let tenants = try writeTenants()
    let service = try ProvedService(
      ProvedService.Settings(
        shape: phase.chaos?.shape ?? .serve, data: data, sockets: sockets, workers: phase.workers,
        threads: phase.threads, bases: bases, tenants: tenants,
        slowDisk: phase.chaos?.slowDisk ?? 0))
    let outcome = await Result.of {
      try await service.start()
      guard let chaos = phase.chaos else { return try await work(service, service.endpoint, nil) }
      let way = try Interposer(
        service: service.endpoint, fates: Fates(seed: seed, odds: chaos.odds))
      let outcome = await Result.of { try await work(service, way.endpoint, way) }
      try await way.stop()
      var result = try outcome.get()
      result.messages = way.counts
      return result
    }
    await service.stop()
    if case .failure = outcome { Terminal.complain(service.lastWords) }
    return try outcome.get()
  }

  private func work(
    _ service: ProvedService, _ endpoint: String, _ way: Interposer?
  ) async throws -> Outcome {
    let progress = (0..<phase.copies).map { _ in RunProgress() }
    let clock = ContinuousClock()
    let start = clock.now
    return try await withThrowingTaskGroup(of: Part.self) { group in
      for (index, progress) in progress.enumerated() {
        group.addTask { .trained(index, try await train(endpoint, progress)) }
      }
      for index in 0..<phase.neighbours {
        group.addTask {
          try await crowd(index, endpoint)
          return .other
        }
      }
      group.addTask {
        try await watch(service, progress)
        return .other
      }
      if let way, let chaos = phase.chaos {
        group.addTask { .acted(try await disturb(service, way, chaos, progress)) }
      }
      var records: [Int: RunRecord] = [:]
      var outcome = Outcome()
      while let part = try await group.next() {
        switch part {
        case .trained(let index, let record): records[index] = record
        case .acted(let acts): outcome.acts = acts
        case .other: break
        }
        if records.count == phase.copies, outcome.records.isEmpty {
          outcome.duration = clock.now - start
          outcome.records = records.sorted { $0.key < $1.key }.map(\.value)
          outcome.answers = progress.map(\.answers).max() ?? 0
          group.cancelAll()
        }
      }
      return outcome
    }
  }

  // MARK: Tenants

  private static let referenceKey = "reference"
  private static func key(_ index: Int) -> String { "neighbour-\(index)" }

  private func writeTenants() throws -> String {
    try DataFolder.make(data)
    let names = [Self.referenceKey] + (0..<phase.neighbours).map(Self.key)
    let file = "\(data)/tenants.json"
    let entries = names.map { ["name": $0, "key": $0] }
    try JSONEncoder().encode(entries).write(to: URL(fileURLWithPath: file))
    return file
  }

  private func train(_ endpoint: String, _ progress: RunProgress) async throws -> RunRecord {
    let service = ServiceClient(endpoint: endpoint, apiKey: Self.referenceKey)
    let outcome = await Result.of { try await training.run(service, progress) }
    progress.finish()
    await service.close()
    var run = try outcome.get()
    let folder = "\(data)/checkpoints/\(run.modelID)/weights/\(ReferenceTraining.end)"
    for name in FinalFile.allCases {
      guard let content = FileManager.default.contents(atPath: "\(folder)/\(name.file)") else {
        throw CommandError("cannot read \(folder)/\(name.file)")
      }
      run.record.add(name.rawValue, [UInt8](content))
    }
    return run.record
  }

  private func crowd(_ index: Int, _ endpoint: String) async throws {
    let service = ServiceClient(endpoint: endpoint, apiKey: Self.key(index))
    // About three of them wait for an answer at any time, however many there are.
    let neighbour = Neighbour(
      base: training.base, seed: seed &+ UInt64(index), leisure: max(0, phase.neighbours / 3 - 1))
    let outcome = await Result.of { try await neighbour.live(service) }
    await service.close()
    do {
      try outcome.get()
    } catch {
      throw CommandError("another tenant was refused: \(error)")
    }
  }

  // MARK: Watching and disturbing

  /// - Throws: if something ended that nobody killed, or nothing is answered for too long.
  private func watch(_ service: ProvedService, _ progress: [RunProgress]) async throws {
    let clock = ContinuousClock()
    var (answers, since) = (0, clock.now)
    while !Task.isCancelled {
      try? await Task.sleep(for: .milliseconds(500))
      if let accident = await service.accident { throw CommandError(accident) }
      let now = progress.reduce(0) { $0 + $1.answers }
      if now != answers { (answers, since) = (now, clock.now) }
      guard clock.now - since < Self.patience else {
        let awaited = progress.filter { !$0.isFinished }.map(\.awaited).joined(separator: ", ")
        throw CommandError("no answer for \(Self.patience): \(awaited)")
      }
    }
  }

  /// Does what the schedule says while there is work going on.
  private func disturb(
    _ service: ProvedService, _ way: Interposer, _ chaos: ProvePhase.Chaos,
    _ progress: [RunProgress]
  ) async throws -> [ChaosSchedule.Act] {
    let schedule = ChaosSchedule(
      seed: seed, shape: chaos.shape, count: chaos.acts, workers: phase.workers,
      answers: phase.copies * expectedAnswers, longPause: chaos.longPauseMilliseconds)
    var acts: [ChaosSchedule.Act] = []
    var last = 0
    for step in schedule.steps {
      // Not before the last act was got over.
      while progress.reduce(0, { $0 + $1.answers }) < max(step.answers, last + 1) {
        if Task.isCancelled { return acts }
        try? await Task.sleep(for: .milliseconds(10))
      }
      try? await Task.sleep(for: .milliseconds(step.milliseconds))
      guard !Task.isCancelled, !progress.allSatisfy(\.isFinished) else { return acts }
      if try await service.perform(step.act, way) { acts.append(step.act) }
      last = progress.reduce(0) { $0 + $1.answers }
    }
    return acts
  }
}

/// What is compared last: the files of the last state, as they lie in the service's folder.
enum FinalFile: String, CaseIterable {
  case adapter = "final adapter"
  case optimizer = "final optimizer"
  case state = "final counters"

  /// Its name in a checkpoint's folder.
  var file: String {
    switch self {
    case .adapter: AdapterFiles.weightsName
    case .optimizer: TrainingStateFiles.tensorsName
    case .state: TrainingStateFiles.stateName
    }
  }
}
