import Testing
import Wire

@testable import Tinsmith

@Suite struct ValueTests {
  @Test func denseTensorsComeBack() throws {
    for tensor in [
      TensorData([1, .nan, -0.0, 3], shape: [2, 2]), TensorData(integers: [.min, 5]),
      TensorData(tokens: [1, 2, 3]), TensorData([Float](), shape: [0, 3]),
    ] {
      let back = try TensorData(tensor.wire())
      #expect(back.shape == tensor.shape)
      #expect(String(describing: back.values) == String(describing: tensor.values))
    }
  }

  @Test func sparseTensorsComeBack() throws {
    let tensor = TensorData(
      sparse: .init(rowStarts: [0, 2, 2, 3], columns: [0, 3, 1]), cells: .float32([1, 2, 3]),
      shape: [3, 4])
    #expect(try TensorData(tensor.wire()) == tensor)
    #expect(tensor.floats == [1, 0, 0, 2, 0, 0, 0, 0, 0, 3, 0, 0])
    #expect(tensor.count == 12)
  }

  @Test func wrongSparseCellsDoNotTrap() {
    let tensor = TensorData(
      sparse: .init(rowStarts: [0, 9], columns: [7, -1]), cells: .float32([1, 2]), shape: [1, 2])
    #expect(tensor.floats == [0, 0])
    #expect(throws: WireError.self) { try tensor.wire() }
  }

  @Test func integersOnlyWhereTheyAre() {
    #expect(TensorData(tokens: [1, 2]).integers == [1, 2])
    #expect(TensorData([1.5]).integers == nil)
  }

  @Test func wrongShapeNamesTheField() throws {
    let datum = Datum(
      modelInput: [1, 2], lossFnInputs: ["weights": TensorData([1, 2, 3], shape: [2, 2])])
    do throws(TinsmithError) {
      _ = try datum.wire()
      Issue.record("accepted")
    } catch {
      #expect(error.code == .invalidArgument)
      #expect(error.field.hasPrefix("loss_fn_inputs[weights]"))
    }
  }

  @Test func datumShifts() {
    let datum = Datum(prompt: [1, 2], completion: [3, 4])
    #expect(datum.modelInput.tokens == [1, 2, 3])
    #expect(datum.lossFnInputs["target_tokens"] == TensorData(tokens: [2, 3, 4]))
    #expect(datum.lossFnInputs["weights"] == TensorData([0, 1, 1]))
  }

  @Test func stops() {
    #expect(SamplingParams().wire.stop == .modelDefault)
    #expect(SamplingParams(stop: .never).wire.stop == .tokens([]))
    #expect(SamplingParams(stop: .strings(["x"])).wire.stop == .strings(["x"]))
    #expect(SamplingParams(stop: .tokens([7])).wire.stop == .tokens([7]))
  }

  @Test func defaultsAreThoseOfTheSchema() {
    #expect(AdamParams().wire == Wire.AdamParams())
    #expect(SamplingParams().wire == Wire.SamplingParams())
    #expect(LoRAConfig().wire == Wire.LoraConfig())
  }

  @Test func errorsSayEverythingInOneLine() {
    let error = TinsmithError(.invalidArgument, "is not finite", field: "data[0]")
    #expect(error.description == "INVALID_ARGUMENT: data[0]: is not finite")
    #expect(TinsmithError(.dataLoss, "gone").description == "DATA_LOSS: gone")
  }

  @Test func everyStatusHasACode() {
    for status in StatusCode.allCases where status != .ok {
      #expect(TinsmithError(status: status, message: "").code.description == status.description)
    }
  }

  @Test func emptyCellsOfTopKAreLeftOut() throws {
    let table = TopKLogprobs(
      tokenIDs: try #require(Tensor([Int32(0), 0, 5, 0]).reshaped([2, 2])),
      logprobs: try #require(Tensor([Float(-99999), -99999, -1, -99999]).reshaped([2, 2])))
    #expect(try table.rows() == [[], [TokenLogprob(token: 5, logprob: -1)]])
  }
}
