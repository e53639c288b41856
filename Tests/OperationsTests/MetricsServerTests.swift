import Foundation
import Glibc
import Synchronization
import Testing

@testable import Operations

@Suite(.timeLimit(.minutes(30))) struct MetricsServerTests {
  @Test(arguments: [
    ("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", HTTPExchange.Request.get),
    ("GET /metrics?name=x HTTP/1.0\r\n\r\n", .get), ("GET /metrics HTTP/1.1\n\n", .get),
    ("HEAD /metrics HTTP/1.1\r\n\r\n", .head), ("", .incomplete),
    ("GET /metrics HTTP/1.1\r\nHost: x\r\n", .incomplete),
    ("GET / HTTP/1.1\r\n\r\n", .refused(404)), ("GET /metricsx HTTP/1.1\r\n\r\n", .refused(404)),
    ("POST /metrics HTTP/1.1\r\n\r\n", .refused(405)), ("GET /metrics\r\n\r\n", .refused(400)),
    ("GET  /metrics HTTP/1.1\r\n\r\n", .refused(400)), ("\r\n\r\n", .refused(400)),
    ("GET metrics HTTP/1.1\r\n\r\n", .refused(400)), ("G\u{0}T / HTTP/1.1\r\n\r\n", .refused(400)),
    ("GET /metrics HTTP/2\r\n\r\n", .refused(400)),
  ])
  func requestsAreReadOrRefused(text: String, request: HTTPExchange.Request) {
    #expect(HTTPExchange.request(Array(text.utf8)) == request)
  }

  @Test func longHeadsAreRefusedWhetherTheyEndOrNot() {
    let long = Array("GET /metrics HTTP/1.1\r\nX: ".utf8) + [UInt8](repeating: 65, count: 8192)
    #expect(HTTPExchange.request(long) == .refused(431))
    #expect(HTTPExchange.request(long + Array("\r\n\r\n".utf8)) == .refused(431))
  }

  @Test func answersHaveLengthAndType() {
    let answer = HTTPExchange.answer(.get) { "ä 1\n" }
    #expect(
      String(decoding: answer, as: UTF8.self)
        == "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        + "Content-Length: 5\r\nConnection: close\r\n\r\nä 1\n")
    let head = String(decoding: HTTPExchange.answer(.head) { "x" }, as: UTF8.self)
    #expect(head.contains("Content-Length: 1\r\n") && head.hasSuffix("\r\n\r\n"))
    let refused = String(decoding: HTTPExchange.answer(.refused(405)) { "x" }, as: UTF8.self)
    #expect(refused.hasPrefix("HTTP/1.1 405 ") && refused.contains("Allow: GET, HEAD\r\n"))
  }

  @Test(arguments: [
    ("9464", "127.0.0.1", 9464), ("0.0.0.0:80", "0.0.0.0", 80), ("0", "127.0.0.1", 0),
  ])
  func addresses(text: String, host: String, port: UInt16) {
    #expect(MetricsAddress(text)?.host == host)
    #expect(MetricsAddress(text)?.port == port)
  }

  @Test(arguments: ["", "x", "65536", "-1", "1.2.3:80", "1.2.3.256:80", "localhost:80", "a:b:c"])
  func otherTextIsNoAddress(text: String) { #expect(MetricsAddress(text) == nil) }

  private static func connected(to server: MetricsServer) throws -> Int32 {
    let port = try #require(UInt16(server.url.split(separator: ":")[2].prefix { $0 != "/" }))
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_port = port.bigEndian
    inet_pton(AF_INET, "127.0.0.1", &place.sin_addr)
    let connected = withUnsafePointer(to: &place) { place in
      place.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard connected == 0 else {
      close(socket)
      throw POSIXError(.ECONNREFUSED)
    }
    return socket
  }

  /// Connects, sends `text`, and reads to the end.
  private static func exchange(_ server: MetricsServer, _ text: String) throws -> String {
    let socket = try connected(to: server)
    defer { close(socket) }
    send(socket, text, text.utf8.count, Int32(MSG_NOSIGNAL))
    var result: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while case let count = recv(socket, &buffer, buffer.count, 0), count > 0 {
      result += buffer.prefix(count)
    }
    return String(decoding: result, as: UTF8.self)
  }

  @Test func thePageIsServedAnewEachTime() throws {
    let count = Mutex(0)
    let long = String(repeating: "x", count: 1 << 20)
    let server = try MetricsServer(try #require(MetricsAddress("0"))) {
      let number = count.withLock { count in
        count += 1
        return count
      }
      return "n \(number)\n\(long)"
    }
    server.start()
    for number in 1...3 {
      let answer = try Self.exchange(server, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
      #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n"))
      #expect(answer.hasSuffix("\r\n\r\nn \(number)\n\(long)"))
    }
    #expect(try Self.exchange(server, "GET /x HTTP/1.1\r\n\r\n").hasPrefix("HTTP/1.1 404"))
    server.stop()
  }

  @Test func aClientThatSaysNothingIsSentAway() throws {
    let server = try MetricsServer(try #require(MetricsAddress("0"))) { "x" }
    server.start()
    #expect(try Self.exchange(server, "GET /met").hasPrefix("HTTP/1.1 408"))
    #expect(try Self.exchange(server, "GET /metrics HTTP/1.1\r\n\r\n").hasSuffix("\r\n\r\nx"))
    server.stop()
  }

  /// However many connections say nothing, the page is served.
  @Test func connectionsThatSayNothingKeepNobodyOut() throws {
    let server = try MetricsServer(try #require(MetricsAddress("0"))) { "x" }
    server.start()
    var silent: [Int32] = []
    defer { for socket in silent { close(socket) } }
    for _ in 0..<100 { silent.append(try Self.connected(to: server)) }
    #expect(try Self.exchange(server, "GET /metrics HTTP/1.1\r\n\r\n").hasSuffix("\r\n\r\nx"))
    server.stop()
  }

  @Test func aPortThatIsTakenIsNamed() throws {
    let first = try MetricsServer(try #require(MetricsAddress("0"))) { "" }
    let port = first.url.split(separator: ":")[2].prefix { $0 != "/" }
    let second = #expect(throws: MetricsServer.Problem.self) {
      _ = try MetricsServer(try #require(MetricsAddress(String(port)))) { "" }
    }
    #expect(second?.description.contains(":\(port): Address already in use") ?? false)
  }
}
