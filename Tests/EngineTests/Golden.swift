import Foundation
import Testing

@testable import Engine

/// The golden files beside this file; what they hold is described in `Fixtures/README.md`.
enum Golden {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent().path + "/Fixtures"

  static func decode<T: Decodable>(_ type: T.Type, _ name: String) throws -> T {
    let data = try Data(contentsOf: URL(filePath: "\(folder)/\(name)"))
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: data)
  }

  static func tensors(_ name: String) throws -> GoldenTensors {
    GoldenTensors(file: try Safetensors(path: "\(folder)/\(name)"))
  }

  static func forward(_ model: String) throws -> GoldenForward {
    try decode(GoldenForward.self, "forward-\(model).json")
  }

  static func losses(_ model: String) throws -> [GoldenLoss] {
    try decode([GoldenLoss].self, "losses-\(model).json")
  }

  static let models = ["llama", "qwen3", "llama-kv1", "qwen3-mha"]
}

/// A pack of sequences and what the base and each adapter answer.
struct GoldenForward: Decodable {
  struct Sequence: Decodable {
    let tokens: [Int32]
    let targets: [Int32]
  }

  struct Result: Decodable {
    let key: String
    let adapter: String?
    let sequence: Int
    let logitsPositions: [Int]
  }

  let sequences: [Sequence]
  let results: [Result]
}

/// One forward_backward with its answers.
struct GoldenLoss: Decodable, CustomTestStringConvertible {
  struct Input: Decodable {
    let dtype: String
    let shape: [Int]
    let data: [Double]
    let sparseCrowIndices: [Int]?
    let sparseColIndices: [Int]?
  }

  struct Datum: Decodable {
    let tokens: [Int32]
    let inputs: [String: Input]
  }

  let name: String
  let adapter: String
  let lossFn: String
  let config: [String: Double]
  let datums: [Datum]
  let metrics: [String: Double]
  let lossScale: Double

  var testDescription: String { name }
}

/// Tensors of a golden file, as doubles.
struct GoldenTensors {
  let file: Safetensors

  func shape(_ key: String) throws -> [Int] { try #require(file.tensors[key], "\(key)").shape }

  func doubles(_ key: String) throws -> [Double] {
    let tensor = try #require(file.tensors[key], "no golden tensor \(key)")
    let bytes = tensor.bytes
    return try (0..<tensor.count).map { i in
      switch tensor.type {
      case .f64: bytes.loadUnaligned(fromByteOffset: 8 * i, as: Double.self)
      case .f32: Double(bytes.loadUnaligned(fromByteOffset: 4 * i, as: Float.self))
      default: throw EngineError(.dataLoss, "\(key) has type \(tensor.type)")
      }
    }
  }

  func floats(_ key: String) throws -> [Float] { try doubles(key).map { Float($0) } }
}

/// ‖ours − golden‖ / ‖golden‖; the plain norm of ours where the golden is zero.
func relativeError(_ ours: some Sequence<Float>, _ golden: [Double]) -> Double {
  var difference = 0.0
  var size = 0.0
  var count = 0
  for (x, y) in zip(ours, golden) {
    difference += (Double(x) - y) * (Double(x) - y)
    size += y * y
    count += 1
  }
  guard count == golden.count, !difference.isNaN else { return .infinity }
  return size == 0 ? difference.squareRoot() : (difference / size).squareRoot()
}

/// Tolerances of numerics.md, "Golden models that make bugs visible".
enum Tolerance {
  static let logprobs = 1e-5
  static let loss = 1e-5
  static let gradients = 1e-4
  /// A single operation has no depth to lose digits in.
  static let operation = 2e-6
}
