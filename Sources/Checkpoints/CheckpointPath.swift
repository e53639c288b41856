package import Engine
package import Wire

/// `tinsmith://<model>/weights/<name>` or `tinsmith://<model>/sampler_weights/<name>`; without a name
/// `tinsmith://<model>/sampler_weights/@<seq>`, for weights that go with their session.
///
/// Parsing is strict: the parts become folder names, and a path comes from a client.
package struct CheckpointPath: Equatable, Sendable {
  package let model: String
  package let kind: CheckpointKind
  package let name: String

  /// Weights for sampling that were saved without a name: not listed, and gone with the session.
  package var isUnnamed: Bool { name.hasPrefix(Self.unnamedPrefix) }
  /// Whose checkpoints have no names: no checkpoint's name begins so.
  private static let unnamedPrefix = "@"

  /// As clients write it.
  package var text: String { "tinsmith://\(model)/\(Self.folder(kind))/\(name)" }
  /// Folder below the data folder.
  package var relativeFolder: String { "\(relativeParent)/\(name)" }
  /// The folder of all checkpoints of this kind of the model. What goes with the session is where
  /// the model's records are.
  var relativeParent: String {
    isUnnamed
      ? "\(SessionFolders.name)/\(model)/\(Self.folder(kind))"
      : "checkpoints/\(model)/\(Self.folder(kind))"
  }

  /// The part of the path that says the kind.
  package static func folder(_ kind: CheckpointKind) -> String {
    kind == .training ? "weights" : "sampler_weights"
  }

  /// - Throws: `invalidArgument` naming `field`.
  package init(_ text: String, field: String) throws(EngineError) {
    let prefix = "tinsmith://"
    let parts = text.dropFirst(prefix.count).split(
      separator: "/", omittingEmptySubsequences: false
    ).map(String.init)
    guard text.hasPrefix(prefix), parts.count == 3,
      let kind = [CheckpointKind.training, .sampler].first(where: { Self.folder($0) == parts[1] })
    else {
      throw EngineError(
        .invalidArgument,
        "\"\(text)\" is not tinsmith://<model>/weights/<name> or "
          + "tinsmith://<model>/sampler_weights/<name>", field: field)
    }
    if kind == .sampler, parts[2].hasPrefix(Self.unnamedPrefix),
      let seq = UInt64(parts[2].dropFirst()), parts[2] == "\(Self.unnamedPrefix)\(seq)"
    {
      try self.init(unnamedOf: parts[0], seq: seq, field: field)
    } else {
      try self.init(model: parts[0], kind: kind, name: parts[2], field: field)
    }
  }

  /// Weights for sampling that a model's request `seq` saved without a name.
  /// - Throws: `invalidArgument` naming `field`, for a model that cannot be a folder's name.
  package init(unnamedOf model: String, seq: UInt64, field: String) throws(EngineError) {
    try Self.check(model, field: field)
    self.model = model
    kind = .sampler
    name = "\(Self.unnamedPrefix)\(seq)"
  }

  /// - Throws: `invalidArgument` naming `field`, for a part that cannot be a folder's name.
  package init(
    model: String, kind: CheckpointKind, name: String, field: String
  ) throws(EngineError) {
    try Self.check(model, field: field)
    try Self.check(name, field: field)
    self.model = model
    self.kind = kind
    self.name = name
  }

  /// A text of a client that becomes the name of a folder or a file.
  /// - Throws: `invalidArgument` naming `field`, for one that cannot be.
  package static func check(_ part: String, field: String) throws(EngineError) {
    let isPlain = part.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "-"), UInt8(ascii: ":"):
        true
      default: false
      }
    }
    guard isPlain, !part.isEmpty, part.utf8.count <= 200, !part.hasPrefix(".") else {
      throw EngineError(
        .invalidArgument,
        "\"\(part)\" is not a name: letters, digits, and . _ - : are allowed, not first a dot",
        field: field)
    }
  }
}
