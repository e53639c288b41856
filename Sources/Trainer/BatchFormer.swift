/// Forms compute batches from the queues of many models, a pure value.
///
/// Requests of one model run in order, one at a time. Whose datum comes next is decided per row of
/// compute, not per request: of all models with something to do, the one whose tenant was given the
/// fewest rows so far, then whose session was, then whose request came first. So a long request
/// delays others by one batch at most, and a batch holds datums of as many requests as fit.
///
/// Models that others left no room for are on disk only, and bringing one back takes about as long as
/// some hundred rows: before it is, those in memory go on for a while.
struct BatchFormer {
  /// What a request needs.
  enum Kind: Equatable {
    /// Runs by itself, between batches.
    case alone
    /// May share a batch with others over the same base model.
    /// - rows: tokens of each datum.
    case training(accumulates: Bool, rows: [Int])
  }

  /// A part of a request.
  struct Piece: Equatable {
    let request: Int
    let datums: Range<Int>
  }

  enum Batch: Equatable {
    case alone(Int)
    case training(base: String, [Piece])
  }

  /// What a request that runs by itself is charged, in rows: about an optimizer step.
  static let rowsAlone = 16
  /// Rows of models in memory that may pass one that is on disk only, once its turn has come.
  static let rowsBeforeLoading: UInt64 = 512

  private struct Request {
    let stream: String
    let tenant: String
    let session: String
    let kind: Kind
    /// Datums handed out.
    var next = 0

    /// Whether something of it was not handed out.
    var hasWork: Bool {
      guard case .training(_, let rows) = kind else { return true }
      return next < rows.count
    }
  }

  private struct Flow {
    var rows: UInt64 = 0
    /// Requests that have not ended.
    var open = 0
  }

  private var requests: [Int: Request] = [:]
  private var queues: [String: [Int]] = [:]
  private var bases: [String: String] = [:]
  private var tenants: [String: Flow] = [:]
  private var sessions: [String: Flow] = [:]
  /// Rows that were handed out in all.
  private var charged: UInt64 = 0
  /// Rows that passed streams whose turn has come and whose models are on disk only.
  private var passed: [String: UInt64] = [:]
  private var nextID = 0

  /// Requests that have not ended, and their rows that were not handed out.
  var requestCount: Int { requests.count }
  private(set) var waitingRows = 0
  var isEmpty: Bool { requests.isEmpty }
  /// Sessions whose share is remembered.
  var sessionCount: Int { sessions.count }
  /// Tenants with requests that have not ended.
  var activeTenants: Int { tenants.count { $0.value.open > 0 } }

  /// A model exists: its requests may be batched with others over `base`.
  mutating func open(_ stream: String, base: String) { bases[stream] = base }

  /// A model is gone: what is queued for it runs by itself and finds nothing.
  mutating func close(_ stream: String) { bases[stream] = nil }

  /// Requests of a stream that have not ended, in order.
  func requests(of stream: String) -> [Int] { queues[stream] ?? [] }

  /// Queues a request behind those of its stream.
  mutating func append(_ kind: Kind, stream: String, tenant: String, session: String) -> Int {
    lift(&tenants, tenant)
    lift(&sessions, session)
    if case .training(_, let rows) = kind { waitingRows += rows.reduce(0, +) }
    let id = nextID
    nextID += 1
    requests[id] = Request(stream: stream, tenant: tenant, session: session, kind: kind)
    queues[stream, default: []].append(id)
    return id
  }

  /// Who comes back from a pause has no claim to what it did not ask for meanwhile.
  private func lift(_ flows: inout [String: Flow], _ name: String) {
    if flows[name, default: Flow()].open == 0 {
      let lowest = flows.values.filter { $0.open > 0 }.map(\.rows).min()
      // Whoever is away and was given no more than those who are here would be lifted to them in
      // any case: only the others need be remembered. With nobody here that is nobody.
      flows = flows.filter { $0.value.open > 0 || $0.value.rows > lowest ?? .max }
      flows[name, default: Flow()].rows = max(flows[name]?.rows ?? 0, lowest ?? 0)
    }
    flows[name, default: Flow()].open += 1
  }

  /// A request was answered: the next one of its stream may run.
  mutating func finished(_ id: Int) {
    guard let request = requests.removeValue(forKey: id) else { return }
    if case .training(_, let rows) = request.kind {
      waitingRows -= rows[request.next...].reduce(0, +)
    }
    queues[request.stream]?.removeAll { $0 == id }
    if queues[request.stream]?.isEmpty == true {
      queues[request.stream] = nil
      passed[request.stream] = nil
    }
    tenants[request.tenant]?.open -= 1
    sessions[request.session]?.open -= 1
  }

  /// Whether requests of a stream have not ended.
  func hasRequests(_ stream: String) -> Bool { queues[stream]?.isEmpty == false }

  /// What was handed out last cannot be run yet: it comes again.
  mutating func putBack(_ piece: Piece) {
    guard let request = requests[piece.request], case .training(_, let rows) = request.kind
    else { return }
    requests[piece.request]?.next = piece.datums.lowerBound
    waitingRows += rows[piece.datums].reduce(0, +)
  }

  /// What runs next: one request by itself, or datums of a base model of at most as many rows as
  /// `limit` says for it (one longer datum goes by itself). Nil if nothing waits.
  ///
  /// - Parameter isLoaded: whether the model of a stream is in memory. A batch holds such requests only,
  ///   or those of one stream.
  mutating func next(
    isLoaded: (_ stream: String) -> Bool = { _ in true }, limit: (_ base: String) -> Int
  ) -> Batch? {
    guard let due = pick(where: { $1.hasWork }), let stream = requests[due]?.stream else {
      return nil
    }
    guard !isLoaded(stream) else { return batch(from: due, isLoaded, limit) }
    if passed[stream, default: 0] < Self.rowsBeforeLoading,
      let other = pick(where: { $1.hasWork && isLoaded($1.stream) })
    {
      let before = charged
      defer { passed[stream, default: 0] += charged - before }
      return batch(from: other, isLoaded, limit)
    }
    passed[stream] = nil
    return batch(from: due, { $0 == stream }, limit)
  }

  /// What runs next if it begins with a request.
  private mutating func batch(
    from first: Int, _ isFit: (_ stream: String) -> Bool, _ limit: (_ base: String) -> Int
  ) -> Batch? {
    guard let request = requests[first] else { return nil }
    guard case .training(let accumulates, _) = request.kind, let base = bases[request.stream]
    else {
      charge(request, Self.rowsAlone)
      return .alone(first)
    }
    let limit = limit(base)
    var taken: [Int: Range<Int>] = [:]
    var order: [Int] = []
    var rows = 0
    while rows < limit {
      let id = pick { [bases] _, other in
        guard case .training(accumulates, let lengths) = other.kind, bases[other.stream] == base,
          other.next < lengths.count, isFit(other.stream)
        else { return false }
        return rows == 0 || rows + lengths[other.next] <= limit
      }
      guard let id, let next = requests[id], case .training(_, let lengths) = next.kind else {
        break
      }
      let count = lengths[next.next]
      if taken[id] == nil { order.append(id) }
      taken[id] = (taken[id]?.lowerBound ?? next.next)..<next.next + 1
      requests[id]?.next += 1
      charge(next, count)
      waitingRows -= count
      rows += count
    }
    return .training(
      base: base, order.map { Piece(request: $0, datums: taken[$0] ?? 0..<0) })
  }

  /// The head of a stream that comes next among those that fulfil the condition. Of tenants that
  /// were given the same, the one that asks for less goes first: it waits for nothing but this.
  private func pick(where isFit: (Int, Request) -> Bool) -> Int? {
    var best: (tenant: UInt64, open: Int, session: UInt64, id: Int)?
    for queue in queues.values {
      guard let id = queue.first, let request = requests[id], isFit(id, request) else { continue }
      let tenant = tenants[request.tenant]
      let key = (
        tenant: tenant?.rows ?? 0, open: tenant?.open ?? 0,
        session: sessions[request.session]?.rows ?? 0, id: id
      )
      if let known = best, known <= key { continue }
      best = key
    }
    return best?.id
  }

  private mutating func charge(_ request: Request, _ rows: Int) {
    charged += UInt64(rows)
    tenants[request.tenant]?.rows += UInt64(rows)
    sessions[request.session]?.rows += UInt64(rows)
  }
}
