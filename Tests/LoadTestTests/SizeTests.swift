import LoadTestCore
import Testing

@Suite struct SizeTests {
  @Test(arguments: [
    "128", "uniform(16,512)", "normal(100,20)", "normal(100,20,1,200)", "lognormal(64,0.8)",
    "lognormal(64, 0.8, 4, 256)", "list(16,32,512)", "list(16:3,512:1)", "constant(7)",
  ]) func textIsReadBack(_ text: String) throws {
    let distribution = try Distribution(text)
    #expect(try Distribution(distribution.description) == distribution)
  }

  @Test(arguments: [
    "", "0", "-1", "x", "uniform(5)", "uniform(9,3)", "uniform(1,2,3)", "normal(1)", "list()",
    "list(1:0)", "list(1:-1)", "normal(nan,1)", "normal(1,inf)", "1048577", "uniform(1,2", "f(1)",
  ]) func nonsenseIsRefused(_ text: String) {
    #expect(throws: LoadError.self) { try Distribution(text) }
  }

  /// Means of 20,000 draws within five standard errors of the distribution's own.
  @Test(arguments: [
    ("40", 40.0, 0.001), ("uniform(10,30)", 20, 0.22), ("normal(100,20)", 100, 0.71),
    ("list(10:3,50:1)", 20, 0.62),
    // exp(mu + sigma² / 2); the deviation is mean · sqrt(exp(sigma²) − 1).
    ("lognormal(1000,0.5)", 1133.1, 21.4),
  ]) func drawsHaveTheMean(_ text: String, _ mean: Double, _ tolerance: Double) throws {
    let distribution = try Distribution(text)
    var random = Randomness(seed: 3)
    let count = 20_000
    let sum = (0..<count).reduce(0) { sum, _ in sum + distribution.draw(&random) }
    #expect(abs(Double(sum) / Double(count) - mean) <= tolerance)
  }

  @Test func drawsKeepTheBounds() throws {
    var random = Randomness(seed: 4)
    for text in ["normal(10,100,5,20)", "lognormal(10,3,5,20)", "uniform(5,20)"] {
      let distribution = try Distribution(text)
      #expect(distribution.upperBound == 20)
      let draws = (0..<2000).map { _ in distribution.draw(&random) }
      #expect(draws.min() == 5)
      #expect(draws.max() == 20)
    }
  }

  @Test func absurdNumbersDoNotTrap() throws {
    var random = Randomness(seed: 5)
    for text in ["normal(1e308,1e308)", "lognormal(0,1e300)", "lognormal(1e308,1e308)"] {
      let distribution = try Distribution(text)
      for _ in 0..<100 { #expect(distribution.draw(&random) >= 1) }
    }
  }

  @Test func placesHaveGeneratorsOfTheirOwn() {
    var values: Set<UInt64> = []
    for seed in 0..<10 as Range<UInt64> {
      for place in 0..<100 as Range<UInt64> {
        var random = Randomness(seed: seed, place)
        values.insert(random.next())
      }
    }
    #expect(values.count == 1000)
  }
}

@Suite struct QuantityTests {
  @Test(arguments: [
    ("5", 5, Quantity.Kind.count), ("50ms", 0.05, .time), ("2 s", 2, .time),
    ("250us", 0.00025, .time),
    ("3µs", 0.000003, .time), ("2m", 120, .time), ("1h", 3600, .time), ("5%", 0.05, .share),
    ("1_000/s", 1000, .rate), ("1e3", 1000, .count),
  ]) func unitsAreRead(_ text: String, _ value: Double, _ kind: Quantity.Kind) throws {
    let read = try Quantity.parse(text)
    #expect(abs(read.value - value) < 1e-12 * max(1, value))
    #expect(read.kind == kind)
  }

  @Test(arguments: ["", "ms", "-1", "nan", "inf", "5x", "1..2"])
  func nonsenseIsRefused(_ text: String) {
    #expect(throws: LoadError.self) { try Quantity.parse(text) }
  }

  @Test func rampsAreRead() throws {
    #expect(try Quantity.ramp("10..100/s") == Ramp(from: 10, to: 100))
    #expect(try Quantity.ramp("8") == Ramp(8))
    for text in ["", "..", "1..2..3", "1..", "5ms", "5%..6%"] {
      #expect(throws: LoadError.self) { try Quantity.ramp(text) }
    }
  }
}
