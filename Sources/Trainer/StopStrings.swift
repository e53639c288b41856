/// Stop strings as an automaton (Aho and Corasick, 1975): each byte of a text is looked at once,
/// however many strings there are and however long.
final class StopStrings: Sendable {
  /// A node is a prefix of some string; 0 is the empty one. Children are linked lists: a node has
  /// few.
  private let firstChild: [Int32]
  private let nextSibling: [Int32]
  private let byte: [UInt8]
  /// The longest proper suffix that is a prefix of some string, too.
  private let fallback: [Int32]
  /// Whether a string ends here or in a suffix.
  private let isEnd: [Bool]

  /// Memory that it takes.
  var bytes: Int { 14 * byte.count }

  init(_ texts: [String]) {
    var trie = Trie()
    for text in texts { trie.add(text) }
    trie.link()
    firstChild = trie.firstChild
    nextSibling = trie.nextSibling
    byte = trie.byte
    fallback = trie.fallback
    isEnd = trie.isEnd
  }

  /// Where the automaton is behind one more byte, and whether a string ends with it.
  func next(_ state: Int32, _ value: UInt8) -> (state: Int32, isEnd: Bool) {
    var node = state
    while true {
      if let child = Trie.child(of: node, value, firstChild, nextSibling, byte) {
        return (child, isEnd[Int(child)])
      }
      if node == 0 { return (0, isEnd[0]) }
      node = fallback[Int(node)]
    }
  }

  private struct Trie {
    var firstChild: [Int32] = [-1]
    var nextSibling: [Int32] = [-1]
    var byte: [UInt8] = [0]
    var fallback: [Int32] = [0]
    var isEnd = [false]

    static func child(
      of node: Int32, _ value: UInt8, _ first: [Int32], _ next: [Int32], _ bytes: [UInt8]
    ) -> Int32? {
      var child = first[Int(node)]
      while child >= 0, bytes[Int(child)] != value { child = next[Int(child)] }
      return child >= 0 ? child : nil
    }

    func child(of node: Int32, _ value: UInt8) -> Int32? {
      Self.child(of: node, value, firstChild, nextSibling, byte)
    }

    mutating func add(_ text: String) {
      var node: Int32 = 0
      for value in text.utf8 { node = child(of: node, value) ?? insert(below: node, value) }
      isEnd[Int(node)] = true
    }

    private mutating func insert(below node: Int32, _ value: UInt8) -> Int32 {
      let child = Int32(byte.count)
      byte.append(value)
      firstChild.append(-1)
      nextSibling.append(firstChild[Int(node)])
      fallback.append(0)
      isEnd.append(false)
      firstChild[Int(node)] = child
      return child
    }

    /// Fallbacks, shortest prefixes first: those of a node are shorter than itself.
    mutating func link() {
      var queue: [Int32] = [0]
      var position = 0
      while position < queue.count {
        let node = queue[position]
        position += 1
        var child = firstChild[Int(node)]
        while child >= 0 {
          if node != 0 {
            fallback[Int(child)] = suffix(of: node, byte[Int(child)])
            if isEnd[Int(fallback[Int(child)])] { isEnd[Int(child)] = true }
          }
          queue.append(child)
          child = nextSibling[Int(child)]
        }
      }
    }

    /// The longest prefix of some string that ends a proper suffix of `node` and `value`.
    private func suffix(of node: Int32, _ value: UInt8) -> Int32 {
      var node = node
      repeat {
        node = fallback[Int(node)]
        if let child = child(of: node, value) { return child }
      } while node != 0
      return 0
    }
  }
}

/// Looks for stop strings in the bytes of each sample as they come.
final class StopFinder {
  private let strings: StopStrings
  /// Where the automaton is in each sample.
  private var states: [Int32]

  init(_ strings: StopStrings, samples: Int) {
    self.strings = strings
    states = Array(repeating: 0, count: samples)
  }

  /// Whether a stop string ends within the new bytes.
  func append(_ bytes: [UInt8], sample: Int) -> Bool {
    var state = states[sample]
    defer { states[sample] = state }
    for byte in bytes {
      let (next, isEnd) = strings.next(state, byte)
      state = next
      if isEnd { return true }
    }
    return false
  }
}
