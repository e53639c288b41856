import Foundation

/// What the weights of a Hugging Face folder take in memory, without reading them.
enum WeightFiles {
  /// Bytes from above: bf16 and f32 stay what they are, f16 becomes f32 when it is packed.
  static func bytes(in folder: String) -> Int {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let stored = names.filter { $0.hasSuffix(".safetensors") }.reduce(0) { sum, name in
      let attributes = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")
      return sum + (attributes?[.size] as? Int ?? 0)
    }
    return isHalf(folder) ? 2 * stored : stored
  }

  private struct Config: Decodable {
    var dtype: String?
    /// As transformers before version 5 wrote it.
    var torchDtype: String?

    enum CodingKeys: String, CodingKey {
      case dtype
      case torchDtype = "torch_dtype"
    }
  }

  private static func isHalf(_ folder: String) -> Bool {
    guard let data = FileManager.default.contents(atPath: "\(folder)/config.json"),
      let config = try? JSONDecoder().decode(Config.self, from: data)
    else { return false }
    return (config.dtype ?? config.torchDtype) == "float16"
  }
}
