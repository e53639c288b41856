import Foundation
import Glibc
import Testing

@testable import CLI

/// What the commands print, and where.
@Suite(.timeLimit(.minutes(30))) struct CommandTests {
  @Test func modelsListsWhatIsServed() async throws {
    let endpoint = try await TestService.running().endpoint
    let (status, output, _) = try await Program.run(["models", "--endpoint", endpoint])
    #expect(status == 0)
    #expect(output.contains(TestService.tiny))
    #expect(output.contains("tinsmith/mini"))
  }

  @Test func sampleAnswersAlikeEachTime() async throws {
    let endpoint = try await TestService.running().endpoint
    let arguments = [
      "sample", "3+4=?", "--endpoint", endpoint, "--temperature", "0", "--max-tokens", "8",
    ]
    let first = try await Program.run(arguments)
    #expect(first.status == 0, "\(first.errors)")
    #expect(first.output.last == "\n")
    #expect(!first.output.contains("<|im_end|>"))
    #expect(try await Program.run(arguments).output == first.output)
    let many = try await Program.run(arguments + ["--num-samples", "3"])
    #expect(many.output == String(repeating: first.output, count: 3))
  }

  @Test func anUnknownModelIsNamed() async throws {
    let endpoint = try await TestService.running().endpoint
    let (status, output, errors) = try await Program.run([
      "sample", "x", "--endpoint", endpoint, "--model", "no/such-model",
    ])
    #expect(status == 1)
    #expect(output.isEmpty)
    #expect(errors.contains("no/such-model"))
  }

  @Test func nobodyThereIsSaid() async throws {
    let (status, _, errors) = try await Program.run([
      "models", "--endpoint", "ipc:///tmp/tinsmith-nobody-\(getpid())",
    ])
    #expect(status == 1)
    #expect(errors.contains("no service answers"))
  }

  /// The demo from end to end, one step long; over the service under test.
  @Test func demoLeavesAnAdapter() async throws {
    let endpoint = try await TestService.running().endpoint
    try await TestFolder.with { folder in
      let out = "\(folder)/adapter"
      let (status, output, errors) = try await Program.run([
        "demo", "--endpoint", endpoint, "--steps", "1", "--quick", "--out", out,
      ])
      #expect(status == 0, "\(errors)")
      let last = try #require(output.split(separator: "\n").last)
      #expect(last == "The adapter is in \(out), as PEFT reads it.")
      #expect(output.contains("1/1  loss "))
      #expect(output.contains("60 held-out words (before: "))
      #expect(!output.contains("\u{1B}"))
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: out).sorted() == [
          "adapter_config.json", "adapter_model.safetensors",
        ])
    }
  }

  @Test func doctorLooksAtTheDataFolder() async throws {
    try await TestFolder.with { folder in
      let good = try await Program.run(["doctor", "--data", "\(folder)/data"])
      #expect(good.output.contains("tinsmith/mini"))
      #expect(good.output.contains("x86-64-v"))
      // A folder below a file cannot be made, whoever runs this.
      try Data().write(to: URL(fileURLWithPath: "\(folder)/file"))
      let bad = try await Program.run(["doctor", "--data", "\(folder)/file/data"])
      #expect(bad.status == 1)
      #expect(bad.output.contains("problem: "))
    }
  }

  /// It would be the current folder.
  @Test(arguments: [
    ["serve", "--data"], ["router", "--data"], ["doctor", "--data"], ["serve", "--tenants"],
    ["demo", "--out"], ["prove", "--keep"], ["sample", "hello", "--tokenizer"],
    ["checkpoints", "export", "tinsmith://a/weights/b"], ["checkpoints", "import", "--base", "x"],
  ])
  func aPathIsNotEmpty(arguments: [String]) async throws {
    for path in ["", " \t"] {
      let (status, output, errors) = try await Program.run(arguments + [path])
      #expect(status == 2 && output.isEmpty)
      #expect(errors.contains("a path must not be empty"), "\(errors)")
    }
  }

  @Test(arguments: [
    (["serve", "--memory", "0"], "a size is a number above 0"),
    (["worker", "--kv-cache", "4X"], "a size is a number above 0"),
    (["serve", "--base", "x"], "NAME=DIR"), (["doctor", "--base", "=x"], "NAME=DIR"),
    (["prove", "--base", "x="], "NAME=DIR"), (["router", "--metrics", "99999"], "0 to 65535"),
    (["checkpoints", "ttl", "x", "soon"], "a time is a number above 0"),
    (["checkpoints", "copy", "x", "--ttl", "0"], "a time is a number above 0"),
  ])
  func aValueOfAnotherFormIsRefusedWithTheForm(arguments: [String], form: String) async throws {
    let (status, output, errors) = try await Program.run(arguments)
    #expect(status == 2 && output.isEmpty)
    #expect(errors.contains(form), "\(errors)")
  }

  @Test(arguments: [
    (#"{"name": "b", "key": "k", "wieght": 2}"#, #"tenant 2 (b) has "wieght", which is none of"#),
    (#"{"name": "b", "key": "k", "key": "l"}"#, #"tenant 2 (b) has "key" twice"#),
    (#"{"name": "b", "key": ""}"#, #"the "key" of tenant 2 (b) is empty"#),
    (#"{"name": "b"}"#, #"tenant 2 (b) has no "key""#),
    (#"{"key": "k"}"#, #"tenant 2 has no "name""#),
    (#"{"name": "b", "key": 7}"#, #"the "key" of tenant 2 (b) is no text"#),
    (#"{"name": "b", "key": "k", "weight": "2"}"#, #"the "weight" of tenant 2 (b) is no number"#),
    (#"{"name": "b", "key": "k", "weight": 0}"#, "the weight of tenant b must be 0.001 to 1000"),
    (#"{"name": "b", "key": "a-key"}"#, "tenant b has the key of another one"),
    (#"{"name": "a", "key": "k"}"#, "two tenants are called a"),
    (#""b""#, "not a JSON array of"), (#"{"name": "b" "key"}"#, "not JSON: "),
  ])
  func tenantsAreCheckedAndNamed(second: String, words: String) async throws {
    try await TestFolder.with { folder in
      let file = "\(folder)/tenants.json"
      try Data(#"[{"name": "a", "key": "a-key", "weight": 1.5}, \#(second)]"#.utf8)
        .write(to: URL(fileURLWithPath: file))
      let (status, _, errors) = try await Program.run([
        "serve", "--data", "\(folder)/data", "--tenants", file,
      ])
      #expect(status == 1)
      #expect(errors.contains("\(file): \(words)"), "\(errors)")
    }
  }

  /// With the begin token where the tokenizer adds one: the ids are those of the `tokenizers` package.
  @Test func aRawPromptIsEncodedAsTheTokenizerDoes() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../TokenizersTests/Fixtures/llama3").standardized
    struct Golden: Decodable {
      struct Case: Decodable {
        var text: String
        var ids: [Int32]
        var with: [Int32]?
      }
      var cases: [Case]
    }
    let golden = try JSONDecoder().decode(
      Golden.self, from: Data(contentsOf: folder.appendingPathComponent("golden.json")))
    let model = try TextModel(folder: folder.path)
    for item in golden.cases {
      guard let with = item.with else { continue }
      #expect(try model.prompt(raw: item.text) == with)
      #expect(try model.tokens(item.text) == item.ids && with.count == item.ids.count + 1)
    }
    #expect(golden.cases.contains { $0.with != nil })
  }

  @Test func aDataFolderServesOneServiceAtATime() async throws {
    try await TestFolder.with { folder in
      let (first, second) = ("\(folder)/first", "\(folder)/second")
      let data = "\(folder)/data"
      let process = Process()
      let (lifeline, output) = (Pipe(), Pipe())
      process.executableURL = Program.url
      process.arguments = [
        "serve", "--listen", "ipc://\(first)", "--data", data, "--threads", "1", "--supervised",
      ]
      process.standardInput = lifeline
      process.standardOutput = output
      try process.run()
      let ready = output.fileHandleForReading.availableData
      #expect(String(decoding: ready, as: UTF8.self) == "ready ipc://\(first)\n")
      let (status, _, errors) = try await Program.run([
        "serve", "--listen", "ipc://\(second)", "--data", data,
      ])
      #expect(status == 1)
      #expect(errors.contains("another service uses the data folder"))
      process.terminate()
      process.waitUntilExit()
      #expect(process.terminationReason == .exit)
      #expect(process.terminationStatus == 0)
    }
  }
}
