import ArgumentParser
import Foundation
import RPC

/// `--tenants FILE`: who may use the service.
struct TenantsOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Let in only the tenants in a JSON file: an array of {\"name\", \"key\", \"weight\"}.",
      valueName: "file"), transform: PathText.check)
  var tenants: String?

  /// The tenants in the file; empty without one, which lets everybody in.
  ///
  /// - Throws: `CommandError` if the file cannot be read, or says nothing valid.
  func read() throws -> [Tenant] {
    guard let tenants else { return [] }
    guard let data = FileManager.default.contents(atPath: tenants) else {
      throw CommandError("cannot read \(tenants)")
    }
    do {
      let list = try TenantsFile.decode(data)
      _ = try TenantDirectory(list)
      guard !list.isEmpty else { throw CommandError("no tenant, so nobody could come in") }
      return list
    } catch {
      throw CommandError("\(tenants): \(Self.explain(error))")
    }
  }

  /// Makes a copy that only this user can read.
  ///
  /// - Returns: its path; nil without a file.
  func copy(to path: String) throws -> String? {
    guard let tenants else { return nil }
    guard let data = FileManager.default.contents(atPath: tenants),
      FileManager.default.createFile(
        atPath: path, contents: data, attributes: [.posixPermissions: 0o600])
    else { throw CommandError("cannot copy \(tenants): \(DataFolder.lastError)") }
    return path
  }

  private static func explain(_ error: any Error) -> String {
    switch error {
    case let error as RPCError: error.message
    case let error as CommandError: error.description
    case DecodingError.keyNotFound(let key, _): "a tenant has no \"\(key.stringValue)\""
    default: "not a JSON array of {\"name\": text, \"key\": text, \"weight\": number}"
    }
  }
}

/// The form of the file.
enum TenantsFile {
  private struct Entry: Decodable {
    var name: String
    var key: String
    var weight: Double?

    enum CodingKeys: String, CodingKey, CaseIterable { case name, key, weight }

    init(from decoder: any Decoder) throws {
      for key in try decoder.container(keyedBy: AnyKey.self).allKeys
      where CodingKeys(rawValue: key.stringValue) == nil {
        let known = CodingKeys.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
        throw CommandError("a tenant has \"\(key.stringValue)\", which is none of \(known)")
      }
      let values = try decoder.container(keyedBy: CodingKeys.self)
      name = try values.decode(String.self, forKey: .name)
      key = try values.decode(String.self, forKey: .key)
      weight = try values.decodeIfPresent(Double.self, forKey: .weight)
    }
  }

  /// Whatever key there is.
  private struct AnyKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  /// - Throws: `DecodingError`, `CommandError` for an unknown key, or `RPCError` for a value that is
  ///   not allowed.
  static func decode(_ data: Data) throws -> [Tenant] {
    try JSONDecoder().decode([Entry].self, from: data).map { entry in
      try Tenant(name: entry.name, weight: entry.weight ?? 1, key: entry.key)
    }
  }
}
