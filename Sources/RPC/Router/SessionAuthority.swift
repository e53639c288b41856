internal import Crypto

/// Makes and checks session tokens. A token holds its session's id and an HMAC-SHA256 over it, so
/// whoever has the key can check it with no table: `<session>.<64 hex digits>`.
package struct SessionAuthority: Sendable {
  private let key: SymmetricKey

  /// - Parameter key: at least 32 secret bytes, the same for router and keeper, kept over restarts.
  package init(key: [UInt8]) { self.key = SymmetricKey(data: key) }

  /// A new random key.
  package static func makeKey() -> [UInt8] { (0..<32).map { _ in UInt8.random(in: 0...255) } }

  /// The token of a session.
  package func token(for session: String) -> String {
    let code = HMAC<SHA256>.authenticationCode(for: Array(session.utf8), using: key)
    return session + "." + code.map(Self.hex).joined()
  }

  /// The session of a token, or nil if the token was not made with this key.
  package func session(of token: String) -> String? {
    let utf8 = Array(token.utf8)
    guard utf8.count > 65, utf8[utf8.count - 65] == UInt8(ascii: ".") else { return nil }
    var code: [UInt8] = []
    for index in stride(from: utf8.count - 64, to: utf8.count, by: 2) {
      guard let high = Self.digit(utf8[index]), let low = Self.digit(utf8[index + 1]) else {
        return nil
      }
      code.append(high << 4 | low)
    }
    let session = utf8[..<(utf8.count - 65)]
    guard HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: session, using: key) else {
      return nil
    }
    return String(decoding: session, as: UTF8.self)
  }

  private static func hex(_ byte: UInt8) -> String {
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
