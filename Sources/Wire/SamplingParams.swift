internal import CProto

/// How sequences are drawn.
package struct SamplingParams: Sendable, Equatable {
  /// Where a sequence ends besides its length.
  package enum Stop: Sendable, Equatable {
    /// At the model's end tokens.
    case modelDefault
    /// At one of these texts; with an empty list nowhere, not even at an end token.
    case strings([String])
    /// At one of these token ids; with an empty list nowhere, not even at an end token.
    case tokens([Int32])
  }

  /// Most tokens per sequence; nil for as many as the context holds.
  package var maxTokens: Int?
  /// Seed; nil for a hash of (stream, seq).
  package var seed: UInt64?
  /// Where a sequence ends.
  package var stop: Stop
  /// 0 takes the most probable token.
  package var temperature: Double
  /// Sample among the k most probable tokens; -1 for all.
  package var topK: Int
  /// Sample among the most probable tokens that together reach p.
  package var topP: Double

  /// Parameters; the defaults sample from the model's own distribution.
  package init(
    maxTokens: Int? = nil, seed: UInt64? = nil, stop: Stop = .modelDefault,
    temperature: Double = 1, topK: Int = -1, topP: Double = 1
  ) {
    self.maxTokens = maxTokens
    self.seed = seed
    self.stop = stop
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
  }
}

extension SamplingParams: Coded {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__SamplingParams>?) {
    tinsmith__v1__sampling_params__init(c)
  }

  init(_ c: Tinsmith__V1__SamplingParams, _ reader: Reader) throws(WireError) {
    self.init()
    if c.max_tokens_presence_case
      == TINSMITH__V1__SAMPLING_PARAMS__MAX_TOKENS_PRESENCE_MAX_TOKENS
    {
      maxTokens = try Check.range(c.max_tokens, 1...Limits.maxNewTokens, "max_tokens")
    }
    if c.seed_presence_case == TINSMITH__V1__SAMPLING_PARAMS__SEED_PRESENCE_SEED { seed = c.seed }
    if c.temperature_presence_case
      == TINSMITH__V1__SAMPLING_PARAMS__TEMPERATURE_PRESENCE_TEMPERATURE
    {
      temperature = try Check.notNegative(c.temperature, "temperature")
    }
    topK = c.top_k > 0 ? Int(c.top_k) : -1
    if c.top_p_presence_case == TINSMITH__V1__SAMPLING_PARAMS__TOP_P_PRESENCE_TOP_P {
      topP = try Check.number(c.top_p, "top_p", "above 0 and at most 1") { $0 > 0 && $0 <= 1 }
    }
    switch c.stop_case {
    case TINSMITH__V1__SAMPLING_PARAMS__STOP_STOP_STRINGS:
      let list: StopStrings = try reader.required(c.stop_strings, "stop_strings")
      stop = .strings(list.values)
    case TINSMITH__V1__SAMPLING_PARAMS__STOP_STOP_TOKENS:
      let list: StopTokens = try reader.required(c.stop_tokens, "stop_tokens")
      stop = .tokens(list.ids)
    default:
      stop = .modelDefault
    }
  }

  func fill(_ c: inout Tinsmith__V1__SamplingParams, _ writer: Writer) {
    if let maxTokens {
      c.max_tokens_presence_case = TINSMITH__V1__SAMPLING_PARAMS__MAX_TOKENS_PRESENCE_MAX_TOKENS
      c.max_tokens = UInt32(clamping: maxTokens)
    }
    if let seed {
      c.seed_presence_case = TINSMITH__V1__SAMPLING_PARAMS__SEED_PRESENCE_SEED
      c.seed = seed
    }
    c.temperature_presence_case = TINSMITH__V1__SAMPLING_PARAMS__TEMPERATURE_PRESENCE_TEMPERATURE
    c.temperature = temperature
    c.top_k = Int32(clamping: topK)
    c.top_p_presence_case = TINSMITH__V1__SAMPLING_PARAMS__TOP_P_PRESENCE_TOP_P
    c.top_p = topP
    switch stop {
    case .modelDefault: break
    case .strings(let values):
      c.stop_case = TINSMITH__V1__SAMPLING_PARAMS__STOP_STOP_STRINGS
      c.stop_strings = writer.message(StopStrings(values: values))
    case .tokens(let ids):
      c.stop_case = TINSMITH__V1__SAMPLING_PARAMS__STOP_STOP_TOKENS
      c.stop_tokens = writer.message(StopTokens(ids: ids))
    }
  }
}

private struct StopStrings: Coded {
  var values: [String]

  init(values: [String]) { self.values = values }

  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__StopStrings>?) {
    tinsmith__v1__stop_strings__init(c)
  }

  init(_ c: Tinsmith__V1__StopStrings, _ reader: Reader) throws(WireError) {
    values = try reader.texts(c.values, c.n_values, "values", limit: Limits.maxStops)
    let bytes = values.reduce(0) { $0 + $1.utf8.count }
    guard bytes <= Limits.maxStopBytes else {
      throw WireError(
        .tooLarge, "\(bytes) bytes in all, at most \(Limits.maxStopBytes) allowed",
        field: "values")
    }
    if let index = values.firstIndex(of: "") {
      throw WireError(.missing, "must not be empty", field: "values[\(index)]")
    }
  }

  func fill(_ c: inout Tinsmith__V1__StopStrings, _ writer: Writer) {
    writer.texts(values, &c.n_values, &c.values)
  }
}

private struct StopTokens: Coded {
  var ids: [Int32]

  init(ids: [Int32]) { self.ids = ids }

  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__StopTokens>?) {
    tinsmith__v1__stop_tokens__init(c)
  }

  init(_ c: Tinsmith__V1__StopTokens, _ reader: Reader) throws(WireError) {
    guard c.n_ids <= Limits.maxStops else {
      throw WireError(
        .tooLarge, "\(c.n_ids) items, at most \(Limits.maxStops) allowed", field: "ids")
    }
    ids = Array(UnsafeBufferPointer(start: c.ids, count: c.n_ids))
  }

  func fill(_ c: inout Tinsmith__V1__StopTokens, _ writer: Writer) {
    writer.fill(ids, &c.n_ids, &c.ids)
  }
}
