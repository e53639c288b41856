internal import CProto

/// `TextPair`: an entry of user metadata.
struct TextPair: Coded {
  var key: String
  var value: String

  init(key: String, value: String) {
    self.key = key
    self.value = value
  }

  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__TextPair>?) {
    tinsmith__v1__text_pair__init(c)
  }

  init(_ c: Tinsmith__V1__TextPair, _ reader: Reader) throws(WireError) {
    key = reader.text(c.key)
    value = reader.text(c.value)
  }

  func fill(_ c: inout Tinsmith__V1__TextPair, _ writer: Writer) {
    c.key = writer.text(key)
    c.value = writer.text(value)
  }
}

/// `NamedNumber`: a metric.
struct NamedNumber: Coded {
  var name: String
  var value: Double

  init(name: String, value: Double) {
    self.name = name
    self.value = value
  }

  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__NamedNumber>?) {
    tinsmith__v1__named_number__init(c)
  }

  init(_ c: Tinsmith__V1__NamedNumber, _ reader: Reader) throws(WireError) {
    name = reader.text(c.name)
    value = c.value
  }

  func fill(_ c: inout Tinsmith__V1__NamedNumber, _ writer: Writer) {
    c.name = writer.text(name)
    c.value = value
  }
}

/// `NamedTensor`: an input or output of a loss function.
struct NamedTensor: Coded {
  var name: String
  var tensor: Tensor

  init(name: String, tensor: Tensor) {
    self.name = name
    self.tensor = tensor
  }

  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__NamedTensor>?) {
    tinsmith__v1__named_tensor__init(c)
  }

  init(_ c: Tinsmith__V1__NamedTensor, _ reader: Reader) throws(WireError) {
    name = reader.text(c.name)
    guard let tensor = c.tensor else {
      throw WireError(.missing, "has no tensor", field: "[\(name)]")
    }
    do {
      self.tensor = try Tensor(tensor.pointee, reader)
    } catch {
      throw error.inside("[\(name)]")
    }
  }

  func fill(_ c: inout Tinsmith__V1__NamedTensor, _ writer: Writer) {
    c.name = writer.text(name)
    c.tensor = writer.message(tensor)
  }
}

extension Reader {
  /// User metadata.
  func metadata(
    _ start: UnsafeMutablePointer<UnsafeMutablePointer<Tinsmith__V1__TextPair>?>?, _ count: Int
  ) throws(WireError) -> [String: String] {
    try texts(start, count, "user_metadata")
  }

  /// User metadata that a client gives.
  func givenMetadata(
    _ start: UnsafeMutablePointer<UnsafeMutablePointer<Tinsmith__V1__TextPair>?>?, _ count: Int
  ) throws(WireError) -> [String: String] {
    let pairs = try metadata(start, count)
    let bytes = pairs.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count }
    guard bytes <= Limits.maxMetadataBytes else {
      throw WireError(
        .tooLarge, "\(bytes) bytes of keys and values, at most \(Limits.maxMetadataBytes) allowed",
        field: "user_metadata")
    }
    return pairs
  }

  /// Texts by name.
  func texts(
    _ start: UnsafeMutablePointer<UnsafeMutablePointer<Tinsmith__V1__TextPair>?>?, _ count: Int,
    _ name: String
  ) throws(WireError) -> [String: String] {
    try pairs(start, count, name) { c throws(WireError) in
      let pair = try TextPair(c, self)
      return (pair.key, pair.value)
    }
  }

  /// Numbers by name.
  func numbers(
    _ start: UnsafeMutablePointer<UnsafeMutablePointer<Tinsmith__V1__NamedNumber>?>?, _ count: Int,
    _ name: String, limit: Int = Limits.maxPairs
  ) throws(WireError) -> [String: Double] {
    try pairs(start, count, name, limit: limit) { c throws(WireError) in
      let pair = try NamedNumber(c, self)
      return (pair.name, pair.value)
    }
  }

  /// Metrics: numbers whose names are `name:reduction`.
  func metrics(
    _ start: UnsafeMutablePointer<UnsafeMutablePointer<Tinsmith__V1__NamedNumber>?>?, _ count: Int
  ) throws(WireError) -> [String: Double] {
    try pairs(start, count, "metrics") { c throws(WireError) in
      let pair = try NamedNumber(c, self)
      guard pair.name.utf8.count(where: { $0 == UInt8(ascii: ":") }) == 1 else {
        throw WireError(
          .outOfRange, "a metric's name has exactly one colon", field: "[\(pair.name)]")
      }
      return (pair.name, pair.value)
    }
  }

  /// Tensors by name.
  func tensors(
    _ start: UnsafeMutablePointer<UnsafeMutablePointer<Tinsmith__V1__NamedTensor>?>?, _ count: Int,
    _ name: String
  ) throws(WireError) -> [String: Tensor] {
    try pairs(start, count, name) { c throws(WireError) in
      let pair = try NamedTensor(c, self)
      return (pair.name, pair.tensor)
    }
  }
}
