import TestSupport
import Testing

@testable import Trainer

@Suite struct BatchFormerTests {
  private typealias Piece = BatchFormer.Piece

  /// A former with open models `<session>:train:<n>` of one base.
  private func former(_ streams: String..., base: String = "base") -> BatchFormer {
    var former = BatchFormer()
    for stream in streams { former.open(stream, base: base) }
    return former
  }

  @discardableResult
  private func add(
    _ former: inout BatchFormer, _ stream: String, _ rows: [Int], tenant: String = "t",
    accumulates: Bool = true
  ) -> Int {
    former.append(
      .training(accumulates: accumulates, rows: rows), stream: stream, tenant: tenant,
      session: String(stream.prefix { $0 != ":" }))
  }

  @Test func joinsModelsAndKeepsTheOrderOfEach() {
    var former = former("a:0", "b:0")
    let a = add(&former, "a:0", [10, 10])
    let step = former.append(.alone, stream: "a:0", tenant: "t", session: "a")
    let b = add(&former, "b:0", [10])
    #expect(
      former.next { _ in 100 }
        == .training(
          base: "base", [Piece(request: a, datums: 0..<2), Piece(request: b, datums: 0..<1)]))
    // The optimizer step waits for the answer of what is before it.
    #expect(former.next { _ in 100 } == nil)
    former.finished(a)
    former.finished(b)
    #expect(former.next { _ in 100 } == .alone(step))
    former.finished(step)
    #expect(former.isEmpty && former.next { _ in 100 } == nil)
  }

  /// A request larger than a batch takes several, and others get in between.
  @Test func cutsLongRequests() {
    var former = former("a:0", "b:0")
    let long = add(&former, "a:0", [60, 60, 60, 60])
    #expect(
      former.next { _ in 100 } == .training(base: "base", [Piece(request: long, datums: 0..<1)]))
    let short = add(&former, "b:0", [30])
    // b is lifted to where a is, so a, which came first, is not passed over for long.
    var seen: [Int] = []
    for _ in 0..<2 {
      guard case .training(_, let pieces)? = former.next(limit: { _ in 100 }) else { break }
      seen += pieces.map(\.request)
      if pieces.contains(where: { $0.request == short }) { former.finished(short) }
    }
    #expect(seen.contains(short) && seen.contains(long))
    #expect(former.waitingRows <= 120)
  }

  /// One datum larger than the limit goes by itself.
  @Test func oneAlwaysFits() {
    var former = former("a:0", "b:0")
    let a = add(&former, "a:0", [500])
    add(&former, "b:0", [10])
    #expect(
      former.next { _ in 100 } == .training(base: "base", [Piece(request: a, datums: 0..<1)]))
  }

  /// Requests of other base models, and those that do not accumulate, are not mixed in.
  @Test func keepsKindsApart() {
    var former = former("a:0", "b:0")
    former.open("c:0", base: "other")
    let a = add(&former, "a:0", [10])
    let forward = add(&former, "b:0", [10], accumulates: false)
    let c = add(&former, "c:0", [10])
    var order: [BatchFormer.Batch] = []
    while let batch = former.next(limit: { _ in 100 }) {
      order.append(batch)
      if case .training(_, let pieces) = batch {
        for piece in pieces { former.finished(piece.request) }
      }
    }
    #expect(order.count == 3)
    for (id, base) in [(a, "base"), (forward, "base"), (c, "other")] {
      #expect(order.contains(.training(base: base, [Piece(request: id, datums: 0..<1)])))
    }
  }

  /// A model that does not exist cannot share a batch: its request runs by itself and is refused.
  @Test func unknownModelsRunAlone() {
    var former = BatchFormer()
    let id = add(&former, "x:0", [10])
    #expect(former.next { _ in 100 } == .alone(id))
  }

  /// What cannot be run yet comes again, all of it.
  @Test func whatIsPutBackComesAgain() {
    var former = former("a:0", "b:0")
    let a = add(&former, "a:0", [10, 10, 10])
    let piece = Piece(request: a, datums: 0..<2)
    #expect(former.next { _ in 20 } == .training(base: "base", [piece]))
    #expect(former.waitingRows == 10)
    former.putBack(piece)
    #expect(former.waitingRows == 30)
    #expect(former.next { _ in 20 } == .training(base: "base", [piece]))
    #expect(
      former.next { _ in 20 } == .training(base: "base", [Piece(request: a, datums: 2..<3)]))
    #expect(former.next { _ in 20 } == nil)
  }

  /// While two tenants have work all the time, what they were given differs by a batch at most,
  /// however many models one of them has (the bound that README and code promise).
  @Test(arguments: [UInt64(1), 2, 3, 4])
  func tenantsGetEqualShares(seed: UInt64) {
    var random = SplitMix(seed: seed)
    let limit = 128
    var former = BatchFormer()
    var owners: [Int: (tenant: String, rows: [Int])] = [:]
    var given = ["flood": 0, "calm": 0]
    let models = (0..<20).map { "flood:\($0)" } + ["calm:0"]
    for model in models {
      former.open(model, base: "base")
      let rows = (0..<1000).map { _ in 1 + Int(random.next() % 64) }
      let tenant = String(model.prefix { $0 != ":" })
      owners[add(&former, model, rows, tenant: tenant)] = (tenant, rows)
    }
    for batch in 0..<200 {
      guard case .training(_, let pieces)? = former.next(limit: { _ in limit }) else {
        Issue.record("work waits and none was chosen")
        return
      }
      for piece in pieces {
        guard let (tenant, rows) = owners[piece.request] else { continue }
        given[tenant, default: 0] += rows[piece.datums].reduce(0, +)
      }
      let difference = given["flood", default: 0] - given["calm", default: 0]
      #expect(abs(difference) <= limit, "batch \(batch): \(given)")
    }
    #expect(given.values.reduce(0, +) > 200 * limit / 2)
  }

  /// Who has one request at a time, of one datum, is in each batch: it is never given less than it
  /// asks for while others flood.
  @Test(arguments: [UInt64(1), 2, 3, 4])
  func oneAtATimeIsInEachBatch(seed: UInt64) {
    var random = SplitMix(seed: seed)
    var former = BatchFormer()
    let limit = 128
    // A flood of 20 models against one model.
    for i in 0..<20 { former.open("flood:\(i)", base: "base") }
    former.open("calm:0", base: "base")
    var rowsOf: [Int: (tenant: String, rows: [Int])] = [:]
    func refill() {
      for i in 0..<20 where !rowsOf.values.contains(where: { $0.tenant == "flood\(i)" }) {
        let rows = (0..<4).map { _ in 1 + Int(random.next() % 64) }
        rowsOf[add(&former, "flood:\(i)", rows, tenant: "flood")] = ("flood\(i)", rows)
      }
      if !rowsOf.values.contains(where: { $0.tenant == "calm" }) {
        let rows = [1 + Int(random.next() % 64)]
        rowsOf[add(&former, "calm:0", rows, tenant: "calm")] = ("calm", rows)
      }
    }
    var given = (flood: 0, calm: 0)
    for _ in 0..<300 {
      refill()
      guard case .training(_, let pieces)? = former.next(limit: { _ in limit }) else {
        Issue.record("work waits and none was chosen")
        return
      }
      #expect(
        pieces.reduce(0) { $0 + (rowsOf[$1.request]?.rows[$1.datums].reduce(0, +) ?? 0) } <= limit)
      #expect(pieces.contains { rowsOf[$0.request]?.tenant == "calm" })
      for piece in pieces {
        guard let (tenant, rows) = rowsOf[piece.request] else { continue }
        let count = rows[piece.datums].reduce(0, +)
        if tenant == "calm" { given.calm += count } else { given.flood += count }
        if piece.datums.upperBound == rows.count {
          former.finished(piece.request)
          rowsOf[piece.request] = nil
        }
      }
    }
    // Nothing is left empty for it.
    #expect(given.flood + given.calm > 300 * limit / 2, "\(given)")
  }

  /// A tenant that comes with one request does not wait behind another's many.
  @Test func theOneThatAsksForLessGoesFirst() {
    var former = former("a:0", "a:1", "b:0")
    for stream in ["a:0", "a:1"] { add(&former, stream, [100, 100], tenant: "a") }
    _ = former.next { _ in 100 }
    let b = add(&former, "b:0", [100], tenant: "b")
    #expect(
      former.next { _ in 100 } == .training(base: "base", [Piece(request: b, datums: 0..<1)]))
  }

  /// Sessions come and go beside one that is always there: nothing of them stays.
  @Test func sessionsThatEndedAreForgotten() {
    var former = former("stays:0")
    add(&former, "stays:0", Array(repeating: 10, count: 2000))
    for i in 0..<1000 {
      former.open("s\(i):0", base: "base")
      let short = add(&former, "s\(i):0", [10])
      guard case .training(_, let pieces)? = former.next(limit: { _ in 20 }) else { break }
      #expect(pieces.map(\.request).contains(short))
      former.finished(short)
      former.close("s\(i):0")
    }
    #expect(former.sessionCount < 10)
  }

  /// A tenant that was away has no claim to the past.
  @Test func comingBackIsNotPaidBack() {
    var former = former("a:0", "b:0")
    for _ in 0..<50 {
      let id = add(&former, "a:0", [100], tenant: "a")
      _ = former.next { _ in 100 }
      former.finished(id)
    }
    let a = add(&former, "a:0", Array(repeating: 10, count: 100), tenant: "a")
    _ = former.next { _ in 10 }
    let b = add(&former, "b:0", Array(repeating: 10, count: 100), tenant: "b")
    var turns: [Int] = []
    for _ in 0..<20 {
      guard case .training(_, let pieces)? = former.next(limit: { _ in 10 }) else { break }
      turns += pieces.map(\.request)
    }
    #expect(abs(turns.count { $0 == a } - turns.count { $0 == b }) <= 1)
  }

  // MARK: Models on disk only

  /// Those in memory go on for a while, not for ever, and a batch brings one model back at most.
  @Test func modelsInMemoryPassOneOnDiskForSomeRows() {
    var former = former("a:0", "b:0", "c:0", "d:0")
    for _ in 0..<10 { add(&former, "a:0", [128], tenant: "a") }
    let waiting = ["b", "c", "d"].map { add(&former, "\($0):0", [128], tenant: $0) }
    var order: [[Int]] = []
    var loaded: Set = ["a:0"]
    while let batch = former.next(isLoaded: { loaded.contains($0) }, limit: { _ in 256 }) {
      guard case .training(_, let pieces) = batch else { break }
      order.append(pieces.map(\.request))
      let streams = Set(pieces.map { $0.request < 10 ? "a:0" : "x:\($0.request)" })
      #expect(streams.count == 1)
      if order.last == [waiting[0]] { loaded = ["b:0"] }
      for piece in pieces { former.finished(piece.request) }
    }
    // It is b's turn, and four requests of a pass it; then nothing that is in memory waits, so nobody
    // waits for it.
    let first = [[0], [1], [2], [3]] + waiting.map { [$0] }
    #expect(Array(order.prefix(7)) == first)
    #expect(order.count == 13 && Set(order.flatMap(\.self)).count == 13)
  }

  /// However much others ask for, nobody waits longer for its model than so many rows.
  @Test func nobodyIsKeptOnDisk() {
    var former = former("a:0", "b:0")
    let rows = Int(BatchFormer.rowsBeforeLoading)
    for model in ["a:0", "a:1"] {
      former.open(model, base: "base")
      add(&former, model, Array(repeating: 16, count: rows))
    }
    var passing = 0
    let late = former.append(.alone, stream: "b:0", tenant: "t", session: "b")
    while let batch = former.next(isLoaded: { $0 != "b:0" }, limit: { _ in 64 }) {
      if case .alone(late) = batch { break }
      passing += 64
    }
    #expect(passing >= rows && passing <= rows + 128)
  }
}
