import Synchronization
import Tinsmith

/// How far a training is, for whoever watches it.
final class RunProgress: Sendable {
  private struct State {
    var answers = 0
    var awaited = "the service's capabilities"
    var isFinished = false
  }

  private let state = Mutex(State())

  /// Answers so far.
  var answers: Int { state.withLock { $0.answers } }
  /// The result that is waited for.
  var awaited: String { state.withLock { $0.awaited } }
  /// Whether everything was answered.
  var isFinished: Bool { state.withLock { $0.isFinished } }

  func waits(for name: String) { state.withLock { $0.awaited = name } }
  func answered() { state.withLock { $0.answers += 1 } }
  func finish() { state.withLock { $0.isFinished = true } }
}

/// Calls in flight, whose answers are recorded in the order of the calls.
struct CallRecorder {
  private struct Call {
    let name: String
    let add: (inout RunRecord) async throws -> Void
  }

  var record = RunRecord()
  private let progress: RunProgress
  private let modelID: String
  private var calls: [Call] = []

  /// - Parameter modelID: drawn anew for each run, so it is left out of what is recorded.
  init(_ progress: RunProgress, modelID: String) {
    self.progress = progress
    self.modelID = modelID
  }

  /// Waits until at most `count` calls are in flight.
  ///
  /// - Throws: `CommandError` naming the call that failed.
  mutating func collect(leaving count: Int) async throws {
    while calls.count > count {
      let call = calls.removeFirst()
      progress.waits(for: call.name)
      do {
        try await call.add(&record)
      } catch {
        throw CommandError("\(call.name): \(error)")
      }
      progress.answered()
    }
  }

  /// Waits for an answer that is used and not recorded.
  ///
  /// - Throws: `CommandError` naming the call if it failed.
  func value<Value>(_ name: String, _ answer: Pending<Value>) async throws -> Value {
    progress.waits(for: name)
    do {
      let value = try await answer.value()
      progress.answered()
      return value
    } catch {
      throw CommandError("\(name): \(error)")
    }
  }

  mutating func add(_ name: String, _ pass: Pending<ForwardBackwardOutput>) {
    calls.append(
      Call(name: name) { record in
        let output = try await pass.value()
        Self.add(name, output.metrics, to: &record)
        for (index, tensors) in output.lossFnOutputs.enumerated() {
          for (key, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
            let part = "\(name), datum \(index), \(key)"
            switch tensor.values {
            case .float32(let numbers): record.add(part, numbers)
            case .int64(let numbers): record.add(part, numbers)
            case .int32(let numbers): record.add(part, numbers)
            }
          }
        }
      })
  }

  mutating func add(_ name: String, _ update: Pending<OptimStepOutput>) {
    calls.append(
      Call(name: name) { record in
        Self.add(name, try await update.value().metrics, to: &record)
      })
  }

  mutating func add(_ name: String, _ response: Pending<SampleResponse>) {
    calls.append(
      Call(name: name) { record in
        for (index, sequence) in try await response.value().sequences.enumerated() {
          record.add("\(name), sequence \(index), tokens", sequence.tokens)
          record.add("\(name), sequence \(index), logprobs", sequence.logprobs)
          record.add(
            "\(name), sequence \(index), model logprobs", sequence.modelLogprobs ?? [])
          record.add("\(name), sequence \(index), stop", text: "\(sequence.stopReason)")
        }
      })
  }

  mutating func add(_ name: String, _ logprobs: Pending<[Float?]>) {
    calls.append(
      Call(name: name) { record in
        record.add(name, try await logprobs.value().map { $0 ?? .nan })
      })
  }

  mutating func add(_ name: String, _ path: Pending<String>) {
    let modelID = modelID
    calls.append(
      Call(name: name) { record in
        record.add(name, text: try await path.value().replacing(modelID, with: "MODEL"))
      })
  }

  mutating func add(_ name: String, _ done: Pending<Void>) {
    calls.append(
      Call(name: name) { record in
        try await done.value()
        record.add(name, text: "done")
      })
  }

  mutating func add(_ name: String, _ info: Pending<ModelInfo>) {
    calls.append(
      Call(name: name) { record in
        record.add("\(name), step", [try await info.value().step])
      })
  }

  private static func add(
    _ name: String, _ metrics: [String: Double], to record: inout RunRecord
  ) {
    for (key, value) in metrics.sorted(by: { $0.key < $1.key }) {
      record.add("\(name), \(key)", value)
    }
  }
}
