import Testing

@testable import Checkpoints

@Suite struct FairQueueOfWorkTests {
  @Test func tenantsTakeTurns() {
    var turns = Turns<String>()
    for work in ["a1", "a2", "a3"] { turns.add(work, for: "a") }
    #expect(turns.next() == "a1")
    for (work, tenant) in [("b1", "b"), ("c1", "c"), ("b2", "b")] { turns.add(work, for: tenant) }
    var order: [String] = []
    while let work = turns.next() { order.append(work) }
    #expect(order == ["a2", "b1", "c1", "a3", "b2"])
    turns.add("a4", for: "a")
    #expect(turns.next() == "a4" && turns.next() == nil)
  }

  @Test(.timeLimit(.minutes(30))) func everyPieceRunsOnce() async {
    let queue = FairQueueOfWork(label: "test")
    let (ran, note) = AsyncStream.makeStream(of: Int.self)
    for number in 0..<200 {
      queue.add(for: "t\(number % 7)") { note.yield(number) }
    }
    var seen: [Int] = []
    for await number in ran {
      seen.append(number)
      if seen.count == 200 { break }
    }
    #expect(seen.sorted() == Array(0..<200))
    queue.add(for: "last") { note.finish() }
    for await number in ran { Issue.record("\(number) ran twice") }
  }
}
