internal import Crypto

/// What a valid session token says.
package struct SessionGrant: Sendable, Equatable {
  /// The session's id.
  package let session: String
  /// The name of the tenant that opened it.
  package let tenant: String
}

/// Makes and checks session tokens. A token holds its session's id, its tenant's name and an
/// HMAC-SHA256 over both and the tenant's key, so whoever has the secret and the list of tenants can
/// check it with no table, and a key that is changed or removed ends its tokens:
/// `<session>.<tenant>.<64 hex digits>`. Neither id nor name contains a dot.
package struct SessionAuthority: Sendable {
  private let key: SymmetricKey
  private let tenants: TenantDirectory

  /// - Parameter key: at least 32 secret bytes, the same for router and keeper, kept over restarts.
  package init(key: [UInt8], tenants: TenantDirectory = TenantDirectory()) {
    self.key = SymmetricKey(data: key)
    self.tenants = tenants
  }

  /// A new random key.
  package static func makeKey() -> [UInt8] { (0..<32).map { _ in UInt8.random(in: 0...255) } }

  /// The token of a session.
  package func token(for session: String, tenant: String = Tenant.defaultName) -> String {
    let text = session + "." + tenant
    let signed = Array(text.utf8) + (tenants.keyDigest(of: tenant) ?? [])
    let code = HMAC<SHA256>.authenticationCode(for: signed, using: key)
    return text + "." + code.map(Self.hex).joined()
  }

  /// What a token grants, or nil if the token was not made with this key.
  package func grant(of token: String) -> SessionGrant? {
    let utf8 = Array(token.utf8)
    guard utf8.count > 65, utf8[utf8.count - 65] == UInt8(ascii: ".") else { return nil }
    var code: [UInt8] = []
    for index in stride(from: utf8.count - 64, to: utf8.count, by: 2) {
      guard let high = Self.digit(utf8[index]), let low = Self.digit(utf8[index + 1]) else {
        return nil
      }
      code.append(high << 4 | low)
    }
    let text = utf8[..<(utf8.count - 65)]
    guard let dot = text.firstIndex(of: UInt8(ascii: ".")) else { return nil }
    let tenant = String(decoding: text[(dot + 1)...], as: UTF8.self)
    guard let digest = tenants.keyDigest(of: tenant),
      HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: text + digest, using: key)
    else { return nil }
    return SessionGrant(session: String(decoding: text[..<dot], as: UTF8.self), tenant: tenant)
  }

  /// The tenant named in a token that somebody else has checked; `default` without one.
  package static func tenant(in checked: String) -> Substring {
    let parts = checked.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
    return parts.count == 3 ? parts[1] : Substring(Tenant.defaultName)
  }

  static func hex(_ byte: UInt8) -> String {
    let text = String(byte, radix: 16)
    return byte < 16 ? "0" + text : text
  }

  private static func digit(_ character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
    default: nil
    }
  }
}
