import Foundation
import Testing

@testable import Engine

/// config.json in its spellings, and what is refused.
@Suite struct ModelConfigTests {
  /// The config of a golden model with some keys replaced (nil removes one).
  private func config(_ model: String, _ changes: [String: Any?]) throws -> ModelConfig {
    let source = URL(filePath: "\(Golden.folder)/models/\(model)/config.json")
    let object = try JSONSerialization.jsonObject(with: Data(contentsOf: source))
    var values = try #require(object as? [String: Any])
    for (key, value) in changes { values[key] = value }
    let path = "\(FileManager.default.temporaryDirectory.path)/\(UUID().uuidString).json"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try JSONSerialization.data(withJSONObject: values).write(to: URL(filePath: path))
    return try ModelConfig(path: path)
  }

  @Test func spellings() throws {
    let llama3 = RotaryScaling.llama3(
      factor: 8, lowFactor: 0.5, highFactor: 1.5, originalLength: 16)
    let old = try config("llama", [:])
    #expect(old.ropeTheta == 100 && old.ropeScaling == llama3 && old.headDimension == 24)
    #expect(!old.tiesEmbeddings && old.kvHeads == 2 && old.normEpsilon == 1e-5)
    let scaling: [String: Any] = [
      "factor": 8.0, "low_freq_factor": 0.5, "high_freq_factor": 1.5,
      "original_max_position_embeddings": 16,
    ]
    let typed = scaling.merging(["type": "llama3"]) { $1 }
    #expect(try config("llama", ["rope_scaling": typed]).ropeScaling == llama3)
    let both = scaling.merging(["rope_type": "llama3", "rope_theta": 100.0]) { $1 }
    let new = try config(
      "llama", ["rope_scaling": nil, "rope_theta": nil, "rope_parameters": both])
    #expect(new.ropeTheta == 100 && new.ropeScaling == llama3)
    let qwen = try config("qwen3", [:])
    #expect(qwen.ropeTheta == 10000 && qwen.ropeScaling == .none && qwen.tiesEmbeddings)
    #expect(try config("llama-kv1", [:]).headDimension == 16)
    #expect(try config("llama-kv1", ["num_key_value_heads": nil]).kvHeads == 5)
  }

  @Test(arguments: ["dynamic", "longrope"])
  func lengthDependentRopeIsRefused(type: String) throws {
    let error = try #require(throws: EngineError.self) {
      _ = try config("llama", ["rope_scaling": ["rope_type": type, "factor": 2.0]])
    }
    #expect(error.code == .unimplemented && error.message.contains(type))
  }

  @Test func ropeFactorsOutOfRangeAreRefused() throws {
    let good: [String: Any] = [
      "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 0.5, "high_freq_factor": 1.5,
      "original_max_position_embeddings": 16,
    ]
    _ = try config("llama", ["rope_scaling": good])
    let cases: [(key: String, value: Any)] = [
      ("factor", 0.0), ("factor", -2.0), ("factor", 1e30), ("low_freq_factor", 0.0),
      ("low_freq_factor", 1.5), ("high_freq_factor", -1.0), ("high_freq_factor", 1e30),
      ("original_max_position_embeddings", 0), ("original_max_position_embeddings", Int.max),
    ]
    for (key, value) in cases {
      let error = try #require(throws: EngineError.self, "\(key) \(value)") {
        _ = try config("llama", ["rope_scaling": good.merging([key: value]) { $1 }])
      }
      #expect(error.code == .invalidArgument, "\(key) \(value): \(error)")
      #expect(error.field?.hasPrefix("config.rope_scaling") == true, "\(error)")
    }
    let linear = try #require(throws: EngineError.self) {
      _ = try config("llama", ["rope_scaling": ["type": "linear", "factor": 0.0]])
    }
    #expect(linear.code == .invalidArgument && linear.field == "config.rope_scaling.factor")
  }

  /// Positions times head dimension bound the table of cosines and sines.
  @Test func aTableOfGigabytesIsRefused() throws {
    let error = try #require(throws: EngineError.self) {
      _ = try config("llama", ["max_position_embeddings": 1 << 20, "head_dim": 1024])
    }
    #expect(error.field == "config.max_position_embeddings", "\(error)")
  }

  @Test func refusals() throws {
    let cases: [(key: String, value: Any?, code: EngineError.Code)] = [
      ("hidden_act", "gelu", .unimplemented), ("attention_bias", true, .unimplemented),
      ("mlp_bias", true, .unimplemented), ("quantization_config", [:], .unimplemented),
      ("is_causal", false, .unimplemented),
      ("hidden_size", "84", .invalidArgument), ("hidden_size", 0, .invalidArgument),
      ("num_key_value_heads", 4, .invalidArgument), ("head_dim", 23, .invalidArgument),
      ("vocab_size", -1, .invalidArgument), ("model_type", nil, .invalidArgument),
      ("num_hidden_layers", "two", .invalidArgument),
      ("num_hidden_layers", NSNull(), .invalidArgument), ("rms_norm_eps", "1", .invalidArgument),
      ("tie_word_embeddings", "true", .invalidArgument), ("rope_scaling", [1], .invalidArgument),
      ("rope_parameters", "linear", .invalidArgument), ("head_dim", true, .invalidArgument),
      ("per_layer_config", ["0": [:]], .unimplemented), ("dtype", "int4", .unimplemented),
      ("layer_types", ["full_attention"], .invalidArgument),
      ("layer_types", ["full_attention", "sliding_attention"], .unimplemented),
      ("rms_norm_eps", -1e-5, .invalidArgument), ("rms_norm_eps", 0, .invalidArgument),
      ("rms_norm_eps", 2, .invalidArgument), ("rope_theta", 0, .invalidArgument),
      ("rope_theta", -10000, .invalidArgument), ("rope_theta", 1e30, .invalidArgument),
      ("hidden_size", Int.max, .invalidArgument), ("vocab_size", Int.max, .invalidArgument),
      ("intermediate_size", Int.max, .invalidArgument),
      ("max_position_embeddings", 1 << 21, .invalidArgument),
      ("num_attention_heads", 1 << 40, .invalidArgument),
    ]
    for (key, value, code) in cases {
      let error = try #require(throws: EngineError.self, "\(key)") {
        _ = try config("llama", [key: value])
      }
      #expect(error.code == code, "\(key): \(error)")
      #expect(error.field == "config.\(key)", "\(error)")
    }
  }

  /// transformers takes `rope_scaling` that is not empty before `rope_parameters`, whole; what is
  /// missing inside comes from the top level.
  @Test func oldRopeSettingsWin() throws {
    let new: [String: Any] = ["rope_type": "linear", "factor": 3.0, "rope_theta": 50.0]
    let old: [String: Any] = ["type": "linear", "factor": 2.0]
    func read(_ old: Any?, _ new: Any?, theta: Any? = 100.0) throws -> (Double, RotaryScaling) {
      let config = try config(
        "llama", ["rope_scaling": old, "rope_parameters": new, "rope_theta": theta])
      return (config.ropeTheta, config.ropeScaling)
    }
    #expect(try read(old, new) == (100, .linear(factor: 2)))
    #expect(try read([String: Any](), new) == (50, .linear(factor: 3)))
    #expect(try read(NSNull(), new) == (50, .linear(factor: 3)))
    #expect(try read(old, nil, theta: nil) == (10000, .linear(factor: 2)))
    #expect(try read(nil, ["rope_type": "default"], theta: 7.0) == (7, .none))
    #expect(throws: EngineError.self) { _ = try read(nil, nil, theta: NSNull()) }
    let partial = try #require(throws: EngineError.self) {
      _ = try config("llama", ["partial_rotary_factor": 0.5])
    }
    #expect(partial.code == .unimplemented && partial.field == "config.partial_rotary_factor")
    // llama3 and yarn: the top level's original length, then the setting's, then the longest.
    let llama3: [String: Any] = [
      "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 0.5, "high_freq_factor": 1.5,
    ]
    func original(_ changes: [String: Any?]) throws -> Int? {
      let values = ["rope_scaling": llama3 as Any?].merging(changes) { $1 }
      guard case .llama3(_, _, _, let length) = try config("llama", values).ropeScaling else {
        return nil
      }
      return length
    }
    #expect(try original([:]) == 256)
    #expect(try original(["original_max_position_embeddings": 32]) == 32)
  }

  @Test func defaultsAreThoseOfTheModelType() throws {
    // As in Qwen3-0.6B: 16 heads of 128 over a width of 1024.
    let qwen = try config("qwen3", ["head_dim": nil, "hidden_size": 80])
    #expect(qwen.headDimension == 128)
    let llama = try config("llama", ["head_dim": nil, "max_position_embeddings": nil])
    #expect(llama.headDimension == 14 && llama.maxPositions == 2048)
    #expect(try config("llama", ["head_dim": NSNull()]).headDimension == 14)
    #expect(try config("llama", ["num_key_value_heads": NSNull()]).kvHeads == 6)
    // 32 heads of keys are more than this model has of queries.
    #expect(throws: EngineError.self) { _ = try config("qwen3", ["num_key_value_heads": nil]) }
  }

  /// Qwen's window is one only if it is switched on and a layer has it.
  @Test func windows() throws {
    let window: [String: Any?] = [
      "use_sliding_window": true, "sliding_window": 4, "max_window_layers": 1,
    ]
    let error = try #require(throws: EngineError.self) { _ = try config("qwen3", window) }
    #expect(error.code == .unimplemented && error.field == "config.use_sliding_window")
    for change: [String: Any?] in [
      ["use_sliding_window": false], ["sliding_window": NSNull()], ["max_window_layers": 28],
    ] {
      _ = try config("qwen3", window.merging(change) { $1 })
    }
  }

  /// Numbers that nobody reads may be any that Python writes; keys that nobody reads are told.
  @Test func whatIsNotRead() throws {
    let source = "\(Golden.folder)/models/llama/config.json"
    let whole = try String(contentsOfFile: source, encoding: .utf8)
    let path = "\(FileManager.default.temporaryDirectory.path)/\(UUID().uuidString).json"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let more =
      #"{"task_specific_params":[NaN,-Infinity,1000000000000000019884624838656],"#
      + #""softcap":1,"#
    try Data(whole.replacing("{\n \"vocab", with: more + "\"vocab").utf8)
      .write(to: URL(filePath: path))
    let warnings = try ModelConfig(path: path).warnings
    #expect(warnings.count == 1 && warnings.first?.contains("softcap") == true, "\(warnings)")
    #expect(try ModelConfig(path: source).warnings == [])
  }

  // MARK: YaRN

  private func yarn(_ changes: [String: Any], theta: Double = 10000) throws -> YaRN {
    let settings = ["rope_type": "yarn", "factor": 4.0].merging(changes) { $1 }
    let config = try config("llama", ["rope_scaling": settings, "rope_theta": theta])
    guard case .yarn(let yarn) = config.ropeScaling else {
      throw EngineError(.internal, "\(config.ropeScaling)")
    }
    return yarn
  }

  /// Ends of the ramp and factors of published models.
  @Test func yarnOfPublishedModels() throws {
    let original = "original_max_position_embeddings"
    let qwen = try yarn([original: 32768], theta: 1e6)
    #expect(qwen.ramp(128, theta: 1e6) == (23, 40))
    #expect(abs(qwen.attentionFactor - 1.138629) < 1e-6)
    let deepseek = try yarn([original: 4096, "factor": 40, "mscale": 1, "mscale_all_dim": 1])
    #expect(deepseek.ramp(64, theta: 10000) == (10, 23))
    #expect(deepseek.attentionFactor == 1)
    let oss = try yarn([original: 4096, "factor": 32, "truncate": false], theta: 150_000)
    let (low, high) = oss.ramp(64, theta: 150_000)
    #expect(abs(low - 8.0928) < 1e-4 && abs(high - 17.3980) < 1e-4)
    #expect(abs(oss.attentionFactor - 1.346574) < 1e-6)
    #expect(try yarn(["attention_factor": 0.5]).attentionFactor == 0.5)
    #expect(try yarn(["beta_fast": 0, "beta_slow": NSNull()]) == yarn([:]))
    // 256 positions of 64: without a factor of its own 4.
    #expect(try yarn([original: 64, "factor": NSNull()]) == yarn([original: 64]))
  }
}
