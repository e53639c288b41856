import TestSupport
import Testing

@testable import Wire

/// Random bytes from fixed seeds: every decoder answers or throws, naming a field that the schema has,
/// and never traps.
@Suite struct FuzzTests {
  private static let schema = Result { try Schema() }

  /// Decodes bytes that are probably wrong.
  private static func read(_ sample: Sample, _ payload: Payload) throws {
    do {
      _ = try sample.decode(payload)
    } catch {
      // A damaged key may be anything.
      guard error.field.count(where: { $0 == "]" }) == error.field.count(where: { $0 == "[" })
      else {
        return
      }
      let message = sample.name.replacing("TTL", with: "Ttl").replacing("TopK", with: "Topk")
      #expect(
        try schema.get().hasField(error.field, of: message), "\(message): \(error.description)")
    }
  }

  @Test(arguments: Samples.all)
  func randomBytes(_ sample: Sample) throws {
    var random = SplitMix(seed: 11)
    for _ in 0..<300 {
      let length = Int(random.next() % 200)
      // Small bytes are more often tags and lengths that make sense.
      let mask: UInt8 = random.next() % 2 == 0 ? 0x1f : 0xff
      let bytes = (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) & mask }
      let attachments = (0..<Int(random.next() % 3)).map {
        Bytes([UInt8](repeating: 1, count: $0 * 4))
      }
      try Self.read(sample, Payload(body: Bytes(bytes), attachments: attachments))
    }
  }

  @Test(arguments: Samples.all)
  func damagedMessages(_ sample: Sample) throws {
    var random = SplitMix(seed: 12)
    for inlineLimit in [0, Int.max] {
      let payload = sample.encode(inlineLimit)
      let body = payload.body.array
      guard !body.isEmpty else { continue }
      for _ in 0..<200 {
        var damaged = body
        for _ in 0...Int(random.next() % 3) {
          let position = Int(random.next() % UInt64(damaged.count))
          switch random.next() % 4 {
          case 0: damaged[position] = UInt8(truncatingIfNeeded: random.next())
          case 1: damaged[position] ^= 1 << UInt8(random.next() % 8)
          case 2: damaged.insert(UInt8(truncatingIfNeeded: random.next()), at: position)
          default: if damaged.count > 1 { damaged.remove(at: position) }
          }
        }
        var attachments = payload.attachments
        if random.next() % 3 == 0, !attachments.isEmpty { attachments.removeLast() }
        try Self.read(sample, Payload(body: Bytes(damaged), attachments: attachments))
      }
    }
  }

  @Test(arguments: Samples.all)
  func truncatedMessages(_ sample: Sample) {
    let payload = sample.encode(.max)
    let body = payload.body.array
    let step = max(1, body.count / 300)
    for end in stride(from: 0, to: body.count, by: step) {
      let cut = Payload(body: Bytes(Array(body[..<end])))
      // A cut between two fields may leave a whole message, but never the same one.
      let same = try? sample.decode(cut)
      #expect(same != true)
    }
  }

  @Test func headers() {
    var random = SplitMix(seed: 13)
    for _ in 0..<5000 {
      let mask: UInt8 = random.next() % 2 == 0 ? 0x3f : 0xff
      let bytes = (0..<Int(random.next() % 80)).map { _ in
        UInt8(truncatingIfNeeded: random.next()) & mask
      }
      _ = try? EnvelopeTests.request(bytes)
      _ = try? EnvelopeTests.response(bytes)
      var header = EnvelopeTests.randomRequest(&random).encoded()
      header[Int(random.next() % UInt64(header.count))] = UInt8(truncatingIfNeeded: random.next())
      _ = try? EnvelopeTests.request(header)
    }
  }
}
