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

/// Changes of a header that was let in, field by field: nothing is decoded a second time, so
/// nothing of it can be refused a second time.
package enum HeaderEdit {
  /// The number of the stream's name in a `RequestHeader`.
  package static let requestStream: UInt32 = 3
  /// The number of the stream's name in a `ResponseHeader`.
  package static let responseStream: UInt32 = 1

  /// A header with another text in one of its fields.
  /// - Parameter text: empty to leave the field out.
  package static func replacing(
    _ field: UInt32, with text: String, in frame: UnsafeRawBufferPointer
  ) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(frame.count + text.utf8.count + 4)
    var reader = FieldReader(frame)
    var start = 0
    // Whoever let the header in has been through all its fields, so this ends at its end.
    while let tag = try? reader.nextTag(), (try? reader.skip(UInt8(tag & 7))) != nil {
      if tag >> 3 != field { result += frame[start..<reader.offset] }
      start = reader.offset
    }
    guard !text.isEmpty else { return result }
    var writer = FieldWriter(reserving: text.utf8.count + 8)
    writer.put(field, text: text)
    return result + writer.bytes
  }
}
