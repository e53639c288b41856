import Synchronization
import Testing
import Tinsmith

@Suite(.timeLimit(.minutes(30))) struct PendingTests {
  @Test func manyMayWait() async throws {
    let pending = Pending<Int>()
    async let first = pending.value()
    async let second = pending.value()
    pending.resolve(.success(7))
    #expect(try await first == 7)
    #expect(try await second == 7)
    #expect(try await pending.value() == 7)
    #expect(pending.isFinished)
  }

  @Test func onlyTheFirstOutcomeCounts() async throws {
    let pending = Pending<Int>()
    pending.resolve(.success(1))
    pending.resolve(.failure(TinsmithError(.internal, "late")))
    #expect(try await pending.value() == 1)
  }

  @Test func cancellingAWaiterLeavesTheCall() async throws {
    let pending = Pending<Int>()
    let isCancelled = Atomic(false)
    pending.whenCancelled { isCancelled.store(true, ordering: .relaxed) }
    let waiter = Task { try await pending.value() }
    waiter.cancel()
    await #expect(throws: TinsmithError.self) { try await waiter.value }
    let wasCancelled = isCancelled.load(ordering: .relaxed)
    #expect(!wasCancelled)
    pending.resolve(.success(3))
    #expect(try await pending.value() == 3)
  }

  @Test func cancelIsPassedOnOnce() {
    let pending = Pending<Int>()
    let count = Atomic(0)
    pending.whenCancelled { count.add(1, ordering: .relaxed) }
    pending.cancel()
    pending.cancel()
    let calls = count.load(ordering: .relaxed)
    #expect(calls == 1)
  }

  @Test func cancelBeforeTheActionIsKnown() {
    let pending = Pending<Int>()
    let count = Atomic(0)
    pending.cancel()
    pending.whenCancelled { count.add(1, ordering: .relaxed) }
    let calls = count.load(ordering: .relaxed)
    #expect(calls == 1)
  }

  @Test func cancelAfterTheAnswerDoesNothing() {
    let pending = Pending<Int>()
    let count = Atomic(0)
    pending.whenCancelled { count.add(1, ordering: .relaxed) }
    pending.resolve(.success(1))
    pending.cancel()
    let calls = count.load(ordering: .relaxed)
    #expect(calls == 0)
  }
}
