internal import CSystem
internal import Glibc

/// A socket that takes connections: bound where an endpoint says, handed to the listener that serves
/// it, closed when it is released.
package final class ListeningSocket: Sendable {
  /// The endpoint with what was chosen filled in (`tcp://127.0.0.1:*` gets its port).
  package let endpoint: String
  let descriptor: Int32
  /// The file of a local socket, removed at the end unless it is another's by then.
  private let file: (path: String, inode: UInt)?

  /// Binds and listens. Connections wait in the kernel until a listener takes them.
  /// - Parameter endpoint: `tcp://HOST:PORT` (an IPv4 address, an IPv6 address in brackets, a name,
  ///   or `*`; `*` as port takes a free one) or `ipc://PATH`.
  package init(_ endpoint: String) throws(ZMQError) {
    if let path = endpoint.suffix(behind: "ipc://") {
      descriptor = try Self.bind(path: path)
      var status = stat()
      file = stat(path, &status) == 0 ? (path, status.st_ino) : nil
      self.endpoint = endpoint
    } else if let address = endpoint.suffix(behind: "tcp://") {
      descriptor = try Self.bind(address: address)
      file = nil
      self.endpoint = Self.endpoint(of: descriptor)
    } else {
      throw ZMQError(code: EPROTONOSUPPORT, call: "bind \(endpoint)")
    }
  }

  deinit {
    close(descriptor)
    guard let file else { return }
    var status = stat()
    if stat(file.path, &status) == 0, status.st_ino == file.inode { unlink(file.path) }
  }

  // MARK: Binding

  private static func bind(path: String) throws(ZMQError) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard !bytes.isEmpty, bytes.count < MemoryLayout.size(ofValue: address.sun_path),
      !bytes.contains(0)
    else { throw ZMQError(code: ENAMETOOLONG, call: "bind \(path)") }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    // A socket that an earlier process left.
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK { unlink(path) }
    return try withUnsafeBytes(of: &address) { bytes throws(ZMQError) in
      try bind(
        AF_UNIX, UnsafeRawPointer(bytes.baseAddress!).assumingMemoryBound(to: sockaddr.self),
        socklen_t(bytes.count), "bind \(path)")
    }
  }

  private static func bind(address: String) throws(ZMQError) -> Int32 {
    let call = "bind tcp://\(address)"
    guard let colon = address.lastIndex(of: ":") else { throw ZMQError(code: EINVAL, call: call) }
    var host = String(address[..<colon])
    let port = address[address.index(after: colon)...]
    if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
    guard let number = port == "*" ? 0 : UInt16(port), !host.isEmpty else {
      throw ZMQError(code: EINVAL, call: call)
    }
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    // `*` is every IPv4 address, as with libzmq.
    hints.ai_family = host == "*" ? AF_INET : AF_UNSPEC
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host == "*" ? nil : host, String(number), &hints, &list) == 0, let list
    else { throw ZMQError(code: EADDRNOTAVAIL, call: call) }
    defer { freeaddrinfo(list) }
    return try bind(list.pointee.ai_family, list.pointee.ai_addr, list.pointee.ai_addrlen, call)
  }

  private static func bind(
    _ family: Int32, _ address: UnsafePointer<sockaddr>, _ count: socklen_t, _ call: String
  ) throws(ZMQError) -> Int32 {
    let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let descriptor = socket(family, type, 0)
    guard descriptor >= 0 else { throw ZMQError(code: errno, call: call) }
    // The port stays ours when the service starts again; it is still refused while another listens.
    set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
    if family != AF_UNIX {
      // Linux gives these to each connection.
      set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
      set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
      set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 60)
      set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 15)
      set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, 4)
    }
    guard Glibc.bind(descriptor, address, count) == 0, listen(descriptor, SOMAXCONN) == 0 else {
      let code = errno
      close(descriptor)
      throw ZMQError(code: code, call: call)
    }
    return descriptor
  }

  private static func endpoint(of descriptor: Int32) -> String {
    var address = sockaddr_storage()
    var count = socklen_t(MemoryLayout<sockaddr_storage>.size)
    var host = [CChar](repeating: 0, count: 64)
    var port = [CChar](repeating: 0, count: 8)
    withUnsafeMutablePointer(to: &address) { storage in
      storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        _ = getsockname(descriptor, address, &count)
        _ = getnameinfo(
          address, count, &host, socklen_t(host.count), &port, socklen_t(port.count),
          NI_NUMERICHOST | NI_NUMERICSERV)
      }
    }
    let name = text(host)
    return "tcp://\(name.contains(":") ? "[\(name)]" : name):\(text(port))"
  }

  private static func text(_ characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  // MARK: Connections

  /// Takes a connection that waits.
  /// - Returns: nil when none does, or (with `errno` set to something else than EAGAIN) when the
  ///   system gives none.
  func accept() -> Int32? {
    while true {
      let connection = network_accept(descriptor)
      if connection >= 0 { return connection }
      if errno != EINTR && errno != ECONNABORTED { return nil }
    }
  }

  private static func set(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
    var value = value
    setsockopt(descriptor, level, name, &value, 4)
  }
}

extension String {
  /// What is behind a prefix, nil if the text does not have it.
  fileprivate func suffix(behind prefix: String) -> String? {
    hasPrefix(prefix) ? String(dropFirst(prefix.count)) : nil
  }
}
