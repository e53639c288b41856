import RPC
import ZeroMQ

/// Client, broker and worker with nothing but sockets: what libzmq alone does on this machine.
final class RawPeer {
  private let socket: Socket
  private var poller = Poller()

  init(_ context: Context, _ endpoint: String) throws {
    socket = try Socket(context, .dealer)
    try socket.connect(endpoint)
    try poller.add(socket)
  }

  /// Requests per second with `window` outstanding.
  func rate(count: Int, window: Int, bodyBytes: Int) throws -> Double {
    let body = [UInt8](repeating: 0, count: bodyBytes)
    var sent = 0
    var received = 0
    let start = Monotonic.microseconds()
    while received < count {
      while sent < count, sent - received < window {
        guard try body.withUnsafeBytes({ try socket.send($0, more: false) }) else { break }
        sent += 1
      }
      var got = false
      while try socket.receive({ bytes, _ in bytes.count }) != nil {
        received += 1
        got = true
      }
      if !got { try poller.wait(milliseconds: -1) }
    }
    return Double(count) / (Double(Monotonic.microseconds() - start) * 1e-6)
  }

  /// Moves messages between the sockets for ever; the worker's first message is its greeting.
  static func broker(_ context: Context, clients: String, workers: String) throws {
    let front = try Socket(context, .router)
    let back = try Socket(context, .router)
    try front.bind(clients)
    try back.bind(workers)
    var poller = Poller()
    try poller.add(back)
    try poller.wait(milliseconds: -1)
    var store = MessageStore(maximumParts: 16)
    guard let greeting = try store.receive(from: back) else { return }
    let worker = [UInt8](store.firstPart(of: greeting.id))
    store.release(greeting.id)
    try poller.add(front)
    while true {
      try poller.wait(milliseconds: -1)
      for _ in 0..<64 {
        guard let message = try store.receive(from: front) else { break }
        _ = try worker.withUnsafeBytes { id in
          try store.send(message.id, to: back, routingID: id)
        }
      }
      for _ in 0..<64 {
        guard let message = try store.receive(from: back) else { break }
        guard let rest = store.dropFirst(message.id) else { continue }
        // The client's id travels as the first part.
        let client = [UInt8](store.firstPart(of: rest))
        guard let answer = store.dropFirst(rest) else { continue }
        _ = try client.withUnsafeBytes { id in
          try store.send(answer, to: front, routingID: id)
        }
      }
    }
  }

  /// Sends back what comes, for ever.
  static func echo(_ context: Context, _ endpoint: String) throws {
    let socket = try Socket(context, .dealer)
    try socket.connect(endpoint)
    var poller = Poller()
    try poller.add(socket)
    _ = try [UInt8]([1]).withUnsafeBytes { try socket.send($0, more: false) }
    while true {
      var parts: [[UInt8]] = []
      while let (part, more) = try socket.receive({ ([UInt8]($0), $1) }) {
        parts.append(part)
        guard !more else { continue }
        for (index, part) in parts.enumerated() {
          _ = try part.withUnsafeBytes { try socket.send($0, more: index + 1 < parts.count) }
        }
        parts.removeAll(keepingCapacity: true)
      }
      try poller.wait(milliseconds: -1)
    }
  }
}
