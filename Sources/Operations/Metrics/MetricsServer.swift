internal import Foundation
internal import Glibc
internal import Synchronization

/// Serves one page over HTTP on a thread of its own: one connection after the other, each with a
/// few seconds and a bounded request. For a scraper, not for the world.
package final class MetricsServer: Sendable {
  /// Why the page cannot be served.
  package struct Problem: Error, CustomStringConvertible {
    package let description: String
  }

  /// Milliseconds that a request may take to arrive, and an answer to leave.
  private static let patience: Int64 = 3000

  /// The page's address.
  package var url: String { "http://\(address.text)\(HTTPExchange.path)" }
  /// Where it listens.
  package let address: MetricsAddress
  private let socket: Int32
  private let isStopping = Atomic(false)
  private let page: @Sendable () -> String

  /// Listens; `start` begins to serve.
  ///
  /// - Parameter page: makes the text, on the server's thread, at every request.
  package init(_ address: MetricsAddress, page: @escaping @Sendable () -> String) throws(Problem) {
    self.page = page
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard socket >= 0 else { throw Self.problem("make a socket for", address) }
    self.socket = socket
    var on: Int32 = 1
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
    var place = sockaddr_in()
    place.sin_family = sa_family_t(AF_INET)
    place.sin_port = address.port.bigEndian
    guard inet_pton(AF_INET, address.host, &place.sin_addr) == 1,
      Self.with(&place, { bind(socket, $0, $1) }) == 0, listen(socket, 16) == 0
    else {
      let problem = Self.problem("listen at", address)
      close(socket)
      throw problem
    }
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &place) { place in
      _ = place.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &size) }
    }
    self.address = MetricsAddress(host: address.host, port: UInt16(bigEndian: place.sin_port))
  }

  deinit { close(socket) }

  /// Serves until `stop`.
  package func start() {
    let thread = Thread { [self] in
      while !isStopping.load(ordering: .acquiring) { serveOne() }
    }
    thread.name = "metrics"
    thread.start()
  }

  /// Ends the thread; a connection that is being served is finished first.
  package func stop() {
    isStopping.store(true, ordering: .releasing)
    // Wakes the thread out of `accept`.
    shutdown(socket, Int32(SHUT_RDWR))
  }

  // MARK: One connection

  private func serveOne() {
    let connection = accept(socket, nil, nil)
    guard connection >= 0 else {
      // No descriptors or memory: time brings some.
      if !isStopping.load(ordering: .acquiring) { usleep(50_000) }
      return
    }
    defer { close(connection) }
    _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
    let deadline = Self.now + Self.patience
    var bytes: [UInt8] = []
    var request = HTTPExchange.Request.incomplete
    while request == .incomplete {
      guard Self.wait(connection, POLLIN, until: deadline) else { break }
      var buffer = [UInt8](repeating: 0, count: 2048)
      let count = recv(connection, &buffer, buffer.count, Int32(MSG_DONTWAIT))
      if count < 0, errno == EINTR || errno == EAGAIN { continue }
      guard count > 0 else { return }
      bytes += buffer.prefix(count)
      request = HTTPExchange.request(bytes)
    }
    let answer = HTTPExchange.answer(request, page: page)
    Self.send(answer, to: connection, until: Self.now + Self.patience)
    shutdown(connection, Int32(SHUT_WR))
  }

  private static func send(_ bytes: [UInt8], to connection: Int32, until deadline: Int64) {
    var rest = bytes[...]
    while !rest.isEmpty, wait(connection, POLLOUT, until: deadline) {
      let count = rest.withUnsafeBytes {
        Glibc.send(
          connection, $0.baseAddress, $0.count,
          Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
      }
      if count < 0, errno == EINTR || errno == EAGAIN { continue }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }

  private static func wait(_ connection: Int32, _ event: Int32, until deadline: Int64) -> Bool {
    while true {
      let left = deadline - now
      guard left > 0 else { return false }
      var entry = pollfd(fd: connection, events: Int16(event), revents: 0)
      let count = poll(&entry, 1, Int32(left))
      if count < 0, errno == EINTR { continue }
      return count > 0
    }
  }

  /// Milliseconds of a clock that never goes back.
  private static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }

  private static func with(
    _ place: inout sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    withUnsafePointer(to: &place) { place in
      place.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }

  private static func problem(_ what: String, _ address: MetricsAddress) -> Problem {
    Problem(
      description: "cannot \(what) \(address.host):\(address.port): "
        + String(cString: strerror(errno)))
  }
}
