import Tinsmith

/// What this build calls itself.
enum ProductVersion {
  /// Of the product, as the SDK has it.
  static var text: String { ServiceClient.version }
}

/// Something that went wrong in a command, in words for the person who ran it.
struct CommandError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}
