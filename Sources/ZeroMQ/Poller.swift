internal import CZMQ
internal import Glibc

/// Waits for input on a fixed list of sockets and descriptors. Belongs to the thread that owns
/// the sockets.
///
/// It polls the descriptors behind the sockets itself: `zmq_poll` asks every socket before and
/// after it waits, which is a system call each, and loops that have just found their sockets empty
/// know the answer.
package struct Poller {
  private var sockets: [Socket?] = []
  private var descriptors: [pollfd] = []
  private var ready: [Bool] = []

  package init() {}

  /// Adds a socket; the result is its index for `isReady`.
  @discardableResult
  package mutating func add(_ socket: Socket) throws(ZMQError) -> Int {
    add(socket, try socket.descriptor())
  }

  /// Adds a file descriptor; the result is its index for `isReady`.
  @discardableResult
  package mutating func add(descriptor: Int32) -> Int { add(nil, descriptor) }

  private mutating func add(_ socket: Socket?, _ descriptor: Int32) -> Int {
    sockets.append(socket)
    descriptors.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0))
    ready.append(false)
    return sockets.count - 1
  }

  /// Puts another socket at an index (a connection that was closed and opened again).
  package mutating func replace(at index: Int, with socket: Socket) throws(ZMQError) {
    descriptors[index].fd = try socket.descriptor()
    sockets[index] = socket
  }

  /// Waits until something is ready or `milliseconds` passed; negative waits for ever.
  /// - Returns: true when something is ready.
  @discardableResult
  package mutating func wait(milliseconds: Int) throws(ZMQError) -> Bool {
    for index in ready.indices { ready[index] = false }
    // What a socket has already is not announced again by its descriptor.
    if try lookAtSockets(where: { socket, _ in !socket.isDrained }) { return true }
    let end = milliseconds < 0 ? nil : Self.now() + milliseconds
    var rest = milliseconds
    while true {
      if try pollOnce(milliseconds: rest) == 0 { return false }
      var isReady = try lookAtSockets { _, news in news != 0 }
      for index in sockets.indices where sockets[index] == nil {
        ready[index] = descriptors[index].revents != 0
        if ready[index] { isReady = true }
      }
      if isReady { return true }
      // The news was libzmq's own: a connection made, room to send.
      if let end { rest = max(0, end - Self.now()) }
    }
  }

  /// Whether the item has input, as of the last `wait`.
  package func isReady(_ index: Int) -> Bool { ready[index] }

  // MARK: Parts

  private mutating func lookAtSockets(
    where isWorthIt: (Socket, Int16) -> Bool
  ) throws(ZMQError) -> Bool {
    var found = false
    for index in sockets.indices {
      guard let socket = sockets[index], isWorthIt(socket, descriptors[index].revents) else {
        continue
      }
      ready[index] = try socket.hasInput()
      if ready[index] { found = true }
    }
    return found
  }

  private mutating func pollOnce(milliseconds: Int) throws(ZMQError) -> Int32 {
    while true {
      let count = poll(&descriptors, nfds_t(descriptors.count), Int32(clamping: milliseconds))
      if count >= 0 { return count }
      if errno != EINTR { throw ZMQError(code: errno, call: "poll") }
    }
  }

  private static func now() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
  }
}
