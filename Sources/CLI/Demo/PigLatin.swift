import Foundation
import Trainer

/// The task of the demo: a question about a word, and the right answer.
enum PigLatin {
  private static let vowels = Set("aeiou")

  /// Consonants before the first vowel go to the end, then "ay"; a leading vowel adds "way".
  static func translate(_ word: String) -> String {
    let letters = Array(word)
    let head =
      letters.indices.first { vowels.contains(letters[$0]) || (letters[$0] == "y" && $0 > 0) } ?? 0
    return head == 0 ? word + "way" : String(letters[head...] + letters[..<head]) + "ay"
  }

  /// The question that the model is asked.
  static func question(_ word: String) -> String { "Say \"\(word)\" in pig latin." }

  /// The word list, split by a seeded shuffle.
  struct Words: Sendable {
    /// Words to train on.
    var training: [String]
    /// Words that decide when training stops.
    var stopping: [String]
    /// Words that are never seen in training, for the figures.
    var heldOut: [String]

    /// - Throws: `CommandError` if the list cannot be read or is too short.
    init(seed: UInt64) throws {
      let path = "\(ServedModels.resourceFolder)/piglatin-words.txt"
      guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
        throw CommandError("cannot read \(path)")
      }
      var words = text.split(whereSeparator: \.isWhitespace).map { String($0) }
      guard words.count >= 1000 else { throw CommandError("\(path) has only \(words.count) words") }
      var random = SeededGenerator(seed: seed)
      words.shuffle(using: &random)
      heldOut = Array(words[..<300])
      stopping = Array(words[300..<400])
      training = Array(words[400...])
    }
  }
}

/// SplitMix64: the same shuffles everywhere.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
