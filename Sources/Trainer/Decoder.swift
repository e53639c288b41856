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
    /// of tokens of each of these sequences before.
    var push: ((_ pieces: [Piece], _ offset: Int) -> Void)?
    let finish: (Result<GenerationResult, RPCError>) -> Void
  }

  /// The next token of one sample.
  struct Piece {
    let sample: Int
    let token: Int32
    let logprob: Float
  }

  private struct Stream {
    let waiter: Waiter
    /// Tokens pushed so far of each sample.
    var offset = 0
  }

  private let generator: Generator
  private let statistics: WorkerStatistics
  private var streams: [Int: Stream] = [:]
  private var quantum = Quantum()

  init(_ generator: Generator, _ statistics: WorkerStatistics) {
    self.generator = generator
    self.statistics = statistics
  }

  var isIdle: Bool { generator.isIdle }
  var sequences: Int { generator.runningSequences }
  var waiting: Int { generator.waitingRequests }
  var pages: Int { generator.cache.pageCount }
  var freePages: Int { generator.cache.freePages }
  var cachedPages: Int { generator.cachedPages }

  func add(_ request: GenerationRequest, _ waiter: Waiter) throws(EngineError) {
    streams[try generator.add(request)] = Stream(waiter: waiter)
  }

  /// Drops what is cancelled or late, then runs one pass.
  /// - Parameter isContended: training waits meanwhile.
  func step(isContended: Bool) {
    dropUnwanted()
    let start = Monotonic.microseconds()
    generator.prefillRows = min(quantum.rows(isContended: isContended, now: start), 512)
    let events = generator.step()
    if generator.lastPrefillRows > 0 {
      quantum.ran(rows: generator.lastRows, microseconds: Monotonic.microseconds() - start)
    }
    var pushed: [Int: [Piece]] = [:]
    var tokens = 0
    for event in events {
      switch event {
      case .token(let id, let sample, let token, let logprob):
        tokens += 1
        if streams[id]?.waiter.push != nil {
          pushed[id, default: []].append(Piece(sample: sample, token: token, logprob: logprob))
        }
      case .finished, .failed: break
      }
    }
    for (id, pieces) in pushed {
      guard let stream = streams[id] else { continue }
      stream.waiter.push?(pieces, stream.offset)
      streams[id]?.offset += 1
    }
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
      streams.removeValue(forKey: id)?.waiter.finish(.success(result))
    case .failed(let id, let error):
      streams.removeValue(forKey: id)?.waiter.finish(.failure(RPCError(error)))
    }
  }

  private func dropUnwanted() {
    for (id, stream) in streams {
      do {
        try Handlers.refuseIfUnwanted(stream.waiter.context)
      } catch {
        generator.cancel(id)
        streams[id] = nil
        stream.waiter.finish(.failure(error))
      }
    }
  }
}
