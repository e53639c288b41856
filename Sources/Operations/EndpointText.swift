/// Endpoints as they are given on a command line: `tcp://HOST:PORT` or `ipc://PATH`.
package enum EndpointText {
  /// What an endpoint is for.
  package enum Use: Sendable {
    /// Port `*` (or 0) takes a free one.
    case listen
    case connect
  }

  /// Bytes of a local socket's path, by the system's `sockaddr_un`.
  private static let longestPath = 107

  /// What is wrong with it, in words; nil if it can be used.
  package static func problem(_ text: String, _ use: Use) -> String? {
    if text.hasPrefix("ipc://") {
      let path = text.dropFirst("ipc://".count)
      if path.isEmpty { return "\(text) has no path" }
      return path.utf8.count <= longestPath
        ? nil : "the path of \(text) has more than \(longestPath) bytes"
    }
    guard text.hasPrefix("tcp://") else {
      return "\(text) is no endpoint like tcp://127.0.0.1:7410"
    }
    let place = text.dropFirst("tcp://".count)
    guard let colon = place.lastIndex(of: ":"), colon > place.startIndex else {
      return "\(text) has no port"
    }
    let port = place[place.index(after: colon)...]
    if use == .listen, port == "*" || port == "0" { return nil }
    guard port.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(port),
      (1...65_535).contains(number)
    else { return "the port of \(text) is not 1 to 65535" }
    return nil
  }
}
