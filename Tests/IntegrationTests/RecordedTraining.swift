import Tinsmith

/// Everything that a training gave, and what it left.
struct RecordedTraining: Equatable {
  var outputs: [ForwardBackwardOutput] = []
  var norms: [Double] = []
  var files: [String: [UInt8]] = [:]

  static let steps = 400

  /// Trains with everything in flight at once: passes, steps, a save and a load in the middle, and
  /// gradients of two passes that are applied together.
  static func run(
    _ service: ServiceClient, _ training: TrainingClient, steps: Int = steps
  ) async throws -> RecordedTraining {
    var passes: [Pending<ForwardBackwardOutput>] = []
    var updates: [Pending<OptimStepOutput>] = []
    for step in 0..<steps {
      passes.append(training.forwardBackward(Batches.batch(step), loss: .crossEntropy))
      if step % 5 == 4 { continue }
      updates.append(training.optimStep(Batches.adam))
    }
    let middle = training.saveState(name: "middle")
    for step in 0..<3 {
      passes.append(training.forwardBackward(Batches.batch(step), loss: .crossEntropy))
      updates.append(training.optimStep(Batches.adam))
    }
    let path = try await middle.value()
    let load = training.loadState(path: path, optimizer: true)
    passes.append(training.forwardBackward(Batches.batch(1), loss: .crossEntropy))
    updates.append(training.optimStep(Batches.adam))
    var record = RecordedTraining()
    for pass in passes { record.outputs.append(try await pass.value()) }
    for update in updates {
      record.norms.append(try await update.value().metrics["unclipped_grad_l2:mean"] ?? .nan)
    }
    try await load.value()
    let end = try await training.saveState(name: "end").value()
    for file in try await service.exportCheckpoint(path: end).value()
    where file.name.hasSuffix(".safetensors") {
      record.files[file.name] = file.content
    }
    return record
  }

  /// What models of these seeds give when nothing happens to them.
  static func undisturbed(
    _ seeds: Range<UInt64>, steps: Int = steps
  ) async throws -> [RecordedTraining] {
    let service = try await TestService.client()
    var records: [RecordedTraining] = []
    for seed in seeds {
      let training = try await TestService.model(service, seed: seed)
      records.append(try await run(service, training, steps: steps))
    }
    await service.close()
    return records
  }

  /// As `run`, for models of several seeds at the same time.
  static func together(
    _ service: ServiceClient, _ seeds: Range<UInt64>, steps: Int = steps
  ) async throws -> [RecordedTraining] {
    try await withThrowingTaskGroup { group in
      for seed in seeds {
        group.addTask {
          let training = try await TestService.model(service, seed: seed)
          return (seed, try await run(service, training, steps: steps))
        }
      }
      var records: [UInt64: RecordedTraining] = [:]
      for try await (seed, record) in group { records[seed] = record }
      return seeds.compactMap { records[$0] }
    }
  }
}
