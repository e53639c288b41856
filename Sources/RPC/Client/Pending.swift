package import Wire

/// The answer to a submitted request, now or later. Nothing polls: the answer is pushed.
///
/// Dropping it does not cancel the request. Any number of tasks may wait for it; cancelling one of
/// them cancels the request.
package struct Pending<Response: WireMessage>: Sendable {
  let call: ClientCall

  /// The request's position in its stream.
  package var seq: UInt64 { call.seq }

  /// Waits for the answer.
  /// - Throws: `RPCError`.
  package func value() async throws -> Response { try await answer().response }

  /// Waits for the answer and what its header says of costs and timings.
  /// - Throws: `RPCError`.
  package func answer() async throws -> (response: Response, info: ReplyInfo) {
    switch await call.result() {
    case .failure(let error): throw error
    case .success(let answer):
      do throws(WireError) {
        return (try Response.decode(answer.payload), answer.info)
      } catch {
        throw RPCError(
          .internal, "the answer could not be decoded: \(error.reason)", field: error.field,
          cause: error)
      }
    }
  }

  /// Waits for the answer as a value.
  package func result() async -> Result<Response, RPCError> {
    do {
      return .success(try await value())
    } catch {
      return .failure(RPCError(wrapping: error))
    }
  }

  /// Asks the service to give the request up and fails the wait with CANCELLED at once. The
  /// request still takes its turn in the stream: it may have run.
  package func cancel() { call.cancel() }

  /// The pieces sent ahead (`RequestHeader.Flags.stream`), ending with the answer. Pieces may be
  /// missing; the answer holds everything. To be asked for once, right after submitting.
  package func partials() -> AsyncStream<Partial<Response>> {
    let (stream, continuation) = AsyncStream.makeStream(of: Partial<Response>.self)
    call.onPartial { payload, offset in
      guard let payload else { return continuation.finish() }
      // A piece that cannot be decoded is like one that was lost.
      guard let response = try? Response.decode(payload) else { return }
      continuation.yield(Partial(response: response, offset: offset))
    }
    return stream
  }

  /// Calls `body` once with the outcome, on the channel's I/O thread or, when the outcome is there
  /// already, at once: for those who count answers and cannot afford a task for each.
  package func whenDone(_ body: @escaping @Sendable (Result<Payload, RPCError>) -> Void) {
    call.whenDone { result in body(result.map(\.payload)) }
  }
}

/// A piece of an answer, sent ahead.
package struct Partial<Response: Sendable>: Sendable {
  package let response: Response
  /// Generated tokens of the sequence before this piece.
  package let offset: UInt64
}
