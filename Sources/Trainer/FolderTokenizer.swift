import Foundation
import Tokenizers

/// The tokenizer of a model folder, or why there is none, with what its files say all the same.
struct FolderTokenizer {
  let tokenizer: Result<Tokenizer, TokenizerError>
  /// What ends an answer when a request does not say it.
  let endTokens: Set<Int32>
  /// What has no effect or cannot be used, in words.
  let warnings: [String]

  init(_ folder: String) {
    let directory = URL(fileURLWithPath: folder)
    tokenizer = Result { () throws(TokenizerError) in try Tokenizer(directory: directory) }
    switch tokenizer {
    case .success(let tokenizer):
      endTokens = Set(tokenizer.eosTokenIds)
      warnings = tokenizer.warnings
    case .failure(let error):
      let ends = EndTokens(withoutTokenizer: directory)
      endTokens = Set(ends.ids)
      warnings =
        ["the tokenizer cannot be read, so stop strings are refused: \(error.message)"]
        + ends.warnings
    }
  }
}
