import Testing
import Tinsmith

@Suite struct MetricCombinerTests {
  private func part(_ count: Int, _ metrics: [String: Double]) -> ForwardBackwardOutput {
    ForwardBackwardOutput(
      lossFnOutputs: .init(repeating: ["logprobs": TensorData([Float(count)])], count: count),
      metrics: metrics)
  }

  @Test(arguments: [
    ("a:sum", 3.0, 5.0, 8.0), ("a:mean", 3, 6, 5), ("a:min", 3, 5, 3), ("a:max", 3, 5, 5),
    ("a:slack", 3, 6, 1), ("a:hash2", 3, 5, 8),
  ])
  func reduction(_ key: String, _ first: Double, _ second: Double, _ expected: Double) {
    let output = MetricCombiner.combine([part(1, [key: first]), part(2, [key: second])])
    #expect(output.metrics == [key: expected])
  }

  @Test func uniqueKeepsAllValues() {
    let output = MetricCombiner.combine([
      part(1, ["a:unique": 7]), part(1, ["a:unique": 7]), part(1, ["a:unique": 8]),
    ])
    #expect(output.metrics == ["a:unique": 7, "a:unique_1": 7, "a:unique_2": 8])
  }

  @Test func unknownAndPartialMetricsAreLeftOut() {
    let output = MetricCombiner.combine([
      part(1, ["a:median": 1, "b:sum": 1, "c:sum": 1]), part(1, ["a:median": 1, "b:sum": 2]),
    ])
    #expect(output.metrics == ["b:sum": 3])
  }

  @Test func outputsFollowOneAnother() {
    let output = MetricCombiner.combine([part(1, [:]), part(2, [:])])
    #expect(output.logprobs == [[1], [2], [2]])
  }

  @Test func meanWithoutOutputsIsPlain() {
    let output = MetricCombiner.combine([part(0, ["a:mean": 1]), part(0, ["a:mean": 3])])
    #expect(output.metrics == ["a:mean": 2])
  }
}
