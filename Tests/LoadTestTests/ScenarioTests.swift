import Foundation
import LoadTestCore
import Testing

@Suite struct ScenarioTests {
  @Test func aFileIsRead() throws {
    let scenario = try Scenario(
      yaml: """
        name: mixed
        base: tinsmith/mini
        seed: 7
        warmup: 500ms
        drain: 1m
        timeout: 10s
        tenants:
          - alice=secret
          - {name: bob, key: other}
        groups:
          - name: train
            tenants: alice
            clients: 4
            connections: 2
            rank: [4, 8]
            limit: 50
            mix:
              forward_backward: {weight: 4, tokens: "uniform(16,64)", sequences: 2}
              optim_step: 1
            stages:
              - 10s outstanding=1..4 name=up
              - 5s idle
          - name: read
            adapters: shared(3)
            mix: ["sample=2 prompt=lognormal(32,0.5,4,128) new=16", ping]
            repeat: 2
            stages: [10s rate=5..50/s poisson name=rise, 10s burst=100 cancel]
        """)
    #expect(scenario.seed == 7)
    #expect(scenario.warmup == 0.5)
    #expect(scenario.drain == 60)
    #expect(scenario.timeout == 10)
    #expect(scenario.seconds == 40)
    #expect(
      scenario.tenants == [Tenant(name: "alice", key: "secret"), Tenant(name: "bob", key: "other")])
    let train = scenario.groups[0]
    #expect(train.tenants == [0])
    #expect(train.clients == 4)
    #expect(train.connections == 2)
    #expect(train.ranks == [4, 8])
    #expect(train.limit == 50)
    #expect(
      train.mix == [
        Work(.forwardBackward, weight: 4, tokens: .uniform(16...64), count: .constant(2)),
        Work(.optimStep),
      ])
    #expect(
      train.stages == [
        Stage(name: "up", seconds: 10, load: .outstanding(Ramp(from: 1, to: 4))),
        Stage(seconds: 5, load: .idle),
      ])
    #expect(train.slots == 4)
    let read = scenario.groups[1]
    #expect(read.tenants == [0, 1])
    #expect(read.adapters == .shared(3))
    #expect(read.mix.map(\.primitive) == [.sample, .ping])
    #expect(read.mix[0].newTokens == .constant(16))
    #expect(read.stages.count == 4)
    #expect(
      read.stages[2]
        == Stage(name: "rise", seconds: 10, load: .rate(Ramp(from: 5, to: 50), .poisson)))
    #expect(read.stages[3].cancels)
    #expect(scenario.labels.isSuperset(of: ["alice", "train", "rise", "optim_step", "main"]))
  }

  /// What is wrong is named with its path.
  @Test(arguments: [
    ("groups: []", "groups"),
    ("", "empty"),
    ("a: [", "YAML"),
    ("colour: red", "colour"),
    ("seed: -1", "seed"),
    ("warmup: 5%", "warmup"),
    ("tenants: [a=1, a=2]", "tenants"),
    ("tenants: ['a b=1']", "tenants[0]"),
    ("groups: [{mix: ping, stages: 1s idle, tenants: nobody}]", "nobody"),
    ("groups: [{mix: ping, stages: 1s idle, clients: 0}]", "groups[0].clients"),
    ("groups: [{mix: ping, stages: 1s idle}, {mix: ping, stages: 1s idle}]", "groups"),
    ("groups: [{mix: ping, stages: []}]", "groups[0].stages"),
    ("groups: [{mix: ping, stages: [1s idle, 2s]}]", "groups[0].stages[1]"),
    ("groups: [{mix: ping, stages: 1s rate=1 outstanding=2}]", "stages"),
    ("groups: [{mix: ping, stages: 1s idle poisson}]", "poisson"),
    ("groups: [{mix: ping, stages: 0s idle}]", "stages"),
    ("groups: [{mix: ping, stages: 1s rate=1e9}]", "stages[0]"),
    ("groups: [{mix: ping, clients: 100000, stages: 1s outstanding=100}]", "outstanding"),
    ("groups: [{mix: ping, repeat: 1000000000, stages: 1s idle}]", "groups[0].repeat"),
    ("groups: [{mix: pong, stages: 1s idle}]", "pong"),
    ("groups: [{mix: {ping: 0}, stages: 1s idle}]", "groups[0].mix"),
    ("groups: [{mix: [ping, ping], stages: 1s idle}]", "twice"),
    ("groups: [{mix: {sample: {new: 0}}, stages: 1s idle}]", "groups[0].mix.sample.new"),
    ("groups: [{mix: {sample: {tokens: 5}}, stages: 1s idle}]", "mix.sample.tokens"),
    ("groups: [{mix: ping, stages: 1s idle, adapters: many}]", "groups[0].adapters"),
    ("groups: [{mix: ping, stages: 1s idle, rank: [8, 0]}]", "groups[0].rank[1]"),
  ]) func mistakesAreNamed(_ yaml: String, _ part: String) {
    let error = #expect(throws: LoadError.self) { try Scenario(yaml: yaml) }
    #expect(error?.description.contains(part) == true, "\(error?.description ?? "")")
  }

  @Test(arguments: ["mixed", "fairness"]) func examplesAreRead(_ name: String) throws {
    let folder = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let file = folder.appendingPathComponent("Tools/LoadTest/scenarios/\(name).yaml")
    let scenario = try Scenario(yaml: String(contentsOf: file, encoding: .utf8))
    #expect(scenario.tenants.count == 2)
    #expect(scenario.lines.count >= 4)
  }

  @Test func linesSayWhatRepeats() throws {
    var scenario = Scenario()
    var group = Group()
    group.mix = [try Work("sample=2 prompt=8 new=16")]
    group.stages = [
      try Stage("1s idle"), try Stage("10s outstanding=1 name=a"), try Stage("10s idle name=b"),
      try Stage("10s outstanding=1 name=a"), try Stage("10s idle name=b"),
    ]
    scenario.groups = [group]
    #expect(
      scenario.lines == [
        "load: 1 clients of default; sample 2 of 8 + 1 × 16 tokens", "  main 1 s idle",
        "  2 times: a 10 s 1 outstanding each, b 10 s idle",
      ])
  }
}
