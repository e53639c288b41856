internal import DequeModule

/// Requests of one class that wait for room, and whose turn it is.
///
/// Virtual token counters (S-LoRA's VTC, arXiv 2401.00588), written as start-time fair queueing.
/// Every tenant has a counter, to which its requests add cost / weight when they are dispatched,
/// and which their answers correct to the cost that really arose. The waiting tenant with the
/// lowest counter is served next. Within a tenant sessions take turns; within a session requests go
/// as they came. A tenant that begins to wait is lifted to the queue's virtual time, the highest
/// counter that was ever served next: being away earns nothing.
///
/// **The bound.** Let L be the largest cost of a request of a tenant, and R what requests of it can
/// be under way at once (for each worker of the queue the larger of L and its room), both divided
/// by the tenant's weight. While two tenants f and m wait, counter(m) - counter(f) ≤ L(m) + R(f):
/// - m is dispatched only when counter(m) ≤ counter(f), so the difference is at most L(m) then.
/// - Only answers can lower counter(f) against that: by not more than what was charged for the
///   requests of f under way at that moment, which is R(f). (f's later ones raise it first.)
/// - When one of the two begins to wait, it is at most L above and R below the virtual time.
///
/// With one worker and equal weights that is at most 2 · max(largest request, room). So the tokens
/// per weight that two tenants are given while both wait differ by at most that since a moment at
/// which their counters were equal, and by at most twice that between any two moments. Costs that
/// were declared too low are outside of L until the answer tells them; they are charged then.
struct FairQueue {
  /// What one session has waiting.
  private struct SessionLine {
    var session: Int
    var items = Deque<RequestKey>()
  }

  /// One tenant that waits.
  private struct TenantLine {
    var tenant: Int
    /// Its sessions that wait, as places in `sessionLines`; the first one is served next.
    var turns = Deque<Int>()
    /// Where it is in the heap.
    var position = -1
    /// Of two equal counters the one with the lower stamp goes first.
    var stamp: UInt64 = 0
  }

  /// Requests that wait.
  private(set) var count = 0
  /// The highest counter that was served next.
  private(set) var virtualTime = 0.0

  /// By the tenant's place in the tenant table.
  private var counters: [Double] = []
  private var tenantLine: [Int32] = []
  private var tenantLines: [TenantLine] = []
  private var freeTenantLines: [Int] = []
  private var sessionLine: [Int: Int] = [:]
  private var sessionLines: [SessionLine] = []
  private var freeSessionLines: [Int] = []
  /// Places in `tenantLines`, ordered as a heap by counter and stamp.
  private var heap: [Int] = []
  private var lastStamp: UInt64 = 0
  /// The tenant line that `takeFirst` served, until `endTurn`.
  private var served: Int?

  var isEmpty: Bool { count == 0 }

  /// What a tenant was charged, in tokens per weight.
  func counter(of tenant: Int) -> Double { tenant < counters.count ? counters[tenant] : 0 }

  /// How many tenants wait.
  var waitingTenants: Int { heap.count }

  // MARK: Charges

  /// A request goes to its worker without having waited.
  mutating func charge(_ tenant: Int, _ cost: Double) {
    reserve(tenant)
    if tenantLine[tenant] < 0 { counters[tenant] = max(counters[tenant], virtualTime) }
    if count == 0 { virtualTime = max(virtualTime, counters[tenant]) }
    add(cost, to: tenant)
  }

  /// The cost of a request turned out to be another one.
  /// - Parameter difference: what is to be added to the tenant's counter.
  mutating func correct(_ tenant: Int, by difference: Double) {
    guard difference != 0 else { return }
    reserve(tenant)
    add(difference, to: tenant)
  }

  private mutating func add(_ cost: Double, to tenant: Int) {
    counters[tenant] += cost
    let line = tenantLine[tenant]
    if line >= 0 { sift(tenantLines[Int(line)].position) }
  }

  private mutating func reserve(_ tenant: Int) {
    guard tenant >= counters.count else { return }
    let missing = tenant + 1 - counters.count
    counters.append(contentsOf: repeatElement(0, count: missing))
    tenantLine.append(contentsOf: repeatElement(-1, count: missing))
  }

  // MARK: Waiting

  mutating func append(_ item: RequestKey, tenant: Int, session: Int) {
    let line = line(ofTenant: tenant)
    let place: Int
    if let known = sessionLine[session] {
      place = known
    } else {
      place = takeSessionLine(session)
      tenantLines[line].turns.append(place)
    }
    sessionLines[place].items.append(item)
    count += 1
  }

  private mutating func line(ofTenant tenant: Int) -> Int {
    reserve(tenant)
    if tenantLine[tenant] >= 0 { return Int(tenantLine[tenant]) }
    counters[tenant] = max(counters[tenant], virtualTime)
    let line: Int
    if let free = freeTenantLines.popLast() {
      line = free
    } else {
      tenantLines.append(TenantLine(tenant: tenant))
      line = tenantLines.count - 1
    }
    lastStamp += 1
    tenantLines[line].tenant = tenant
    tenantLines[line].stamp = lastStamp
    tenantLines[line].position = heap.count
    tenantLine[tenant] = Int32(line)
    heap.append(line)
    sift(heap.count - 1)
    return line
  }

  private mutating func takeSessionLine(_ session: Int) -> Int {
    let place: Int
    if let free = freeSessionLines.popLast() {
      sessionLines[free].session = session
      place = free
    } else {
      sessionLines.append(SessionLine(session: session))
      place = sessionLines.count - 1
    }
    sessionLine[session] = place
    return place
  }

  // MARK: Turns

  /// The request that is served next, and the tenant that it is charged to.
  var first: (item: RequestKey, tenant: Int)? {
    guard count > 0, let line = heap.first, let turn = tenantLines[line].turns.first,
      let item = sessionLines[turn].items.first
    else { return nil }
    return (item, tenantLines[line].tenant)
  }

  /// The first request goes to its worker. What its stream has next may be appended until
  /// `endTurn`: its tenant has waited all the time then.
  mutating func takeFirst(charging cost: Double) {
    guard let line = heap.first, let turn = removeFirst(of: line) else { return }
    if sessionLines[turn].items.isEmpty {
      free(turn, session: sessionLines[turn].session)
    } else {
      tenantLines[line].turns.append(turn)
    }
    let tenant = tenantLines[line].tenant
    virtualTime = max(virtualTime, counters[tenant])
    lastStamp += 1
    tenantLines[line].stamp = lastStamp
    served = line
    add(cost, to: tenant)
  }

  /// The turn that `takeFirst` began is over.
  mutating func endTurn() {
    guard let line = served else { return }
    served = nil
    if tenantLines[line].turns.isEmpty { leave(line) }
  }

  /// The first request does not wait any more; its session keeps its turn.
  mutating func dropFirst() {
    guard let line = heap.first, let turn = removeFirst(of: line) else { return }
    if sessionLines[turn].items.isEmpty {
      free(turn, session: sessionLines[turn].session)
    } else {
      tenantLines[line].turns.prepend(turn)
    }
    if tenantLines[line].turns.isEmpty { leave(line) }
  }

  /// Nothing waits any more, and counters begin anew.
  /// - Returns: what waited.
  mutating func removeAll() -> [(item: RequestKey, tenant: Int)] {
    var all: [(item: RequestKey, tenant: Int)] = []
    while let first {
      all.append(first)
      dropFirst()
    }
    self = FairQueue()
    return all
  }

  /// Takes the first item of the line's first session, and that session from the line.
  private mutating func removeFirst(of line: Int) -> Int? {
    guard let turn = tenantLines[line].turns.popFirst() else { return nil }
    if sessionLines[turn].items.popFirst() != nil { count -= 1 }
    return turn
  }

  private mutating func free(_ place: Int, session: Int) {
    sessionLine[session] = nil
    freeSessionLines.append(place)
  }

  private mutating func leave(_ line: Int) {
    let position = tenantLines[line].position
    let last = heap.removeLast()
    if last != line {
      heap[position] = last
      tenantLines[last].position = position
      sift(position)
    }
    tenantLine[tenantLines[line].tenant] = -1
    tenantLines[line].position = -1
    freeTenantLines.append(line)
  }

  // MARK: Heap

  private func precedes(_ left: Int, _ right: Int) -> Bool {
    let (a, b) = (counters[tenantLines[left].tenant], counters[tenantLines[right].tenant])
    return a != b ? a < b : tenantLines[left].stamp < tenantLines[right].stamp
  }

  /// Moves what is at a position to where it belongs.
  private mutating func sift(_ start: Int) {
    var position = start
    while position > 0 {
      let parent = (position - 1) / 2
      guard precedes(heap[position], heap[parent]) else { break }
      swapHeap(position, parent)
      position = parent
    }
    while true {
      var least = position
      for child in (2 * position + 1)...(2 * position + 2)
      where child < heap.count && precedes(heap[child], heap[least]) {
        least = child
      }
      guard least != position else { return }
      swapHeap(position, least)
      position = least
    }
  }

  private mutating func swapHeap(_ left: Int, _ right: Int) {
    heap.swapAt(left, right)
    tenantLines[heap[left]].position = left
    tenantLines[heap[right]].position = right
  }
}
