/// A message as it travels behind its header: one body frame and its attachment frames.
package struct Payload: Sendable, Equatable {
  /// The protobuf body; may be empty.
  package var body: Bytes
  /// Raw little-endian tensor data, in the order of the indices that the body uses.
  package var attachments: [Bytes]

  /// A payload from its frames.
  package init(body: Bytes = .empty, attachments: [Bytes] = []) {
    self.body = body
    self.attachments = attachments
  }

  /// Bytes in all frames together.
  package var byteCount: Int { attachments.reduce(body.count) { $0 + $1.count } }

  /// A payload with no body and no attachments.
  package static let empty = Payload()
}
