/// Every limit of the wire, in one place. Decoders enforce them; over a limit a message is refused
/// with INVALID_ARGUMENT and the field's path. `Proto/README.md` repeats them for other clients.
package enum Limits {
  // MARK: Frames

  /// Bytes of a header frame.
  package static let maxHeaderBytes = 16 << 10
  /// Bytes of one body or attachment frame.
  package static let maxFrameBytes = 256 << 20
  /// Bytes of all frames of one message together.
  package static let maxMessageTotalBytes = 512 << 20
  /// Attachments of one message.
  package static let maxAttachments = 16 << 10

  // MARK: Header texts

  /// UTF-8 bytes of a stream's name.
  package static let maxStreamBytes = 256
  /// UTF-8 bytes of the client's name.
  package static let maxClientNameBytes = 128
  /// UTF-8 bytes of a session token.
  package static let maxTokenBytes = 1024
  /// UTF-8 bytes of a status message or a field path.
  package static let maxMessageBytes = 4096
}
