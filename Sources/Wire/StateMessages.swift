internal import CProto

/// `Training.SaveState`: writes a training checkpoint.
package struct SaveStateRequest: Sendable, Equatable {
  /// Name of the checkpoint.
  package var name: String
  /// Seconds until it is deleted; nil for never.
  package var ttlSeconds: UInt64?
  /// Replace a checkpoint of the same name.
  package var overwrite: Bool
  /// Free text of the user.
  package var userMetadata: [String: String]
  /// Save the gradients that no optim_step has used yet as well.
  package var includeGradients: Bool
  /// Delete the oldest training checkpoints of the model beyond so many afterwards; 0 keeps all.
  package var keepLast: Int

  /// A request.
  package init(
    name: String, ttlSeconds: UInt64? = nil, overwrite: Bool = false,
    userMetadata: [String: String] = [:], includeGradients: Bool = false, keepLast: Int = 0
  ) {
    self.name = name
    self.ttlSeconds = ttlSeconds
    self.overwrite = overwrite
    self.userMetadata = userMetadata
    self.includeGradients = includeGradients
    self.keepLast = keepLast
  }
}

extension SaveStateRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__SaveStateRequest>?) {
    tinsmith__v1__save_state_request__init(c)
  }

  init(_ c: Tinsmith__V1__SaveStateRequest, _ reader: Reader) throws(WireError) {
    name = try Check.name(try Check.present(reader.text(c.name), "name"))
    let hasTTL = c.ttl_presence_case == TINSMITH__V1__SAVE_STATE_REQUEST__TTL_PRESENCE_TTL_SECONDS
    ttlSeconds = hasTTL ? try Check.ttl(c.ttl_seconds) : nil
    overwrite = c.overwrite != 0
    userMetadata = try reader.givenMetadata(c.user_metadata, c.n_user_metadata)
    includeGradients = c.include_gradients != 0
    keepLast = Int(c.keep_last)
  }

  func fill(_ c: inout Tinsmith__V1__SaveStateRequest, _ writer: Writer) {
    c.name = writer.text(name)
    if let ttlSeconds {
      c.ttl_presence_case = TINSMITH__V1__SAVE_STATE_REQUEST__TTL_PRESENCE_TTL_SECONDS
      c.ttl_seconds = ttlSeconds
    }
    c.overwrite = overwrite ? 1 : 0
    writer.pairs(userMetadata, &c.n_user_metadata, &c.user_metadata, TextPair.init)
    c.include_gradients = includeGradients ? 1 : 0
    c.keep_last = UInt32(clamping: keepLast)
  }
}

/// Answer of `Training.SaveState`.
package struct SaveStateResponse: Sendable, Equatable {
  /// `tinsmith://<model>/weights/<name>`.
  package var path: String

  /// An answer.
  package init(path: String) { self.path = path }
}

extension SaveStateResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__SaveStateResponse>?) {
    tinsmith__v1__save_state_response__init(c)
  }

  init(_ c: Tinsmith__V1__SaveStateResponse, _ reader: Reader) throws(WireError) {
    path = reader.text(c.path)
  }

  func fill(_ c: inout Tinsmith__V1__SaveStateResponse, _ writer: Writer) {
    c.path = writer.text(path)
  }
}

/// `Training.LoadState`: replaces the adapter by a checkpoint's.
package struct LoadStateRequest: Sendable, Equatable {
  /// `tinsmith://<model>/weights/<name>`.
  package var path: String
  /// Take the optimizer state too.
  package var optimizer: Bool

  /// A request.
  package init(path: String, optimizer: Bool = false) {
    self.path = path
    self.optimizer = optimizer
  }
}

extension LoadStateRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__LoadStateRequest>?) {
    tinsmith__v1__load_state_request__init(c)
  }

  init(_ c: Tinsmith__V1__LoadStateRequest, _ reader: Reader) throws(WireError) {
    path = try Check.present(reader.text(c.path), "path")
    optimizer = c.optimizer != 0
  }

  func fill(_ c: inout Tinsmith__V1__LoadStateRequest, _ writer: Writer) {
    c.path = writer.text(path)
    c.optimizer = optimizer ? 1 : 0
  }
}

/// Answer of `Training.LoadState`.
package struct LoadStateResponse: Sendable, Equatable {
  /// The answer.
  package init() {}
}

extension LoadStateResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__LoadStateResponse>?) {
    tinsmith__v1__load_state_response__init(c)
  }

  init(_ c: Tinsmith__V1__LoadStateResponse, _ reader: Reader) throws(WireError) {}

  func fill(_ c: inout Tinsmith__V1__LoadStateResponse, _ writer: Writer) {}
}
