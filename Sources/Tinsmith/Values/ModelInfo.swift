internal import Wire

/// What a model that is being trained is.
public struct ModelInfo: Sendable, Hashable {
  /// Id of the model: the part of a checkpoint's path behind `tinsmith://`.
  public var modelID: String
  /// Name of the base model.
  public var baseModel: String
  /// Architecture of the base model, e.g. `Qwen3ForCausalLM`.
  public var architecture: String
  /// The adapter; its seed is nil.
  public var lora: LoRAConfig
  /// Name or folder of the tokenizer.
  public var tokenizer: String
  /// Most tokens of a sequence.
  public var maxSequenceLength: Int
  /// Optimizer steps done.
  public var step: UInt64
  /// Free text of the user.
  public var userMetadata: [String: String]

  init(_ wire: Wire.ModelInfo) {
    modelID = wire.modelID
    baseModel = wire.baseModel
    architecture = wire.architecture
    lora = LoRAConfig(wire.lora)
    tokenizer = wire.tokenizer
    maxSequenceLength = wire.maxSequenceLength
    step = wire.step
    userMetadata = wire.userMetadata
  }
}

/// What a service offers.
public struct ServerCapabilities: Sendable, Hashable {
  /// A base model.
  public struct Model: Sendable, Hashable {
    /// Name to use in `createLoRATrainingClient` and `createSamplingClient`.
    public var name: String
    /// Most tokens of prompt and answer together.
    public var maxContextLength: Int
    /// Name or folder of the tokenizer.
    public var tokenizer: String
    /// Architecture, e.g. `Qwen3ForCausalLM`.
    public var architecture: String
    /// Number of weights.
    public var parameters: UInt64
    /// Precision of the computation, e.g. `f32`.
    public var precision: String
    /// Results are the same bits within one version.
    public var numericsVersion: String
    /// Rows of the output head.
    public var vocabularySize: Int
    /// Whether adapters can be trained.
    public var isTrainable: Bool
    /// Whether it can be sampled from.
    public var isSampleable: Bool
    /// What in its folder has no effect or cannot be read, and where its files disagree.
    public var warnings: [String]
  }

  /// Version of the service.
  public var serviceVersion: String
  /// The base models.
  public var models: [Model]
  /// Names of the loss functions.
  public var lossFunctions: [String]
  /// Base models that were to be served and cannot be, with the reasons.
  public var refusedModels: [String: String]

  init(_ wire: Wire.CapabilitiesResponse) {
    serviceVersion = wire.serviceVersion
    lossFunctions = wire.lossFns
    refusedModels = wire.refusedModels
    models = wire.models.map { model in
      Model(
        name: model.name, maxContextLength: model.maxContextLength, tokenizer: model.tokenizer,
        architecture: model.architecture, parameters: model.parameters,
        precision: model.precision, numericsVersion: model.numericsVersion,
        vocabularySize: model.vocabularySize, isTrainable: model.isTrainable,
        isSampleable: model.isSampleable, warnings: model.warnings)
    }
  }
}
