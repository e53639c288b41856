import Engine
import RPC
import Wire

/// Decoding of one base model: the generator, and who waits for each of its requests.
final class Decoder {
  /// What happens when a request ends, and how it learns that nobody wants it any more.
  struct Waiter {
    let context: CallContext
    let finish: (Result<GenerationResult, RPCError>) -> Void
  }

  private let generator: Generator
  private var waiters: [Int: Waiter] = [:]

  init(_ generator: Generator) { self.generator = generator }

  var isIdle: Bool { generator.isIdle }

  func add(_ request: GenerationRequest, _ waiter: Waiter) throws(EngineError) {
    waiters[try generator.add(request)] = waiter
  }

  /// Drops what is cancelled or late, then runs one pass.
  func step() {
    for (id, waiter) in waiters {
      let late = waiter.context.isExpired
      guard late || waiter.context.isCancelled else { continue }
      generator.cancel(id)
      waiters[id] = nil
      waiter.finish(
        .failure(
          late
            ? RPCError(.deadlineExceeded, "the deadline passed while decoding")
            : RPCError(.cancelled, "cancelled by the client")))
    }
    for event in generator.step() {
      switch event {
      case .token: break
      case .finished(let id, let result): waiters.removeValue(forKey: id)?.finish(.success(result))
      case .failed(let id, let error):
        waiters.removeValue(forKey: id)?.finish(.failure(RPCError(error)))
      }
    }
  }
}
