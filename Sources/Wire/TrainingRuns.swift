internal import CProto

/// `Sessions.ListRuns`.
package struct ListRunsRequest: Sendable, Equatable {
  /// At most so many; 0 for 100.
  package var limit: Int
  /// From the answer before; empty to start.
  package var pageToken: String

  /// A request.
  package init(limit: Int = 0, pageToken: String = "") {
    self.limit = limit
    self.pageToken = pageToken
  }
}

extension ListRunsRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__ListRunsRequest>?) {
    tinsmith__v1__list_runs_request__init(c)
  }

  init(_ c: Tinsmith__V1__ListRunsRequest, _ reader: Reader) throws(WireError) {
    limit = try Check.range(c.limit, 0...Limits.maxListItems, "limit")
    pageToken = reader.text(c.page_token)
  }

  func fill(_ c: inout Tinsmith__V1__ListRunsRequest, _ writer: Writer) {
    c.limit = UInt32(clamping: limit)
    c.page_token = writer.text(pageToken)
  }
}

/// Answer of `Sessions.ListRuns`.
package struct ListRunsResponse: Sendable, Equatable {
  /// In the order of their ids.
  package var runs: [RunInfo]
  /// Empty after the last page.
  package var nextPageToken: String

  /// An answer.
  package init(runs: [RunInfo], nextPageToken: String = "") {
    self.runs = runs
    self.nextPageToken = nextPageToken
  }
}

extension ListRunsResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__ListRunsResponse>?) {
    tinsmith__v1__list_runs_response__init(c)
  }

  init(_ c: Tinsmith__V1__ListRunsResponse, _ reader: Reader) throws(WireError) {
    runs = try reader.list(c.runs, c.n_runs, "runs")
    nextPageToken = reader.text(c.next_page_token)
  }

  func fill(_ c: inout Tinsmith__V1__ListRunsResponse, _ writer: Writer) {
    writer.list(runs, &c.n_runs, &c.runs)
    c.next_page_token = writer.text(nextPageToken)
  }
}

/// `Sessions.Run`.
package struct RunRequest: Sendable, Equatable {
  /// Id of the model.
  package var modelID: String

  /// A request.
  package init(modelID: String) { self.modelID = modelID }
}

extension RunRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__RunRequest>?) {
    tinsmith__v1__run_request__init(c)
  }

  init(_ c: Tinsmith__V1__RunRequest, _ reader: Reader) throws(WireError) {
    modelID = try Check.present(reader.text(c.model_id), "model_id")
  }

  func fill(_ c: inout Tinsmith__V1__RunRequest, _ writer: Writer) {
    c.model_id = writer.text(modelID)
  }
}

/// Description of a model that is, or was, trained; answer of `Sessions.Run`.
package struct RunInfo: Sendable, Equatable {
  /// The model.
  package var modelID: String
  /// Name of the base model.
  package var baseModel: String
  /// The adapter; `seed` is nil.
  package var lora: LoraConfig
  /// Free text of the user.
  package var userMetadata: [String: String]
  /// Milliseconds since 1970 in UTC; 0 where it is not known.
  package var createdUnixMilliseconds: UInt64
  /// The last time known of it, likewise.
  package var changedUnixMilliseconds: UInt64
  /// Its newest checkpoint to train further.
  package var lastCheckpoint: Checkpoint?
  /// Its newest checkpoint to sample from.
  package var lastSamplerCheckpoint: Checkpoint?

  /// A description.
  package init(
    modelID: String, baseModel: String, lora: LoraConfig, userMetadata: [String: String] = [:],
    createdUnixMilliseconds: UInt64 = 0, changedUnixMilliseconds: UInt64 = 0,
    lastCheckpoint: Checkpoint? = nil, lastSamplerCheckpoint: Checkpoint? = nil
  ) {
    self.modelID = modelID
    self.baseModel = baseModel
    self.lora = lora
    self.userMetadata = userMetadata
    self.createdUnixMilliseconds = createdUnixMilliseconds
    self.changedUnixMilliseconds = changedUnixMilliseconds
    self.lastCheckpoint = lastCheckpoint
    self.lastSamplerCheckpoint = lastSamplerCheckpoint
  }
}

extension RunInfo: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__RunInfo>?) {
    tinsmith__v1__run_info__init(c)
  }

  init(_ c: Tinsmith__V1__RunInfo, _ reader: Reader) throws(WireError) {
    modelID = reader.text(c.model_id)
    baseModel = reader.text(c.base_model)
    lora = LoraConfig(
      rank: Int(c.rank), alpha: c.alpha, trainAttention: c.train_attn != 0,
      trainMLP: c.train_mlp != 0, trainUnembed: c.train_unembed != 0)
    userMetadata = try reader.metadata(c.user_metadata, c.n_user_metadata)
    createdUnixMilliseconds = c.created_unix_ms
    changedUnixMilliseconds = c.changed_unix_ms
    lastCheckpoint = try reader.optional(c.last_checkpoint, "last_checkpoint")
    lastSamplerCheckpoint = try reader.optional(
      c.last_sampler_checkpoint, "last_sampler_checkpoint")
  }

  func fill(_ c: inout Tinsmith__V1__RunInfo, _ writer: Writer) {
    c.model_id = writer.text(modelID)
    c.base_model = writer.text(baseModel)
    c.rank = UInt32(clamping: lora.rank)
    c.alpha = lora.alpha
    c.train_attn = lora.trainAttention ? 1 : 0
    c.train_mlp = lora.trainMLP ? 1 : 0
    c.train_unembed = lora.trainUnembed ? 1 : 0
    writer.pairs(userMetadata, &c.n_user_metadata, &c.user_metadata, TextPair.init)
    c.created_unix_ms = createdUnixMilliseconds
    c.changed_unix_ms = changedUnixMilliseconds
    c.last_checkpoint = writer.message(lastCheckpoint)
    c.last_sampler_checkpoint = writer.message(lastSamplerCheckpoint)
  }
}
