internal import CProto

/// One training example.
package struct Datum: Sendable, Equatable {
  /// What the model reads.
  package var modelInput: ModelInput
  /// Inputs of the loss by name, e.g. `target_tokens` (N) or (N, K) and `weights` like it.
  package var lossFnInputs: [String: Tensor]

  /// An example.
  package init(modelInput: ModelInput, lossFnInputs: [String: Tensor]) {
    self.modelInput = modelInput
    self.lossFnInputs = lossFnInputs
  }
}

extension Datum: Coded {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__Datum>?) {
    tinsmith__v1__datum__init(c)
  }

  init(_ c: Tinsmith__V1__Datum, _ reader: Reader) throws(WireError) {
    modelInput = try reader.required(c.model_input, "model_input")
    lossFnInputs = try reader.tensors(c.loss_fn_inputs, c.n_loss_fn_inputs, "loss_fn_inputs")
  }

  func fill(_ c: inout Tinsmith__V1__Datum, _ writer: Writer) {
    c.model_input = writer.message(modelInput)
    writer.pairs(lossFnInputs, &c.n_loss_fn_inputs, &c.loss_fn_inputs, NamedTensor.init)
  }
}

/// Value of an option of a loss function.
package enum LossOption: Sendable, Equatable {
  case number(Double)
  case text(String)
}

/// `Training.Forward` and `Training.ForwardBackward`.
package struct ForwardBackwardRequest: Sendable, Equatable {
  /// The examples, at least one.
  package var data: [Datum]
  /// Name of the loss function.
  package var lossFn: String
  /// Its options by name.
  package var lossFnConfig: [String: LossOption]

  /// A request.
  package init(data: [Datum], lossFn: String, lossFnConfig: [String: LossOption] = [:]) {
    self.data = data
    self.lossFn = lossFn
    self.lossFnConfig = lossFnConfig
  }
}

extension ForwardBackwardRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__ForwardBackwardRequest>?) {
    tinsmith__v1__forward_backward_request__init(c)
  }

  init(_ c: Tinsmith__V1__ForwardBackwardRequest, _ reader: Reader) throws(WireError) {
    data = try reader.list(c.data, c.n_data, "data", limit: Limits.maxDatums)
    guard !data.isEmpty else {
      throw WireError(.missing, "needs at least one datum", field: "data")
    }
    lossFn = try Check.present(reader.text(c.loss_fn), "loss_fn")
    lossFnConfig = try reader.pairs(c.loss_fn_config, c.n_loss_fn_config, "loss_fn_config") {
      option throws(WireError) in
      let entry = try LossEntry(option, reader)
      return (entry.name, entry.value)
    }
  }

  func fill(_ c: inout Tinsmith__V1__ForwardBackwardRequest, _ writer: Writer) {
    writer.list(data, &c.n_data, &c.data)
    c.loss_fn = writer.text(lossFn)
    writer.pairs(lossFnConfig, &c.n_loss_fn_config, &c.loss_fn_config, LossEntry.init)
  }
}

/// `LossOption` with its name.
private struct LossEntry: Coded {
  var name: String
  var value: LossOption

  init(name: String, value: LossOption) {
    self.name = name
    self.value = value
  }

  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__LossOption>?) {
    tinsmith__v1__loss_option__init(c)
  }

  init(_ c: Tinsmith__V1__LossOption, _ reader: Reader) throws(WireError) {
    name = reader.text(c.name)
    switch c.value_case {
    case TINSMITH__V1__LOSS_OPTION__VALUE_NUMBER: value = .number(c.number)
    case TINSMITH__V1__LOSS_OPTION__VALUE_TEXT: value = .text(reader.text(c.text))
    default: throw WireError(.missing, "has no value", field: "[\(name)]")
    }
  }

  func fill(_ c: inout Tinsmith__V1__LossOption, _ writer: Writer) {
    c.name = writer.text(name)
    switch value {
    case .number(let number):
      c.value_case = TINSMITH__V1__LOSS_OPTION__VALUE_NUMBER
      c.number = number
    case .text(let text):
      c.value_case = TINSMITH__V1__LOSS_OPTION__VALUE_TEXT
      c.text = writer.text(text)
    }
  }
}

/// Answer of `Training.Forward` and `Training.ForwardBackward`.
package struct ForwardBackwardResponse: Sendable, Equatable {
  /// Per datum, in the request's order: tensors by name; `logprobs` has the shape of
  /// `target_tokens`.
  package var lossFnOutputs: [[String: Tensor]]
  /// Numbers by `name:reduction`; `loss:sum` is always there.
  package var metrics: [String: Double]

  /// An answer.
  package init(lossFnOutputs: [[String: Tensor]], metrics: [String: Double]) {
    self.lossFnOutputs = lossFnOutputs
    self.metrics = metrics
  }
}

extension ForwardBackwardResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__ForwardBackwardResponse>?) {
    tinsmith__v1__forward_backward_response__init(c)
  }

  init(_ c: Tinsmith__V1__ForwardBackwardResponse, _ reader: Reader) throws(WireError) {
    let outputs: [DatumOutput] = try reader.list(
      c.loss_fn_outputs, c.n_loss_fn_outputs, "loss_fn_outputs", limit: Limits.maxDatums)
    lossFnOutputs = outputs.map(\.tensors)
    metrics = try reader.metrics(c.metrics, c.n_metrics)
  }

  func fill(_ c: inout Tinsmith__V1__ForwardBackwardResponse, _ writer: Writer) {
    writer.list(
      lossFnOutputs.map { DatumOutput(tensors: $0) }, &c.n_loss_fn_outputs, &c.loss_fn_outputs)
    writer.pairs(metrics, &c.n_metrics, &c.metrics, NamedNumber.init)
  }
}

private struct DatumOutput: Coded {
  var tensors: [String: Tensor]

  init(tensors: [String: Tensor]) { self.tensors = tensors }

  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__DatumOutput>?) {
    tinsmith__v1__datum_output__init(c)
  }

  init(_ c: Tinsmith__V1__DatumOutput, _ reader: Reader) throws(WireError) {
    tensors = try reader.tensors(c.outputs, c.n_outputs, "outputs")
  }

  func fill(_ c: inout Tinsmith__V1__DatumOutput, _ writer: Writer) {
    writer.pairs(tensors, &c.n_outputs, &c.outputs, NamedTensor.init)
  }
}
