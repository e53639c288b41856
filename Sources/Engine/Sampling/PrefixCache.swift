/// Pages of keys and values that were computed before, found again by the tokens that led to them.
///
/// A tree per scope: each node is one whole page of tokens, its path the tokens before it. Keys and
/// values of a position depend on what precedes it and on nothing else (numerics contract 1), so a
/// page that is found is the page that would be computed, bit for bit. A page belongs to the tree and
/// to the sequences that use it; pages that only the tree holds make room, least recently used first.
///
/// The scope names whose pages these are and of which weights (tenant, snapshot): nothing is shared
/// across scopes.
struct PrefixCache {
  /// A node by the tokens of its page, below its parent.
  private struct Key: Hashable {
    let parent: Int
    let tokens: [Int32]
  }

  private struct Node {
    let key: Key
    let page: Int32
    var children = 0
    var lastUse: UInt64
  }

  private var roots: [String: Int] = [:]
  private var index: [Key: Int] = [:]
  private var nodes: [Int: Node] = [:]
  private var nextID = 0
  private var clock: UInt64 = 0

  /// Pages held.
  var count: Int { nodes.count }

  /// The pages of the longest known prefix of `tokens` of at most `limit` pages, in order. The
  /// caller retains them before it allocates anything.
  mutating func find(_ tokens: [Int32], scope: String, limit: Int) -> [Int32] {
    guard var node = roots[scope] else { return [] }
    clock += 1
    var pages: [Int32] = []
    while pages.count < limit, let next = index[key(node, tokens, page: pages.count)] {
      nodes[next]?.lastUse = clock
      if let page = nodes[next]?.page { pages.append(page) }
      node = next
    }
    return pages
  }

  /// Adds the whole pages of `tokens`; those that are new are retained.
  mutating func insert(_ tokens: [Int32], scope: String, pages: [Int32], in cache: KVCache) {
    let whole = min(tokens.count / PagePool.positionsPerPage, pages.count)
    guard whole > 0 else { return }
    clock += 1
    var node = root(of: scope)
    for i in 0..<whole {
      let key = key(node, tokens, page: i)
      if let known = index[key] {
        nodes[known]?.lastUse = clock
        node = known
        continue
      }
      let id = newID()
      cache.retain(pages[i])
      nodes[id] = Node(key: key, page: pages[i], lastUse: clock)
      index[key] = id
      nodes[node]?.children += 1
      node = id
    }
  }

  /// Gives up pages that no sequence uses until `count` are free in `cache` or there are no more. Some
  /// more than are needed go at once: looking for the oldest costs something.
  mutating func makeRoom(_ count: Int, in cache: KVCache) {
    while cache.freePages < count, giveUp(count - cache.freePages + 7, in: cache) {}
  }

  /// Holds at most `limit` pages, so that memory does not grow for as long as there are new
  /// prompts. An eighth more than is needed goes at once.
  mutating func trim(to limit: Int, in cache: KVCache) {
    guard count > limit else { return }
    while count > limit - limit / 8, giveUp(count - (limit - limit / 8), in: cache) {}
  }

  /// Gives up to `most` pages back that have no children and no user, least recently used first. A
  /// parent becomes a leaf when its last child is gone, so the callers ask again.
  /// - Returns: whether there were any.
  private mutating func giveUp(_ most: Int, in cache: KVCache) -> Bool {
    guard !nodes.isEmpty else { return false }
    let leaves = nodes.filter { $0.value.children == 0 && cache.isUsedOnce($0.value.page) }
      .sorted { ($0.value.lastUse, $0.key) < ($1.value.lastUse, $1.key) }
    for (id, node) in leaves.prefix(most) {
      nodes[id] = nil
      index[node.key] = nil
      nodes[node.key.parent]?.children -= 1
      cache.release(node.page)
    }
    return !leaves.isEmpty
  }

  private func key(_ parent: Int, _ tokens: [Int32], page: Int) -> Key {
    let start = page * PagePool.positionsPerPage
    return Key(parent: parent, tokens: Array(tokens[start..<start + PagePool.positionsPerPage]))
  }

  private mutating func root(of scope: String) -> Int {
    if let known = roots[scope] { return known }
    if roots.count >= 4096 {
      // Scopes come and go with snapshots: forget those without pages.
      let used = Set(nodes.values.map(\.key.parent))
      roots = roots.filter { used.contains($0.value) }
    }
    let id = newID()
    roots[scope] = id
    return id
  }

  private mutating func newID() -> Int {
    defer { nextID += 1 }
    return nextID
  }
}
