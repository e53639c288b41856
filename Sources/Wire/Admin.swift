internal import CProto

/// `Admin.Capabilities`.
package struct CapabilitiesRequest: Sendable, Equatable {
  /// The request.
  package init() {}
}

extension CapabilitiesRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__CapabilitiesRequest>?) {
    tinsmith__v1__capabilities_request__init(c)
  }

  init(_ c: Tinsmith__V1__CapabilitiesRequest, _ reader: Reader) throws(WireError) {}

  func fill(_ c: inout Tinsmith__V1__CapabilitiesRequest, _ writer: Writer) {}
}

/// A base model that is served.
package struct BaseModel: Sendable, Equatable {
  /// E.g. `tinsmith/mini`.
  package var name: String
  /// Tokens.
  package var maxContextLength: Int
  /// Name or folder of the tokenizer.
  package var tokenizer: String
  /// E.g. `Qwen3ForCausalLM`.
  package var architecture: String
  /// Number of weights.
  package var parameters: UInt64
  /// Numerics class, e.g. `f32`.
  package var precision: String
  /// Results are equal bit for bit between services of one numerics version and precision.
  package var numericsVersion: String
  /// Number of tokens.
  package var vocabularySize: Int
  /// Whether adapters can be trained on it.
  package var isTrainable: Bool
  /// Whether it can be sampled from.
  package var isSampleable: Bool
  /// What is odd about its folder, in words.
  package var warnings: [String]

  /// A description.
  package init(
    name: String, maxContextLength: Int, tokenizer: String, architecture: String,
    parameters: UInt64, precision: String, numericsVersion: String, vocabularySize: Int,
    isTrainable: Bool = true, isSampleable: Bool = true, warnings: [String] = []
  ) {
    self.name = name
    self.maxContextLength = maxContextLength
    self.tokenizer = tokenizer
    self.architecture = architecture
    self.parameters = parameters
    self.precision = precision
    self.numericsVersion = numericsVersion
    self.vocabularySize = vocabularySize
    self.isTrainable = isTrainable
    self.isSampleable = isSampleable
    self.warnings = warnings
  }
}

extension BaseModel: Coded {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__BaseModel>?) {
    tinsmith__v1__base_model__init(c)
  }

  init(_ c: Tinsmith__V1__BaseModel, _ reader: Reader) throws(WireError) {
    name = reader.text(c.name)
    maxContextLength = Int(c.max_context_length)
    tokenizer = reader.text(c.tokenizer)
    architecture = reader.text(c.architecture)
    parameters = c.parameters
    precision = reader.text(c.precision)
    numericsVersion = reader.text(c.numerics_version)
    vocabularySize = Int(c.vocabulary_size)
    isTrainable = c.trainable != 0
    isSampleable = c.sampleable != 0
    warnings = try reader.texts(c.warnings, c.n_warnings, "warnings")
  }

  func fill(_ c: inout Tinsmith__V1__BaseModel, _ writer: Writer) {
    c.name = writer.text(name)
    c.max_context_length = UInt32(clamping: maxContextLength)
    c.tokenizer = writer.text(tokenizer)
    c.architecture = writer.text(architecture)
    c.parameters = parameters
    c.precision = writer.text(precision)
    c.numerics_version = writer.text(numericsVersion)
    c.vocabulary_size = UInt32(clamping: vocabularySize)
    c.trainable = isTrainable ? 1 : 0
    c.sampleable = isSampleable ? 1 : 0
    writer.texts(warnings, &c.n_warnings, &c.warnings)
  }
}

/// Answer of `Admin.Capabilities`.
package struct CapabilitiesResponse: Sendable, Equatable {
  /// Of the software.
  package var serviceVersion: String
  /// Protocol versions that are spoken.
  package var protocolVersions: [UInt32]
  /// What is served.
  package var models: [BaseModel]
  /// Names of loss functions.
  package var lossFns: [String]
  /// Base models that were to be served and cannot be, with the reasons.
  package var refusedModels: [String: String]

  /// An answer.
  package init(
    serviceVersion: String, protocolVersions: [UInt32] = [RequestHeader.currentVersion],
    models: [BaseModel], lossFns: [String], refusedModels: [String: String] = [:]
  ) {
    self.serviceVersion = serviceVersion
    self.protocolVersions = protocolVersions
    self.models = models
    self.lossFns = lossFns
    self.refusedModels = refusedModels
  }
}

extension CapabilitiesResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__CapabilitiesResponse>?) {
    tinsmith__v1__capabilities_response__init(c)
  }

  init(_ c: Tinsmith__V1__CapabilitiesResponse, _ reader: Reader) throws(WireError) {
    serviceVersion = reader.text(c.service_version)
    protocolVersions = Array(
      UnsafeBufferPointer(start: c.protocol_versions, count: c.n_protocol_versions))
    models = try reader.list(c.models, c.n_models, "models")
    lossFns = try reader.texts(c.loss_fns, c.n_loss_fns, "loss_fns")
    refusedModels = try reader.texts(c.refused_models, c.n_refused_models, "refused_models")
  }

  func fill(_ c: inout Tinsmith__V1__CapabilitiesResponse, _ writer: Writer) {
    c.service_version = writer.text(serviceVersion)
    writer.fill(protocolVersions, &c.n_protocol_versions, &c.protocol_versions)
    writer.list(models, &c.n_models, &c.models)
    writer.texts(lossFns, &c.n_loss_fns, &c.loss_fns)
    writer.pairs(refusedModels, &c.n_refused_models, &c.refused_models, TextPair.init)
  }
}

/// `Admin.Ping` and `Admin.WorkerPing`.
package struct PingRequest: Sendable, Equatable {
  /// Any bytes.
  package var payload: Bytes

  /// A request.
  package init(payload: Bytes = .empty) { self.payload = payload }
}

extension PingRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__PingRequest>?) {
    tinsmith__v1__ping_request__init(c)
  }

  init(_ c: Tinsmith__V1__PingRequest, _ reader: Reader) throws(WireError) {
    let blob: Blob? = try reader.optional(c.payload, "payload")
    payload = blob?.bytes ?? .empty
  }

  func fill(_ c: inout Tinsmith__V1__PingRequest, _ writer: Writer) {
    guard !payload.isEmpty else { return }
    c.payload = writer.message(Blob(payload))
  }
}

/// Answer of `Admin.Ping` and `Admin.WorkerPing`.
package struct PingResponse: Sendable, Equatable {
  /// The request's bytes.
  package var payload: Bytes

  /// An answer.
  package init(payload: Bytes = .empty) { self.payload = payload }
}

extension PingResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__PingResponse>?) {
    tinsmith__v1__ping_response__init(c)
  }

  init(_ c: Tinsmith__V1__PingResponse, _ reader: Reader) throws(WireError) {
    let blob: Blob? = try reader.optional(c.payload, "payload")
    payload = blob?.bytes ?? .empty
  }

  func fill(_ c: inout Tinsmith__V1__PingResponse, _ writer: Writer) {
    guard !payload.isEmpty else { return }
    c.payload = writer.message(Blob(payload))
  }
}
