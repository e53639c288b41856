internal import CProto

/// Builds the struct tree of one message in an arena and collects its attachments.
final class Writer {
  private let arena: Arena
  private let inlineLimit: Int
  private(set) var attachments: [Bytes] = []

  init(arena: Arena, inlineLimit: Int = 0) {
    self.arena = arena
    self.inlineLimit = inlineLimit
  }

  /// An initialised struct.
  func initialised<Value: Coded>(_ kind: Value.Type) -> UnsafeMutablePointer<Value.C>? {
    let pointer = arena.allocate(MemoryLayout<Value.C>.size)?
      .bindMemory(to: Value.C.self, capacity: 1)
    Value.initialise(pointer)
    return pointer
  }

  /// A value's filled struct.
  func message<Value: Coded>(_ value: Value) -> UnsafeMutablePointer<Value.C>? {
    guard let pointer = initialised(Value.self) else { return nil }
    value.fill(&pointer.pointee, self)
    return pointer
  }

  /// A value's filled struct, or nil for none.
  func message<Value: Coded>(_ value: Value?) -> UnsafeMutablePointer<Value.C>? {
    value.flatMap { message($0) }
  }

  /// Text up to its first NUL.
  func text(_ text: String) -> UnsafeMutablePointer<CChar>? {
    var text = text
    return text.withUTF8 { utf8 in
      let end = utf8.firstIndex(of: 0) ?? utf8.count
      guard let copy = arena.allocate(end + 1) else { return nil }
      UnsafeMutableRawBufferPointer(start: copy, count: end)
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(utf8)[..<end]))
      copy.storeBytes(of: 0, toByteOffset: end, as: UInt8.self)
      return copy.bindMemory(to: CChar.self, capacity: end + 1)
    }
  }

  /// Bytes copied into the arena.
  func data(_ bytes: Bytes) -> ProtobufCBinaryData {
    guard bytes.count > 0, let copy = arena.allocate(bytes.count) else {
      return ProtobufCBinaryData(len: 0, data: nil)
    }
    bytes.withUnsafeBytes { source in
      UnsafeMutableRawBufferPointer(start: copy, count: bytes.count).copyMemory(from: source)
    }
    return ProtobufCBinaryData(
      len: bytes.count, data: copy.bindMemory(to: UInt8.self, capacity: bytes.count))
  }

  /// The index of a new attachment if the bytes are too many to travel inline.
  func attach(_ bytes: Bytes) -> UInt32? {
    guard bytes.count > inlineLimit, attachments.count < Limits.maxAttachments else { return nil }
    attachments.append(bytes)
    return UInt32(attachments.count - 1)
  }

  /// A list of submessages.
  func list<Value: Coded>(
    _ values: [Value], _ count: inout Int,
    _ start: inout UnsafeMutablePointer<UnsafeMutablePointer<Value.C>?>?
  ) {
    fill(values.map { message($0) }, &count, &start)
  }

  /// A list of texts.
  func texts(
    _ values: [String], _ count: inout Int,
    _ start: inout UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
  ) {
    fill(values.map { text($0) }, &count, &start)
  }

  /// A list of pairs, in the order of their keys, so that equal values give equal bytes.
  func pairs<Value, Pair: Coded>(
    _ values: [String: Value], _ count: inout Int,
    _ start: inout UnsafeMutablePointer<UnsafeMutablePointer<Pair.C>?>?,
    _ pair: (String, Value) -> Pair
  ) {
    let sorted = values.sorted { $0.key < $1.key }
    list(sorted.map { pair($0.key, $0.value) }, &count, &start)
  }

  /// A list of numbers or pointers.
  func fill<Element>(
    _ elements: [Element], _ count: inout Int, _ start: inout UnsafeMutablePointer<Element>?
  ) {
    count = 0
    guard !elements.isEmpty,
      let raw = arena.allocate(elements.count * MemoryLayout<Element>.stride)
    else { return }
    let copy = raw.bindMemory(to: Element.self, capacity: elements.count)
    copy.initialize(from: elements, count: elements.count)
    count = elements.count
    start = copy
  }
}
