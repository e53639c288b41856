import Engine
import Foundation
import RPC
import Synchronization
import Wire

/// A forward or forward_backward in the engine's terms.
struct PreparedTraining: Sendable {
  let loss: Engine.LossFunction
  let data: [TrainingDatum]
}

/// Turns the wire's training requests into the engine's beside the compute thread, so that computing
/// never waits for it. One at a time, in order of arrival, because a model's requests are ordered.
final class Preparation: Sendable {
  private let queue = DispatchQueue(label: "tinsmith.preparation", qos: .userInitiated)
  private let configs = Mutex<[String: ModelConfig]>([:])
  private let memory = Mutex<MemoryAccount?>(nil)

  /// The account is there once the base models are known.
  func use(_ account: MemoryAccount) { memory.withLock { $0 = account } }

  /// The model of this stream exists, and data for it can be checked.
  func open(_ stream: String, _ config: ModelConfig) { configs.withLock { $0[stream] = config } }

  func close(_ stream: String) { configs.withLock { $0[stream] = nil } }

  func endSession(_ session: String) {
    configs.withLock { $0 = $0.filter { !$0.key.hasPrefix("\(session):") } }
  }

  /// Runs `body` behind everything before it.
  func enqueue(_ body: @escaping @Sendable () -> Void) { queue.async(execute: body) }

  /// A request as far as it can be brought now: data, or what is needed to make them once the model
  /// exists (its creation may still be queued).
  ///
  /// Waits until there is memory for it: what is queued before is computed meanwhile.
  func training(_ payload: Payload, stream: String) -> PendingTraining {
    do {
      let request = try ForwardBackwardRequest.decode(payload)
      let rows = request.data.map(\.modelInput.length)
      try PreparedTraining.check(request)
      let charge = try memory.withLock(\.self)?.waitAndAdmit(
        request.footprint + payload.byteCount)
      guard let config = configs.withLock({ $0[stream] }) else {
        return PendingTraining(rows: rows, state: .request(request), charge: charge)
      }
      return PendingTraining(
        rows: rows, state: .ready(Result { try PreparedTraining(request, config) }),
        charge: charge)
    } catch {
      return PendingTraining(rows: [], state: .ready(.failure(error)))
    }
  }
}

/// A training request between arrival and computing.
struct PendingTraining: Sendable {
  enum State: Sendable {
    case request(ForwardBackwardRequest)
    case ready(Result<PreparedTraining, any Error>)
  }

  /// Tokens of each datum.
  let rows: [Int]
  let state: State
  /// Its memory.
  var charge: MemoryCharge?

  /// Whether it is known that it cannot be run.
  var isRefused: Bool {
    if case .ready(.failure) = state { true } else { rows.isEmpty }
  }

  func prepared(_ config: ModelConfig) throws -> PreparedTraining {
    switch state {
    case .ready(let result): try result.get()
    case .request(let request): try PreparedTraining(request, config)
    }
  }
}

extension PreparedTraining {
  /// Checks names and shapes: nothing is written out for a request that is refused.
  /// - Throws: INVALID_ARGUMENT naming the field.
  static func check(_ request: ForwardBackwardRequest) throws {
    let loss = try Engine.LossFunction(request)
    for (i, datum) in request.data.enumerated() {
      try TrainingDatum.check(
        shapes: datum.lossFnInputs.mapValues(\.shape), tokens: datum.modelInput.length,
        loss: loss, field: "data[\(i)]")
    }
  }

  /// - Throws: INVALID_ARGUMENT naming the field.
  init(_ request: ForwardBackwardRequest, _ config: ModelConfig) throws {
    try Self.check(request)
    let loss = try Engine.LossFunction(request)
    var data: [TrainingDatum] = []
    data.reserveCapacity(request.data.count)
    for (i, datum) in request.data.enumerated() {
      data.append(
        try TrainingDatum(
          tokens: datum.modelInput.tokens, inputs: datum.lossInputs(field: "data[\(i)]"),
          loss: loss, config: config, field: "data[\(i)]"))
    }
    self.init(loss: loss, data: data)
  }

  /// The engine's result as an answer.
  func response(_ result: TrainingResult) -> ForwardBackwardResponse {
    let outputs = zip(result.logprobs, data).map { values, datum in
      let flat = Tensor(values)
      return ["logprobs": flat.reshaped(datum.targetShape) ?? flat]
    }
    return ForwardBackwardResponse(lossFnOutputs: outputs, metrics: result.metrics)
  }
}

extension Engine.LossFunction {
  fileprivate init(_ request: ForwardBackwardRequest) throws(EngineError) {
    var config: [String: Double] = [:]
    for (key, option) in request.lossFnConfig {
      guard case .number(let value) = option else {
        throw EngineError(
          .invalidArgument, "must be a number", field: "loss_fn_config[\(key)]")
      }
      guard Float(value).isFinite else {
        throw EngineError(
          .invalidArgument, "must be a number that float32 can hold, not \(value)",
          field: "loss_fn_config[\(key)]")
      }
      config[key] = value
    }
    try self.init(name: request.lossFn, config: config)
  }
}

extension Wire.Datum {
  fileprivate func lossInputs(field: String) throws -> [String: LossInput] {
    var inputs: [String: LossInput] = [:]
    for (name, tensor) in lossFnInputs {
      do {
        let values: LossInput.Values =
          switch tensor.dtype {
          case .float32, .bfloat16: .floats(try tensor.floats())
          case .int32, .int64: .integers(try tensor.int64s())
          }
        inputs[name] = LossInput(shape: tensor.shape, values: values)
      } catch {
        throw RPCError(
          .invalidArgument, error.reason, field: "\(field).loss_fn_inputs[\(name)]", cause: error)
      }
    }
    return inputs
  }
}
