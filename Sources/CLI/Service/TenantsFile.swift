import ArgumentParser
import Foundation
import JSON
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
    case let error as JSONError: "not JSON: \(error.message)"
    default: "\(error)"
    }
  }
}

/// The form of the file.
enum TenantsFile {
  private static let form =
    "not a JSON array of {\"name\": text, \"key\": text, \"weight\": number}"

  /// - Throws: `JSONError`, `RPCError` for a value that is not allowed, or `CommandError` that names
  ///   the tenant.
  static func decode(_ data: Data) throws -> [Tenant] {
    guard let entries = try JSONParser.parse([UInt8](data)).array else { throw CommandError(form) }
    return try entries.enumerated().map { index, entry in
      guard let entry = entry.object else { throw CommandError(form) }
      let name = entry["name"]?.string
      return try tenant(entry, title: "tenant \(index + 1)" + (name.map { " (\($0))" } ?? ""))
    }
  }

  private static func tenant(_ entry: JSONObject, title: String) throws -> Tenant {
    let known = ["name", "key", "weight"]
    var seen: Set<String> = []
    for (member, _) in entry.members {
      guard known.contains(member) else {
        let names = known.map { "\"\($0)\"" }.joined(separator: ", ")
        throw CommandError("\(title) has \"\(member)\", which is none of \(names)")
      }
      guard seen.insert(member).inserted else {
        throw CommandError("\(title) has \"\(member)\" twice")
      }
    }
    func text(_ member: String) throws -> String {
      guard let value = entry[member] else { throw CommandError("\(title) has no \"\(member)\"") }
      guard let text = value.string else {
        throw CommandError("the \"\(member)\" of \(title) is no text")
      }
      return text
    }
    let (name, key) = (try text("name"), try text("key"))
    guard !key.isEmpty else {
      throw CommandError("the \"key\" of \(title) is empty: whoever sends none would come in")
    }
    return try Tenant(name: name, weight: try weight(entry["weight"], title), key: key)
  }

  private static func weight(_ value: JSONValue?, _ title: String) throws -> Double {
    switch value {
    case nil, .null: 1
    case .int(let weight): Double(weight)
    case .double(let weight): weight
    default: throw CommandError("the \"weight\" of \(title) is no number")
    }
  }
}
