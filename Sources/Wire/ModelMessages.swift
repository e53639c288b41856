internal import CProto

/// `Training.CreateModel`: seq 0 of a model's stream.
package struct CreateModelRequest: Sendable, Equatable {
  /// Name of the base model; may be empty with `fromPath`.
  package var baseModel: String
  /// The adapter; nil with `fromPath`: the checkpoint decides.
  package var lora: LoraConfig?
  /// Free text of the user.
  package var userMetadata: [String: String]
  /// `tinsmith://<model>/weights/<name>` to start from; empty for a fresh adapter.
  package var fromPath: String
  /// With `fromPath`: take the optimizer state too.
  package var fromOptimizer: Bool

  /// A request for a fresh adapter, or with `fromPath` for one from a checkpoint.
  package init(
    baseModel: String = "", lora: LoraConfig? = nil, userMetadata: [String: String] = [:],
    fromPath: String = "", fromOptimizer: Bool = false
  ) {
    self.baseModel = baseModel
    self.lora = lora
    self.userMetadata = userMetadata
    self.fromPath = fromPath
    self.fromOptimizer = fromOptimizer
  }
}

extension CreateModelRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__CreateModelRequest>?) {
    tinsmith__v1__create_model_request__init(c)
  }

  init(_ c: Tinsmith__V1__CreateModelRequest, _ reader: Reader) throws(WireError) {
    baseModel = reader.text(c.base_model)
    lora = try reader.optional(c.lora, "lora")
    userMetadata = try reader.givenMetadata(c.user_metadata, c.n_user_metadata)
    fromPath = reader.text(c.from_path)
    fromOptimizer = c.from_optimizer != 0
    guard fromPath.isEmpty else { return }
    _ = try Check.present(baseModel, "base_model")
    guard lora != nil else { throw WireError(.missing, "must be present", field: "lora") }
  }

  func fill(_ c: inout Tinsmith__V1__CreateModelRequest, _ writer: Writer) {
    c.base_model = writer.text(baseModel)
    c.lora = writer.message(lora)
    writer.pairs(userMetadata, &c.n_user_metadata, &c.user_metadata, TextPair.init)
    c.from_path = writer.text(fromPath)
    c.from_optimizer = fromOptimizer ? 1 : 0
  }
}

/// Answer of `Training.CreateModel`.
package struct CreateModelResponse: Sendable, Equatable {
  /// The stream's name.
  package var modelID: String
  /// What was created.
  package var info: ModelInfo

  /// An answer.
  package init(modelID: String, info: ModelInfo) {
    self.modelID = modelID
    self.info = info
  }
}

extension CreateModelResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__CreateModelResponse>?) {
    tinsmith__v1__create_model_response__init(c)
  }

  init(_ c: Tinsmith__V1__CreateModelResponse, _ reader: Reader) throws(WireError) {
    modelID = reader.text(c.model_id)
    info = try reader.required(c.info, "info")
  }

  func fill(_ c: inout Tinsmith__V1__CreateModelResponse, _ writer: Writer) {
    c.model_id = writer.text(modelID)
    c.info = writer.message(info)
  }
}

/// Answer of `Training.GetInfo`: what a model is.
package struct ModelInfo: Sendable, Equatable {
  /// The stream's name.
  package var modelID: String
  /// Name of the base model.
  package var baseModel: String
  /// Of the architecture, e.g. `Qwen3ForCausalLM`.
  package var architecture: String
  /// The adapter; `seed` is nil.
  package var lora: LoraConfig
  /// Name or folder of the tokenizer.
  package var tokenizer: String
  /// Tokens.
  package var maxSequenceLength: Int
  /// Optimizer steps done.
  package var step: UInt64
  /// Free text of the user.
  package var userMetadata: [String: String]

  /// A description.
  package init(
    modelID: String, baseModel: String, architecture: String, lora: LoraConfig, tokenizer: String,
    maxSequenceLength: Int, step: UInt64 = 0, userMetadata: [String: String] = [:]
  ) {
    self.modelID = modelID
    self.baseModel = baseModel
    self.architecture = architecture
    self.lora = lora
    self.tokenizer = tokenizer
    self.maxSequenceLength = maxSequenceLength
    self.step = step
    self.userMetadata = userMetadata
  }
}

extension ModelInfo: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__ModelInfo>?) {
    tinsmith__v1__model_info__init(c)
  }

  init(_ c: Tinsmith__V1__ModelInfo, _ reader: Reader) throws(WireError) {
    modelID = reader.text(c.model_id)
    baseModel = reader.text(c.base_model)
    architecture = reader.text(c.architecture)
    lora = LoraConfig(
      rank: Int(c.rank), alpha: c.alpha, trainAttention: c.train_attn != 0,
      trainMLP: c.train_mlp != 0, trainUnembed: c.train_unembed != 0)
    tokenizer = reader.text(c.tokenizer)
    maxSequenceLength = Int(c.max_sequence_length)
    step = c.step
    userMetadata = try reader.metadata(c.user_metadata, c.n_user_metadata)
  }

  func fill(_ c: inout Tinsmith__V1__ModelInfo, _ writer: Writer) {
    c.model_id = writer.text(modelID)
    c.base_model = writer.text(baseModel)
    c.architecture = writer.text(architecture)
    c.rank = UInt32(clamping: lora.rank)
    c.alpha = lora.alpha
    c.train_attn = lora.trainAttention ? 1 : 0
    c.train_mlp = lora.trainMLP ? 1 : 0
    c.train_unembed = lora.trainUnembed ? 1 : 0
    c.tokenizer = writer.text(tokenizer)
    c.max_sequence_length = UInt32(clamping: maxSequenceLength)
    c.step = step
    writer.pairs(userMetadata, &c.n_user_metadata, &c.user_metadata, TextPair.init)
  }
}

/// `Training.GetInfo`.
package struct GetInfoRequest: Sendable, Equatable {
  /// The request; the header names the model.
  package init() {}
}

extension GetInfoRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__GetInfoRequest>?) {
    tinsmith__v1__get_info_request__init(c)
  }

  init(_ c: Tinsmith__V1__GetInfoRequest, _ reader: Reader) throws(WireError) {}

  func fill(_ c: inout Tinsmith__V1__GetInfoRequest, _ writer: Writer) {}
}

/// `Training.Unload`: ends the model.
package struct UnloadRequest: Sendable, Equatable {
  /// The request; the header names the model.
  package init() {}
}

extension UnloadRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__UnloadRequest>?) {
    tinsmith__v1__unload_request__init(c)
  }

  init(_ c: Tinsmith__V1__UnloadRequest, _ reader: Reader) throws(WireError) {}

  func fill(_ c: inout Tinsmith__V1__UnloadRequest, _ writer: Writer) {}
}

/// Answer of `Training.Unload`.
package struct UnloadResponse: Sendable, Equatable {
  /// The answer.
  package init() {}
}

extension UnloadResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__UnloadResponse>?) {
    tinsmith__v1__unload_response__init(c)
  }

  init(_ c: Tinsmith__V1__UnloadResponse, _ reader: Reader) throws(WireError) {}

  func fill(_ c: inout Tinsmith__V1__UnloadResponse, _ writer: Writer) {}
}
