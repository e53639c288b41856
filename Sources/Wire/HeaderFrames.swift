// Headers are coded for every message, so they can be written into memory that the caller has.

extension RequestHeader {
  /// The frame.
  package func encoded() -> [UInt8] {
    var writer = FieldWriter(reserving: 256)
    write(to: &writer)
    return writer.bytes
  }

  /// Writes the frame to the start of `memory`.
  /// - Returns: its size, nil if it does not fit.
  package func encode(into memory: UnsafeMutableRawBufferPointer) -> Int? {
    var writer = FieldWriter(memory)
    write(to: &writer)
    return writer.lentCount
  }
}

extension ResponseHeader {
  /// The frame.
  package func encoded() -> [UInt8] {
    var writer = FieldWriter(reserving: 256)
    write(to: &writer)
    return writer.bytes
  }

  /// Writes the frame to the start of `memory`.
  /// - Returns: its size, nil if it does not fit.
  package func encode(into memory: UnsafeMutableRawBufferPointer) -> Int? {
    var writer = FieldWriter(memory)
    write(to: &writer)
    return writer.lentCount
  }
}
