/// Where metrics are served: `9464` (this machine only) or `10.0.0.1:9464`.
package struct MetricsAddress: Sendable, Equatable {
  /// An IPv4 address.
  package let host: String
  /// 0 takes a free one.
  package let port: UInt16

  /// As it is given on a command line.
  package var text: String { "\(host):\(port)" }

  /// Nil if the text is neither form.
  package init?(_ text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard let last = parts.last, parts.count <= 2, let port = UInt16(last) else { return nil }
    let host = parts.count == 2 ? String(parts[0]) : "127.0.0.1"
    let numbers = host.split(separator: ".", omittingEmptySubsequences: false)
    guard numbers.count == 4, numbers.allSatisfy({ UInt8($0) != nil }) else { return nil }
    self.init(host: host, port: port)
  }

  init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }
}
