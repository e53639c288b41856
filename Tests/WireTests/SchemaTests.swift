import Foundation
import Testing

@testable import Wire

/// The Swift tables agree with the schema files.
@Suite struct SchemaTests {
  private static func schema(_ name: String) throws -> String {
    let root = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    return try String(
      contentsOf: root.appending(path: "Proto/tinsmith/v1/\(name).proto"), encoding: .utf8)
  }

  private static func numbers(_ prefix: String, _ text: String) -> [String: UInt32] {
    var result: [String: UInt32] = [:]
    for match in text.matches(of: /([A-Z0-9_]+) = ([0-9]+);/)
    where match.1.hasPrefix(prefix) {
      result[String(match.1.dropFirst(prefix.count))] = UInt32(match.2)
    }
    return result
  }

  @Test func methodsHaveTheSchemasNumbers() throws {
    var schema = Self.numbers("METHOD_", try Self.schema("envelope"))
    #expect(schema.removeValue(forKey: "UNSPECIFIED") == 0)
    #expect(schema.count == Method.allCases.count)
    for method in Method.allCases {
      let name = "\(method.service)_\(method.name)".replacing(/[a-z][A-Z]/) { match in
        "\(match.output.first!)_\(match.output.last!)"
      }
      #expect(schema[name.uppercased()] == method.rawValue)
    }
  }

  @Test func methodsAreTheServicesMethods() throws {
    var declared: Set<String> = []
    for file in ["sessions", "training", "sampling", "checkpoints", "futures", "admin"] {
      let text = try Self.schema(file)
      let service = try #require(text.firstMatch(of: /service ([A-Za-z]+) \{/)?.1)
      for match in text.matches(of: /rpc ([A-Za-z]+)\(/) {
        declared.insert("tinsmith.v1.\(service)/\(match.1)")
      }
    }
    #expect(declared == Set(Method.allCases.map(\.fullName)))
  }

  @Test func statusCodesHaveTheSchemasNumbers() throws {
    let schema = Self.numbers("STATUS_CODE_", try Self.schema("status"))
    #expect(schema.count == StatusCode.allCases.count)
    for code in StatusCode.allCases { #expect(schema["\(code)"] == UInt32(code.rawValue)) }
  }

  @Test func propertiesOfMethods() {
    for method in Method.allCases {
      #expect((method.ordering == .ordered) == (method.route == .model))
      #expect(!method.createsStream || method.needsSession)
    }
    #expect(Method.samplingSaveWeightsForSampler.ordering == .ordered)
    #expect(Method.samplingSample.room == .decode)
    #expect(Method.trainingForward.room == .training)
    #expect(Method.trainingOptimStep.room == .control)
  }

  /// The codes that consume a seq, as design and schema list them.
  @Test func codesThatConsume() {
    let kept: Set<StatusCode> = [
      .resourceExhausted, .unavailable, .aborted, .unauthenticated, .permissionDenied,
    ]
    for code in StatusCode.allCases { #expect(code.consumesSeq == !kept.contains(code)) }
  }
}
