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

  @Test(arguments: ["dynamic", "yarn", "longrope"])
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
      ("hidden_size", nil, .invalidArgument), ("hidden_size", 0, .invalidArgument),
      ("num_key_value_heads", 4, .invalidArgument), ("head_dim", 23, .invalidArgument),
      ("vocab_size", -1, .invalidArgument), ("model_type", nil, .invalidArgument),
      ("num_hidden_layers", "two", .dataLoss),
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
      if code != .dataLoss { #expect(error.field == "config.\(key)", "\(error)") }
    }
  }
}
