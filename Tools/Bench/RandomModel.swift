import Engine
import Foundation

/// A Qwen3 shape with random bf16 weights, written once in Hugging Face layout.
struct RandomModel {
  let name: String
  let hidden, layers, heads, kvHeads, headDimension, intermediate, vocabulary: Int
  private(set) var positions = 4096

  /// The same with another longest sequence, in a folder of its own.
  func with(positions: Int) -> RandomModel {
    var model = self
    model.positions = positions
    return model
  }

  private var folderName: String { positions == 4096 ? name : "\(name)-\(positions)" }

  static let mini = RandomModel(
    name: "mini", hidden: 256, layers: 6, heads: 8, kvHeads: 4, headDimension: 32,
    intermediate: 768, vocabulary: 4096)
  static let qwen = RandomModel(
    name: "qwen3-0.6b", hidden: 1024, layers: 28, heads: 16, kvHeads: 8, headDimension: 128,
    intermediate: 3072, vocabulary: 151_936)

  /// Names and shapes of the tensors, in file order.
  private var tensors: [(name: String, shape: [Int])] {
    var list = [("model.embed_tokens.weight", [vocabulary, hidden])]
    for layer in 0..<layers {
      let prefix = "model.layers.\(layer)"
      list += [
        ("\(prefix).input_layernorm.weight", [hidden]),
        ("\(prefix).post_attention_layernorm.weight", [hidden]),
        ("\(prefix).self_attn.q_proj.weight", [heads * headDimension, hidden]),
        ("\(prefix).self_attn.k_proj.weight", [kvHeads * headDimension, hidden]),
        ("\(prefix).self_attn.v_proj.weight", [kvHeads * headDimension, hidden]),
        ("\(prefix).self_attn.o_proj.weight", [hidden, heads * headDimension]),
        ("\(prefix).self_attn.q_norm.weight", [headDimension]),
        ("\(prefix).self_attn.k_norm.weight", [headDimension]),
        ("\(prefix).mlp.gate_proj.weight", [intermediate, hidden]),
        ("\(prefix).mlp.up_proj.weight", [intermediate, hidden]),
        ("\(prefix).mlp.down_proj.weight", [hidden, intermediate]),
      ]
    }
    return list + [("model.norm.weight", [hidden])]
  }

  /// Makes the folder unless it is there, and returns it.
  func folder(in root: String) throws -> String {
    let folder = "\(root)/\(folderName)"
    if FileManager.default.fileExists(atPath: "\(folder)/model.safetensors") { return folder }
    let storage = FileStorage()
    try storage.makeDirectory(folder)
    let config = """
      {"model_type": "qwen3", "hidden_size": \(hidden), "num_hidden_layers": \(layers),
       "num_attention_heads": \(heads), "num_key_value_heads": \(kvHeads),
       "head_dim": \(headDimension), "intermediate_size": \(intermediate),
       "vocab_size": \(vocabulary), "max_position_embeddings": \(positions), "rms_norm_eps": 1e-6,
       "rope_theta": 1000000.0, "tie_word_embeddings": true, "hidden_act": "silu"}
      """
    try config.write(toFile: "\(folder)/config.json", atomically: true, encoding: .utf8)
    try storage.replaceFile("\(folder)/model.safetensors") { file in
      var writer = SafetensorsWriter()
      var buffers: [UnsafeMutableRawBufferPointer] = []
      defer { for buffer in buffers { buffer.deallocate() } }
      var state: UInt64 = 1
      for tensor in tensors {
        let count = tensor.shape.reduce(1, *)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count * 2, alignment: 64)
        buffers.append(buffer)
        let values = buffer.bindMemory(to: UInt16.self)
        for i in 0..<count { values[i] = Self.weight(&state, isNorm: tensor.shape.count == 1) }
        writer.add(tensor.name, .bf16, UnsafeRawBufferPointer(buffer), shape: tensor.shape)
      }
      try writer.write(to: file)
    }
    return folder
  }

  /// A bf16 pattern: 1 for norms, otherwise uniform in about ±0.035 (deviation 0.02).
  private static func weight(_ state: inout UInt64, isNorm: Bool) -> UInt16 {
    if isNorm { return 0x3f80 }
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    let unit = Float(Int32(truncatingIfNeeded: state >> 32)) / Float(Int32.max)
    return UInt16((unit * 0.035).bitPattern >> 16)
  }
}
