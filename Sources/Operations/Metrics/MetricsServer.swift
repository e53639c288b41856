internal import Foundation
internal import Glibc
internal import Synchronization

/// Serves one page over HTTP on a thread of its own: to some connections at once, each with a few
/// seconds and a bounded request. For a scraper, not for the world.
package final class MetricsServer: Sendable {
  /// Why the page cannot be served.
  package struct Problem: Error, CustomStringConvertible {
    package let description: String
  }

  /// Milliseconds that a request may take to arrive, and an answer to leave.
  private static let patience: Int64 = 3000
  /// With one more the oldest that has not asked yet is closed: connections that say nothing keep
  /// nobody out.
  private static let maximumConnections = 64

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
      var connections: [Connection] = []
      while !isStopping.load(ordering: .acquiring) { serve(&connections) }
      for connection in connections { close(connection.socket) }
    }
    thread.name = "metrics"
    thread.start()
  }

  /// Ends the thread, and its connections with it.
  package func stop() {
    isStopping.store(true, ordering: .releasing)
    // Wakes the thread out of `poll`.
    shutdown(socket, Int32(SHUT_RDWR))
  }

  // MARK: Connections

  private struct Connection {
    let socket: Int32
    /// When it is given up.
    var deadline = now + patience
    /// What it said so far.
    var bytes: [UInt8] = []
    /// What it has not taken of its answer; nil before there is one.
    var answer: ArraySlice<UInt8>?
  }

  /// Waits for something to do, and does it without waiting.
  private func serve(_ connections: inout [Connection]) {
    var entries = [pollfd(fd: socket, events: Int16(POLLIN), revents: 0)]
    entries += connections.map {
      pollfd(fd: $0.socket, events: Int16($0.answer == nil ? POLLIN : POLLOUT), revents: 0)
    }
    let end = connections.map(\.deadline).min()
    let left = end.map { Int32(clamping: max($0 - Self.now, 0)) } ?? -1
    guard poll(&entries, nfds_t(entries.count), left) >= 0 else { return }
    var kept: [Connection] = []
    for (connection, entry) in zip(connections, entries.dropFirst()) {
      var connection = connection
      if go(on: &connection, isReady: entry.revents != 0) {
        kept.append(connection)
      } else {
        close(connection.socket)
      }
    }
    if entries[0].revents != 0 { accept(into: &kept) }
    connections = kept
  }

  private func accept(into connections: inout [Connection]) {
    let new = Glibc.accept(socket, nil, nil)
    guard new >= 0 else {
      // No descriptors or memory: time brings some.
      if !isStopping.load(ordering: .acquiring) { usleep(50_000) }
      return
    }
    _ = fcntl(new, F_SETFD, FD_CLOEXEC)
    connections.append(Connection(socket: new))
    guard connections.count > Self.maximumConnections else { return }
    let oldest = connections.firstIndex { $0.answer == nil } ?? 0
    close(connections.remove(at: oldest).socket)
  }

  /// - Returns: false when the connection has ended.
  private func go(on connection: inout Connection, isReady: Bool) -> Bool {
    let isLate = connection.deadline <= Self.now
    if connection.answer == nil {
      guard !isReady || receive(&connection) else { return false }
      let request = HTTPExchange.request(connection.bytes)
      guard request != .incomplete || isLate else { return true }
      connection.answer = HTTPExchange.answer(request, page: page)[...]
      connection.deadline = Self.now + Self.patience
      return send(to: &connection)
    }
    return isReady ? send(to: &connection) : !isLate
  }

  private func receive(_ connection: inout Connection) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 2048)
    let count = recv(connection.socket, &buffer, buffer.count, Int32(MSG_DONTWAIT))
    if count < 0 { return errno == EINTR || errno == EAGAIN }
    connection.bytes += buffer.prefix(count)
    return count > 0
  }

  private func send(to connection: inout Connection) -> Bool {
    while let rest = connection.answer, !rest.isEmpty {
      let count = rest.withUnsafeBytes {
        Glibc.send(
          connection.socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
      }
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN { return true }
      guard count > 0 else { return false }
      connection.answer = rest.dropFirst(count)
    }
    shutdown(connection.socket, Int32(SHUT_WR))
    return false
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
