internal import CProto

/// Checks the bytes of a message against its descriptor before protobuf-c sees them.
///
/// protobuf-c accepts text that is not UTF-8, cuts it at NUL, keeps unknown enum numbers, merges
/// repeated occurrences of one submessage and says nothing about where it gave up. This walk
/// refuses all of that and names the field. It allocates only to build an error. The schema has no
/// recursive message, so its depth is bounded.
struct Scan {
  /// Refuse field numbers that this version does not know: in requests an option must never be
  /// ignored in silence. In responses they are what newer services say besides.
  let refusesUnknownFields: Bool

  /// Checks one message.
  ///
  /// - Throws: `WireError` with the path of the field.
  func check(
    _ bytes: UnsafeRawBufferPointer, _ message: UnsafePointer<ProtobufCMessageDescriptor>
  ) throws(WireError) {
    var reader = FieldReader(bytes)
    var seen: UInt64 = 0
    while let (number, wireType) = try reader.next() {
      guard let index = Self.index(of: number, in: message) else {
        if refusesUnknownFields {
          throw WireError(.unknownField, "field number \(number) is not known to this version")
        }
        try reader.skip(wireType)
        continue
      }
      let field = message.pointee.fields + index
      do {
        if field.pointee.label != PROTOBUF_C_LABEL_REPEATED {
          try Self.once(index, message, seen: seen)
          seen |= 1 << UInt64(truncatingIfNeeded: index)
        }
        try value(of: field, wireType, &reader)
      } catch {
        // Counting the occurrences before this one only now keeps the good case free of it.
        let step = Self.step(field, bytes, before: reader.offset)
        throw error.inside(step)
      }
    }
  }

  /// Index of a field number in the descriptor's table, which is sorted by number.
  private static func index(
    of number: UInt32, in message: UnsafePointer<ProtobufCMessageDescriptor>
  ) -> Int? {
    let fields = message.pointee.fields
    let count = Int(message.pointee.n_fields)
    let direct = Int(number) - 1
    if direct < count, let fields, fields[direct].id == number { return direct }
    guard let fields else { return nil }
    for index in 0..<count where fields[index].id == number { return index }
    return nil
  }

  /// A field that is not repeated occurs once, and of a oneof only one member.
  private static func once(
    _ index: Int, _ message: UnsafePointer<ProtobufCMessageDescriptor>, seen: UInt64
  ) throws(WireError) {
    guard seen != 0, let fields = message.pointee.fields else { return }
    guard seen & (1 << UInt64(truncatingIfNeeded: index)) == 0 else {
      throw WireError(.malformed, "the field occurs twice")
    }
    guard isOneof(fields[index]) else { return }
    for other in 0..<Int(message.pointee.n_fields)
    where seen & (1 << UInt64(truncatingIfNeeded: other)) != 0 && isOneof(fields[other])
      && fields[other].quantifier_offset == fields[index].quantifier_offset
    {
      throw WireError(.malformed, "given together with \(String(cString: fields[other].name))")
    }
  }

  private static func isOneof(_ field: ProtobufCFieldDescriptor) -> Bool {
    field.flags & UInt32(PROTOBUF_C_FIELD_FLAG_ONEOF.rawValue) != 0
  }

  private func value(
    of field: UnsafePointer<ProtobufCFieldDescriptor>, _ wireType: UInt8,
    _ reader: inout FieldReader
  ) throws(WireError) {
    let expected = Self.wireType(field.pointee.type)
    if wireType != expected {
      // A list of numbers may come packed or one by one.
      let isList = field.pointee.label == PROTOBUF_C_LABEL_REPEATED
      guard isList, wireType == 2 else {
        throw WireError(.malformed, "wire type \(wireType), not \(expected)")
      }
      try Self.packed(try reader.block(), expected)
      return
    }
    switch field.pointee.type {
    case PROTOBUF_C_TYPE_STRING:
      let block = try reader.block()
      guard block.count <= Limits.maxTextBytes else {
        throw WireError(
          .tooLarge, "text of \(block.count) bytes, at most \(Limits.maxTextBytes) allowed")
      }
      try FieldReader.checkText(block)
    case PROTOBUF_C_TYPE_MESSAGE:
      let block = try reader.block()
      guard let raw = field.pointee.descriptor else { return }
      try check(block, raw.assumingMemoryBound(to: ProtobufCMessageDescriptor.self))
    case PROTOBUF_C_TYPE_ENUM:
      let number = Int32(truncatingIfNeeded: try reader.varint())
      guard let raw = field.pointee.descriptor else { return }
      let known = raw.assumingMemoryBound(to: ProtobufCEnumDescriptor.self).pointee
      let values = UnsafeBufferPointer(start: known.values, count: Int(known.n_values))
      guard values.contains(where: { $0.value == number }) else {
        throw WireError(.unknownEnum, "\(number) is not a \(String(cString: known.short_name))")
      }
    default:
      try reader.skip(wireType)
    }
  }

  private static func packed(_ block: UnsafeRawBufferPointer, _ wireType: UInt8) throws(WireError) {
    switch wireType {
    case 0:
      var numbers = FieldReader(block)
      while numbers.offset < block.count { _ = try numbers.varint() }
    case 1 where block.count % 8 == 0, 5 where block.count % 4 == 0:
      break
    default:
      throw WireError(.malformed, "a packed list of \(block.count) bytes")
    }
  }

  private static func wireType(_ type: ProtobufCType) -> UInt8 {
    switch type {
    case PROTOBUF_C_TYPE_SFIXED64, PROTOBUF_C_TYPE_FIXED64, PROTOBUF_C_TYPE_DOUBLE: 1
    case PROTOBUF_C_TYPE_STRING, PROTOBUF_C_TYPE_BYTES, PROTOBUF_C_TYPE_MESSAGE: 2
    case PROTOBUF_C_TYPE_SFIXED32, PROTOBUF_C_TYPE_FIXED32, PROTOBUF_C_TYPE_FLOAT: 5
    default: 0
    }
  }

  /// `name`, or `name[index]` for a list, of the occurrence that ends at or after `end`.
  private static func step(
    _ field: UnsafePointer<ProtobufCFieldDescriptor>, _ bytes: UnsafeRawBufferPointer,
    before end: Int
  ) -> String {
    let name = String(cString: field.pointee.name)
    guard field.pointee.label == PROTOBUF_C_LABEL_REPEATED else { return name }
    var count = 0
    var reader = FieldReader(bytes)
    while reader.offset < end, let (number, wireType) = try? reader.next() {
      guard (try? reader.skip(wireType)) != nil else { break }
      if number == field.pointee.id, reader.offset < end { count += 1 }
    }
    return "\(name)[\(count)]"
  }
}
