package import Engine
package import RPC
import Wire

extension RPCError {
  /// An error of the engine in gRPC's terms.
  ///
  /// Lack of resources becomes FAILED_PRECONDITION: RESOURCE_EXHAUSTED would make the client send
  /// the same request again, which would fail again, and it does not consume a seq. A full disk is
  /// waited for: somebody makes room, and nothing has happened until then.
  ///
  /// Whoever knows better says so with an answer as the cause.
  package init(_ error: EngineError) {
    if let answer = error.cause as? RPCError {
      self = answer
      return
    }
    let code: StatusCode =
      switch error.code {
      case .invalidArgument: .invalidArgument
      case .notFound: .notFound
      case .failedPrecondition, .resourceExhausted: .failedPrecondition
      case .diskFull: .resourceExhausted
      case .unimplemented: .unimplemented
      case .dataLoss: .dataLoss
      case .internal: .internal
      }
    self.init(
      code, error.message, field: error.field ?? "",
      retryAfterMilliseconds: error.code == .diskFull ? 1000 : 0, cause: error)
  }

  /// Any error of a handler.
  package static func from(_ error: any Error) -> RPCError {
    if let error = error as? EngineError { return RPCError(error) }
    return RPCError(wrapping: error)
  }
}
