/// One HTTP/1.1 exchange, as bytes: as much of the protocol as a page of metrics needs. Everything
/// that is not a whole, well-formed GET or HEAD of that page gets its error and a closed connection.
package enum HTTPExchange {
  /// Bytes of a request's head, at most.
  package static let maximumHead = 8 << 10
  /// The page.
  package static let path = "/metrics"

  /// What a request's bytes amount to.
  package enum Request: Equatable, Sendable {
    /// The head has not ended yet.
    case incomplete
    case get
    case head
    /// Refused with this status.
    case refused(Int)
  }

  /// Reads what has arrived of a request.
  package static func request(_ bytes: [UInt8]) -> Request {
    guard let end = headEnd(bytes) else {
      return bytes.count >= maximumHead ? .refused(431) : .incomplete
    }
    guard end <= maximumHead else { return .refused(431) }
    let line = bytes.prefix { $0 != UInt8(ascii: "\r") && $0 != UInt8(ascii: "\n") }
    // Visible ASCII only: nothing else belongs into a request line.
    guard line.allSatisfy({ (0x20..<0x7f).contains($0) }) else { return .refused(400) }
    let words = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    guard words.count == 3, !words[0].isEmpty, words[1].hasPrefix("/"),
      words[2] == "HTTP/1.1" || words[2] == "HTTP/1.0"
    else { return .refused(400) }
    guard words[1].prefix(while: { $0 != "?" }) == path else { return .refused(404) }
    switch words[0] {
    case "GET": return .get
    case "HEAD": return .head
    default: return .refused(405)
    }
  }

  /// How many bytes the head has with the empty line that ends it; nil before that.
  private static func headEnd(_ bytes: [UInt8]) -> Int? {
    var isLineEmpty = false
    for (index, byte) in bytes.enumerated() {
      if byte == UInt8(ascii: "\n") {
        if isLineEmpty { return index + 1 }
        isLineEmpty = true
      } else if byte != UInt8(ascii: "\r") {
        isLineEmpty = false
      }
    }
    return nil
  }

  /// The answer to a request.
  ///
  /// - Parameter page: made only when it is asked for.
  package static func answer(_ request: Request, page: () -> String) -> [UInt8] {
    switch request {
    case .get: response(200, page(), withBody: true)
    case .head: response(200, page(), withBody: false)
    case .refused(let status): response(status, "\(reason(status))\n", withBody: true)
    case .incomplete: response(408, "\(reason(408))\n", withBody: true)
    }
  }

  private static func response(_ status: Int, _ body: String, withBody: Bool) -> [UInt8] {
    let type = status == 200 ? "text/plain; version=0.0.4; charset=utf-8" : "text/plain"
    var lines = [
      "HTTP/1.1 \(status) \(reason(status))", "Content-Type: \(type)",
      "Content-Length: \(body.utf8.count)", "Connection: close",
    ]
    if status == 405 { lines.append("Allow: GET, HEAD") }
    let head = lines.map { "\($0)\r\n" }.joined() + "\r\n"
    return Array(head.utf8) + (withBody ? Array(body.utf8) : [])
  }

  private static func reason(_ status: Int) -> String {
    switch status {
    case 200: "OK"
    case 400: "Bad Request"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    default: "Request Header Fields Too Large"
    }
  }
}
