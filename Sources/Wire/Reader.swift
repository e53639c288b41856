internal import CProto

/// Turns unpacked structs into values. One per message; it hands out the attachments.
final class Reader {
  private let arena: Arena
  private let attachments: [Bytes]
  private var isUsed: [Bool]
  /// Elements that sparse tensors may still have.
  private var denseElements: Int

  init(arena: Arena, attachments: [Bytes], denseElements: Int) {
    self.denseElements = denseElements
    self.arena = arena
    self.attachments = attachments
    isUsed = [Bool](repeating: false, count: attachments.count)
  }

  /// Checks that every attachment was named.
  func finish() throws(WireError) {
    guard let unused = isUsed.firstIndex(of: false) else { return }
    throw WireError(.badAttachment, "attachment \(unused) is not named by the message")
  }

  /// Counts the elements that a sparse tensor is written out to, before it is: a message of few bytes
  /// must not take much memory, whatever its parts.
  func takeDense(_ count: Int) throws(WireError) {
    guard count <= denseElements else {
      throw WireError(
        .tooLarge,
        "\(count) elements written out, while \(denseElements) are left to the sparse tensors of a "
          + "message of this size", field: "shape")
    }
    denseElements -= count
  }

  /// The attachment at an index, which nothing else may name.
  func attachment(_ index: UInt32) throws(WireError) -> Bytes {
    guard index < attachments.count else {
      throw WireError(
        .badAttachment, "attachment \(index) of \(attachments.count) does not exist")
    }
    guard !isUsed[Int(index)] else {
      throw WireError(.badAttachment, "attachment \(index) is named twice")
    }
    isUsed[Int(index)] = true
    return attachments[Int(index)]
  }

  /// Bytes that stay where protobuf-c unpacked them; they keep the arena alive.
  func bytes(_ data: ProtobufCBinaryData) -> Bytes {
    guard data.len > 0, let start = data.data else { return .empty }
    return Bytes(owner: arena, pointer: start, count: data.len)
  }

  /// A text field, whose bytes `Scan` has checked.
  func text(_ start: UnsafePointer<CChar>?) -> String {
    start.map { String(cString: $0) } ?? ""
  }

  /// A list of texts.
  func texts(
    _ start: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ count: Int, _ name: String,
    limit: Int = Limits.maxListItems
  ) throws(WireError) -> [String] {
    try Self.check(count, name, limit)
    return UnsafeBufferPointer(start: start, count: count).map { text($0) }
  }

  /// A submessage, or nil if it is absent.
  func optional<Value: Coded>(
    _ pointer: UnsafeMutablePointer<Value.C>?, _ name: String
  ) throws(WireError) -> Value? {
    guard let pointer else { return nil }
    do { return try Value(pointer.pointee, self) } catch { throw error.inside(name) }
  }

  /// A submessage that must be present.
  func required<Value: Coded>(
    _ pointer: UnsafeMutablePointer<Value.C>?, _ name: String
  ) throws(WireError) -> Value {
    guard let value: Value = try optional(pointer, name) else {
      throw WireError(.missing, "must be present", field: name)
    }
    return value
  }

  /// A list of submessages.
  func list<Value: Coded>(
    _ start: UnsafeMutablePointer<UnsafeMutablePointer<Value.C>?>?, _ count: Int, _ name: String,
    limit: Int = Limits.maxListItems
  ) throws(WireError) -> [Value] {
    try Self.check(count, name, limit)
    var values: [Value] = []
    values.reserveCapacity(count)
    for (index, pointer) in UnsafeBufferPointer(start: start, count: count).enumerated() {
      guard let pointer else { continue }
      do {
        values.append(try Value(pointer.pointee, self))
      } catch {
        throw error.inside("\(name)[\(index)]")
      }
    }
    return values
  }

  /// A list of pairs with unique keys, as a dictionary.
  func pairs<Entry, Value>(
    _ start: UnsafeMutablePointer<UnsafeMutablePointer<Entry>?>?, _ count: Int, _ name: String,
    limit: Int = Limits.maxPairs,
    _ split: (Entry) throws(WireError) -> (key: String, value: Value)
  ) throws(WireError) -> [String: Value] {
    try Self.check(count, name, limit)
    var result: [String: Value] = [:]
    result.reserveCapacity(count)
    for pointer in UnsafeBufferPointer(start: start, count: count) {
      guard let pointer else { continue }
      do throws(WireError) {
        let (key, value) = try split(pointer.pointee)
        guard result.updateValue(value, forKey: key) == nil else {
          throw WireError(.duplicateKey, "the key occurs twice", field: "[\(key)]")
        }
      } catch {
        throw error.inside(name)
      }
    }
    return result
  }

  private static func check(_ count: Int, _ name: String, _ limit: Int) throws(WireError) {
    guard count <= limit else {
      throw WireError(.tooLarge, "\(count) items, at most \(limit) allowed", field: name)
    }
  }
}
