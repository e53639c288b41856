internal import CZMQ

/// Waits for input on a fixed list of sockets and descriptors. Belongs to the thread that owns
/// the sockets.
package struct Poller {
  private var items: [zmq_pollitem_t] = []

  package init() {}

  /// Adds a socket; the result is its index for `isReady`.
  @discardableResult
  package mutating func add(_ socket: Socket) -> Int {
    items.append(
      zmq_pollitem_t(socket: socket.handle, fd: 0, events: Int16(ZMQ_POLLIN), revents: 0))
    return items.count - 1
  }

  /// Adds a file descriptor; the result is its index for `isReady`.
  @discardableResult
  package mutating func add(descriptor: Int32) -> Int {
    items.append(
      zmq_pollitem_t(socket: nil, fd: descriptor, events: Int16(ZMQ_POLLIN), revents: 0))
    return items.count - 1
  }

  /// Puts another socket at an index (a connection that was closed and opened again).
  package mutating func replace(at index: Int, with socket: Socket) {
    items[index].socket = socket.handle
  }

  /// Waits until something is ready or `milliseconds` passed; negative waits for ever.
  /// - Returns: true when something is ready.
  @discardableResult
  package mutating func wait(milliseconds: Int) throws(ZMQError) -> Bool {
    let count = Int32(items.count)
    let ready = try items.withUnsafeMutableBufferPointer { buffer throws(ZMQError) in
      try check("zmq_poll") { zmq_poll(buffer.baseAddress, count, milliseconds) }
    }
    return ready > 0
  }

  /// Whether the item has input, as of the last `wait`.
  package func isReady(_ index: Int) -> Bool { items[index].revents & Int16(ZMQ_POLLIN) != 0 }
}
