import Checkpoints
import Engine
import RPC
import Wire

/// Decoding of one base model: the generator, and who waits for each of its requests.
final class Decoder {
  /// Who hears of a request's tokens and of its end, and says when nobody wants it any more.
  struct Waiter {
    let context: CallContext
    /// Tokens of one step, where the client asked to see them as they come; `offset` is the number
    /// of tokens of each of these sequences before (those that are as far are told together).
    var push: ((_ pieces: [Piece], _ offset: Int) -> Void)?
    let finish: (Result<GenerationResult, RPCError>) -> Void
  }

  /// The next token of one sample.
  struct Piece {
    let sample: Int
    let token: Int32
    let logprob: Float
  }

  /// Tokens of a request that stand at one place of their samples.
  private struct Place: Hashable {
    let id: Int
    let offset: Int
  }

  private let generator: Generator
  private let statistics: WorkerStatistics
  private var waiters: [Int: Waiter] = [:]
  private var quantum = Quantum()

  init(_ generator: Generator, _ statistics: WorkerStatistics) {
    self.generator = generator
    self.statistics = statistics
  }

  var isIdle: Bool { generator.isIdle }
  var sequences: Int { generator.runningSequences }
  var waiting: Int { generator.waitingRequests }
  var contextLength: Int { generator.contextLength }
  var pages: Int { generator.cache.pageCount }
  var freePages: Int { generator.cache.freePages }
  var cachedPages: Int { generator.cachedPages }

  func add(_ request: GenerationRequest, _ waiter: Waiter) throws(EngineError) {
    waiters[try generator.add(request)] = waiter
  }

  /// Drops what is cancelled or late, then runs one pass.
  /// - Parameter isContended: training waits meanwhile.
  func step(isContended: Bool) {
    dropUnwanted()
    let start = Monotonic.microseconds()
    generator.prefillRows = min(
      quantum.rows(isContended: isContended, now: start), Generator.maximumPrefillRows)
    let events = generator.step()
    if generator.lastPrefillRows > 0 {
      quantum.ran(rows: generator.lastRows, microseconds: Monotonic.microseconds() - start)
    }
    var pushed: [Place: [Piece]] = [:]
    var tokens = 0
    for event in events {
      switch event {
      case .token(let id, let sample, let index, let token, let logprob):
        tokens += 1
        if waiters[id]?.push != nil {
          pushed[Place(id: id, offset: index), default: []].append(
            Piece(sample: sample, token: token, logprob: logprob))
        }
      case .finished, .failed: break
      }
    }
    for (place, pieces) in pushed { waiters[place.id]?.push?(pieces, place.offset) }
    statistics.add([
      ("sampled_tokens_total", tokens), ("prompt_tokens_total", generator.lastPrefillRows),
      ("decode_steps_total", 1),
    ])
    for event in events { end(event) }
  }

  private func end(_ event: GenerationEvent) {
    switch event {
    case .token: break
    case .finished(let id, let result):
      statistics.add([("cache_hit_tokens_total", result.cachedPromptTokens)])
      waiters.removeValue(forKey: id)?.finish(.success(result))
    case .failed(let id, let error):
      waiters.removeValue(forKey: id)?.finish(.failure(RPCError(error)))
    }
  }

  private func dropUnwanted() {
    for (id, waiter) in waiters {
      do {
        try Handlers.refuseIfUnwanted(waiter.context)
      } catch {
        generator.cancel(id)
        waiters[id] = nil
        waiter.finish(.failure(error))
      }
    }
  }
}
