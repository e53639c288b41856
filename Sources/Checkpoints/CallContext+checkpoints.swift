package import RPC
import Wire

extension CallContext {
  /// The model id of checkpoints that a request makes itself: it follows from the request's key, so
  /// that the same request names the same checkpoint.
  ///
  /// - Throws: INVALID_ARGUMENT on another stream than that of the session's checkpoints, on which
  ///   seqs are counted together.
  package func checkpointModel(_ verb: String) throws(RPCError) -> String {
    guard stream == "\(session):checkpoints" else {
      throw RPCError(
        .invalidArgument, "\(method.fullName) belongs into the stream \(session):checkpoints",
        field: "stream")
    }
    return "\(session):\(verb):\(seq)"
  }
}
