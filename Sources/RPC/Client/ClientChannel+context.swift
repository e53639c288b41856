internal import ZeroMQ

extension ClientChannel {
  /// A channel with a ZeroMQ context of its own, for endpoints that other processes serve.
  package convenience init(_ configuration: ClientConfiguration) throws {
    try self.init(configuration, context: try Context())
  }
}
