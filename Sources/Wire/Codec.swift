/// A message kind: a plain Swift value that travels as a `Payload`.
package protocol WireMessage: Sendable {
  /// Reads and validates an untrusted payload.
  ///
  /// - Throws: `WireError` naming the field; never traps whatever the bytes are.
  static func decode(_ payload: Payload) throws(WireError) -> Self

  /// The frames of this message. Tensors of more than `inlineLimit` bytes become attachments.
  func encode(inlineLimit: Int) -> Payload
}

extension WireMessage {
  /// The frames of this message, tensors over 1 KiB as attachments.
  package func encode() -> Payload { encode(inlineLimit: 1024) }
}
