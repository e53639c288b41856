internal import Crypto
internal import Wire

/// A party that is accounted for: all sessions that were opened with one key.
package struct Tenant: Sendable, Equatable {
  /// Its name in statistics and tokens: 1 to 64 of `A-Z a-z 0-9 _ -`.
  package let name: String
  /// Its share of a busy service, relative to other tenants; 0.001 to 1000.
  package let weight: Double
  /// What its clients send as `CreateSessionRequest.api_key`.
  package let key: String

  /// The tenant of calls without a session, and of sessions without a key.
  package static let defaultName = "default"

  /// - Throws: `RPCError` INVALID_ARGUMENT that names what is wrong.
  package init(name: String, weight: Double = 1, key: String) throws(RPCError) {
    guard Self.isName(name) else {
      throw RPCError(
        .invalidArgument, "a tenant's name is 1 to 64 of A-Z a-z 0-9 _ -, not \"\(name)\"",
        field: "name")
    }
    guard weight >= 0.001, weight <= 1000 else {
      throw RPCError(
        .invalidArgument, "the weight of tenant \(name) must be 0.001 to 1000", field: "weight")
    }
    self.name = name
    self.weight = weight
    self.key = key
  }

  private static func isName(_ name: String) -> Bool {
    (1...64).contains(name.utf8.count)
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }
}

/// Which key belongs to which tenant.
///
/// With a list of tenants only their keys are let in. Without one everybody is: an empty key is
/// the tenant `default`, and any other key is a tenant of its own, named after its digest.
package struct TenantDirectory: Sendable {
  private let names: [[UInt8]: String]
  private let weights: [String: Double]
  /// A digest of each tenant's key, by its name.
  private let keyDigests: [String: [UInt8]]
  /// Whether everybody is let in.
  let isOpen: Bool

  /// Lets everybody in.
  package init() {
    names = [:]
    weights = [:]
    keyDigests = [:]
    isOpen = true
  }

  /// - Throws: `RPCError` INVALID_ARGUMENT if two tenants have one name or one key.
  package init(_ tenants: [Tenant]) throws(RPCError) {
    var names: [[UInt8]: String] = [:]
    var weights: [String: Double] = [:]
    for tenant in tenants {
      guard weights.updateValue(tenant.weight, forKey: tenant.name) == nil else {
        throw RPCError(.invalidArgument, "two tenants are called \(tenant.name)", field: "name")
      }
      guard names.updateValue(tenant.name, forKey: Self.digest(tenant.key)) == nil else {
        throw RPCError(
          .invalidArgument, "tenant \(tenant.name) has the key of another one", field: "key")
      }
    }
    self.names = names
    self.weights = weights
    keyDigests = Dictionary(uniqueKeysWithValues: names.map { ($1, $0) })
    isOpen = tenants.isEmpty
  }

  /// The name of a key's tenant.
  /// - Throws: UNAUTHENTICATED for a key that is not in the list.
  package func tenant(forKey key: String) throws(RPCError) -> String {
    guard isOpen else {
      // Looked up by digest, so that the time taken says nothing about the keys.
      guard let name = names[Self.digest(key)] else {
        throw RPCError(.unauthenticated, "the API key is not known here", field: "api_key")
      }
      return name
    }
    guard !key.isEmpty else { return Tenant.defaultName }
    return "key-" + Self.digest(key).prefix(6).map(SessionAuthority.hex).joined()
  }

  /// The weight of a tenant, nil for one that is not (any more) in the list.
  package func weight(of name: String) -> Double? { isOpen ? 1 : weights[name] }

  /// What a tenant's tokens depend on besides the router's secret: its key, so that they end with
  /// it. Nothing where everybody is let in (a tenant's name has its key's digest in it then), nil
  /// for a tenant that is not (any more) in the list.
  func keyDigest(of name: String) -> [UInt8]? { isOpen ? [] : keyDigests[name] }

  private static func digest(_ key: String) -> [UInt8] {
    Array(SHA256.hash(data: Array(key.utf8)))
  }
}
