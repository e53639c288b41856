internal import CProto

/// `Sampling.SaveWeightsForSampler`, in the model's stream.
package struct SaveWeightsForSamplerRequest: Sendable, Equatable {
  /// Name of the checkpoint; empty for one that is not listed and gone with the session.
  package var name: String
  /// Seconds until it is deleted; nil for never.
  package var ttlSeconds: UInt64?
  /// Free text of the user.
  package var userMetadata: [String: String]
  /// Replace a checkpoint of the same name.
  package var overwrite: Bool
  /// Delete the oldest sampler checkpoints of the model beyond so many afterwards; 0 keeps all.
  package var keepLast: Int

  /// A request.
  package init(
    name: String = "", ttlSeconds: UInt64? = nil, userMetadata: [String: String] = [:],
    overwrite: Bool = false, keepLast: Int = 0
  ) {
    self.name = name
    self.ttlSeconds = ttlSeconds
    self.userMetadata = userMetadata
    self.overwrite = overwrite
    self.keepLast = keepLast
  }
}

extension SaveWeightsForSamplerRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__SaveWeightsForSamplerRequest>?) {
    tinsmith__v1__save_weights_for_sampler_request__init(c)
  }

  init(_ c: Tinsmith__V1__SaveWeightsForSamplerRequest, _ reader: Reader) throws(WireError) {
    name = try Check.name(reader.text(c.name))
    let hasTTL =
      c.ttl_presence_case
      == TINSMITH__V1__SAVE_WEIGHTS_FOR_SAMPLER_REQUEST__TTL_PRESENCE_TTL_SECONDS
    ttlSeconds = hasTTL ? try Check.ttl(c.ttl_seconds) : nil
    userMetadata = try reader.givenMetadata(c.user_metadata, c.n_user_metadata)
    overwrite = c.overwrite != 0
    keepLast = Int(c.keep_last)
  }

  func fill(_ c: inout Tinsmith__V1__SaveWeightsForSamplerRequest, _ writer: Writer) {
    c.name = writer.text(name)
    if let ttlSeconds {
      c.ttl_presence_case =
        TINSMITH__V1__SAVE_WEIGHTS_FOR_SAMPLER_REQUEST__TTL_PRESENCE_TTL_SECONDS
      c.ttl_seconds = ttlSeconds
    }
    writer.pairs(userMetadata, &c.n_user_metadata, &c.user_metadata, TextPair.init)
    c.overwrite = overwrite ? 1 : 0
    c.keep_last = UInt32(clamping: keepLast)
  }
}

/// Answer of `Sampling.SaveWeightsForSampler`.
package struct SaveWeightsForSamplerResponse: Sendable, Equatable {
  /// `tinsmith://<model>/sampler_weights/<name>`, or `…/@<seq>` for weights without a name.
  package var path: String

  /// An answer.
  package init(path: String) { self.path = path }
}

extension SaveWeightsForSamplerResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__SaveWeightsForSamplerResponse>?) {
    tinsmith__v1__save_weights_for_sampler_response__init(c)
  }

  init(_ c: Tinsmith__V1__SaveWeightsForSamplerResponse, _ reader: Reader) throws(WireError) {
    path = reader.text(c.path)
  }

  func fill(_ c: inout Tinsmith__V1__SaveWeightsForSamplerResponse, _ writer: Writer) {
    c.path = writer.text(path)
  }
}

/// `Sampling.CreateSamplingSession`: seq 0 of a sampling stream.
package struct CreateSamplingSessionRequest: Sendable, Equatable {
  /// What the stream samples from.
  package var source: SamplingSource

  /// A request.
  package init(source: SamplingSource) { self.source = source }
}

extension CreateSamplingSessionRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__CreateSamplingSessionRequest>?) {
    tinsmith__v1__create_sampling_session_request__init(c)
  }

  init(_ c: Tinsmith__V1__CreateSamplingSessionRequest, _ reader: Reader) throws(WireError) {
    switch c.source_case {
    case TINSMITH__V1__CREATE_SAMPLING_SESSION_REQUEST__SOURCE_BASE_MODEL:
      source = .baseModel(try Check.present(reader.text(c.base_model), "base_model"))
    case TINSMITH__V1__CREATE_SAMPLING_SESSION_REQUEST__SOURCE_MODEL_PATH:
      source = .modelPath(try Check.present(reader.text(c.model_path), "model_path"))
    default:
      throw WireError(.missing, "base_model or model_path must be given", field: "base_model")
    }
  }

  func fill(_ c: inout Tinsmith__V1__CreateSamplingSessionRequest, _ writer: Writer) {
    switch source {
    case .baseModel(let name):
      c.source_case = TINSMITH__V1__CREATE_SAMPLING_SESSION_REQUEST__SOURCE_BASE_MODEL
      c.base_model = writer.text(name)
    case .modelPath(let path):
      c.source_case = TINSMITH__V1__CREATE_SAMPLING_SESSION_REQUEST__SOURCE_MODEL_PATH
      c.model_path = writer.text(path)
    }
  }
}

/// Answer of `Sampling.CreateSamplingSession`.
package struct CreateSamplingSessionResponse: Sendable, Equatable {
  /// The stream's name.
  package var samplingSessionID: String
  /// Name of the base model.
  package var baseModel: String
  /// Name or folder of the tokenizer.
  package var tokenizer: String
  /// Tokens.
  package var maxContextLength: Int

  /// An answer.
  package init(
    samplingSessionID: String, baseModel: String, tokenizer: String, maxContextLength: Int
  ) {
    self.samplingSessionID = samplingSessionID
    self.baseModel = baseModel
    self.tokenizer = tokenizer
    self.maxContextLength = maxContextLength
  }
}

extension CreateSamplingSessionResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__CreateSamplingSessionResponse>?) {
    tinsmith__v1__create_sampling_session_response__init(c)
  }

  init(_ c: Tinsmith__V1__CreateSamplingSessionResponse, _ reader: Reader) throws(WireError) {
    samplingSessionID = reader.text(c.sampling_session_id)
    baseModel = reader.text(c.base_model)
    tokenizer = reader.text(c.tokenizer)
    maxContextLength = Int(c.max_context_length)
  }

  func fill(_ c: inout Tinsmith__V1__CreateSamplingSessionResponse, _ writer: Writer) {
    c.sampling_session_id = writer.text(samplingSessionID)
    c.base_model = writer.text(baseModel)
    c.tokenizer = writer.text(tokenizer)
    c.max_context_length = UInt32(clamping: maxContextLength)
  }
}
