import Testing

@testable import ZeroMQ

@Suite(.timeLimit(.minutes(30)))
struct MessageStoreTests {
  private struct Rig {
    let router: Socket
    let dealer: Socket
    var poller = Poller()

    init() throws {
      let context = try Context()
      router = try Socket(context, .router)
      let endpoint = try router.bind("tcp://127.0.0.1:*")
      dealer = try Socket(context, .dealer)
      try dealer.connect(endpoint)
      try poller.add(router)
    }

    func send(_ parts: [[UInt8]]) throws {
      for (index, part) in parts.enumerated() {
        _ = try part.withUnsafeBytes { try dealer.send($0, more: index + 1 < parts.count) }
      }
    }

    mutating func receive(_ store: inout MessageStore) throws -> MessageStore.Received {
      #expect(try poller.wait(milliseconds: 2000))
      let received = try store.receive(from: router)
      return try #require(received)
    }
  }

  @Test func messagesMoveWholeAndCellsAreUsedAgain() throws {
    var rig = try Rig()
    var store = MessageStore(maximumParts: 8)
    for round in 0..<3000 {
      try rig.send([[UInt8(truncatingIfNeeded: round)], [2, 2], []])
      let message = try rig.receive(&store)
      #expect(message.parts == 4)
      #expect(message.bytes == 5 + 3)
      let identity = [UInt8](store.firstPart(of: message.id))
      let dropped = store.dropFirst(message.id)
      let rest = try #require(dropped)
      let firstPart = [UInt8](store.firstPart(of: rest))
      #expect(firstPart == [UInt8(truncatingIfNeeded: round)])
      let secondPart = [UInt8](store.secondPart(of: rest))
      #expect(secondPart == [2, 2])
      let sending = try identity.withUnsafeBytes {
        try store.send(rest, to: rig.router, routingID: $0)
      }
      #expect(sending == .sent)
    }
    let left = store.count
    #expect(left == 0)
  }

  @Test func manyMessagesAreHeldAtOnce() throws {
    var rig = try Rig()
    var store = MessageStore(maximumParts: 8)
    var held: [MessageStore.ID] = []
    for round in 0..<2000 {
      try rig.send([[UInt8](repeating: UInt8(round % 251), count: 64)])
      held.append(try rig.receive(&store).id)
    }
    let held2000 = store.count
    #expect(held2000 == 2000)
    for (round, id) in held.enumerated() {
      let isWhole = store.secondPart(of: id).allSatisfy { $0 == UInt8(round % 251) }
      #expect(isWhole)
      store.release(id)
    }
    let left = store.count
    #expect(left == 0)
  }

  @Test func partsBeyondTheLimitAreDropped() throws {
    var rig = try Rig()
    var store = MessageStore(maximumParts: 4)
    try rig.send((0..<40).map { [UInt8($0)] })
    let message = try rig.receive(&store)
    #expect(message.isTruncated)
    #expect(message.parts == 4)
    store.release(message.id)
    // The next message is whole again.
    try rig.send([[1], [2]])
    let next = try rig.receive(&store)
    #expect(!next.isTruncated)
    #expect(next.parts == 3)
    store.release(next.id)
  }

  @Test func aPeerThatIsGoneIsReported() throws {
    var rig = try Rig()
    var store = MessageStore(maximumParts: 4)
    try rig.send([[1]])
    let message = try rig.receive(&store)
    let sending = try [UInt8]([0, 1, 1, 1, 1]).withUnsafeBytes {
      try store.send(message.id, to: rig.router, routingID: $0)
    }
    #expect(sending == .unreachable)
    let left = store.count
    #expect(left == 0)
  }

  @Test func theFirstPartCanBeReplaced() throws {
    var rig = try Rig()
    var store = MessageStore(maximumParts: 4)
    try rig.send([[1], [2]])
    let message = try rig.receive(&store)
    let dropped = store.dropFirst(message.id)
    let rest = try #require(dropped)
    let long = [UInt8](repeating: 8, count: 300)
    try store.replaceFirst(of: rest, with: long)
    let firstPart = [UInt8](store.firstPart(of: rest))
    #expect(firstPart == long)
    let secondPart = [UInt8](store.secondPart(of: rest))
    #expect(secondPart == [2])
    store.release(rest)
  }

  @Test func aMessageOfAnIdentityOnlyVanishes() throws {
    var store = MessageStore(maximumParts: 4)
    var rig = try Rig()
    try rig.send([[]])
    let message = try rig.receive(&store)
    let dropped = store.dropFirst(message.id)
    let rest = try #require(dropped)
    let nothing = store.dropFirst(rest)
    #expect(nothing == nil)
    let left = store.count
    #expect(left == 0)
  }
}
