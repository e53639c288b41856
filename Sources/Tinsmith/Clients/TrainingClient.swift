internal import Wire

/// One model that is being trained: an adapter, its gradients and its optimizer.
///
/// Calls return at once; the service runs them in the order in which they were made. All losses are
/// sums over tokens and data, and gradients add up until `optimStep` uses them.
public final class TrainingClient: Sendable {
  /// What the model was when this client was made; `getInfo` asks again.
  public let info: ModelInfo

  let sender: StreamSender
  let session: Session

  init(_ sender: StreamSender, session: Session, info: ModelInfo) {
    self.sender = sender
    self.session = session
    self.info = info
  }

  /// Id of the model.
  public var modelID: String { info.modelID }

  /// Computes a loss and its log-probs, without gradients.
  ///
  /// - Parameters:
  ///   - data: at least one datum. Many are sent in several requests, whose answers are combined.
  ///   - loss: the loss function; its inputs are in the data.
  ///   - options: options of the loss by name.
  public func forward(
    _ data: [Datum], loss: LossFunction, options: [String: LossOption] = [:]
  ) -> Pending<ForwardBackwardOutput> {
    run(.trainingForward, data, loss, options)
  }

  /// Computes a loss and adds its gradients to those since the last `optimStep`.
  ///
  /// If it fails, the next `optimStep` fails as well and drops all gradients, also those of passes
  /// after it, unless it is told to apply what there is.
  public func forwardBackward(
    _ data: [Datum], loss: LossFunction, options: [String: LossOption] = [:]
  ) -> Pending<ForwardBackwardOutput> {
    run(.trainingForwardBackward, data, loss, options)
  }

  /// Applies the gradients and clears them. Always reports their norm before clipping.
  ///
  /// - Parameters:
  ///   - params: of the step.
  ///   - applyPartial: apply what there is also after a `forwardBackward` that failed or was
  ///     cancelled; otherwise the step fails then and drops all gradients.
  public func optimStep(
    _ params: AdamParams = AdamParams(), applyPartial: Bool = false
  ) -> Pending<OptimStepOutput> {
    var call = sender.call(.trainingOptimStep, OptimStepRequest(adam: params.wire))
    call.appliesPartial = applyPartial
    let answer = sender.send([call])[0]
    return Pending(from: answer) {
      OptimStepOutput(metrics: try OptimStepResponse.decode($0.payload).metrics)
    }
  }

  /// What the model is once the calls before this one have run.
  public func getInfo() -> Pending<ModelInfo> {
    let answer = sender.sendForAnswer(.trainingGetInfo, GetInfoRequest())
    return Pending(from: answer) { ModelInfo(try Wire.ModelInfo.decode($0.payload)) }
  }

  /// Ends the model once the calls before this one have run. Its checkpoints stay.
  public func unload() -> Pending<Void> {
    let answer = sender.sendForAnswer(.trainingUnload, UnloadRequest())
    return Pending(from: answer) { _ = try UnloadResponse.decode($0.payload) }
  }

  private func run(
    _ method: Method, _ data: [Datum], _ loss: LossFunction, _ options: [String: LossOption]
  ) -> Pending<ForwardBackwardOutput> {
    do throws(TinsmithError) {
      let calls = try passes(method, data, loss, options)
      return Self.combining(sender.send(calls))
    } catch {
      return Pending(failed: error)
    }
  }

  /// The requests of one pass over the data.
  ///
  /// - Throws: `TinsmithError` for no data at all or for a tensor that does not fit its shape.
  ///   Then nothing was sent.
  func passes(
    _ method: Method, _ data: [Datum], _ loss: LossFunction, _ options: [String: LossOption] = [:]
  ) throws(TinsmithError) -> [OutgoingCall] {
    guard !data.isEmpty else {
      throw TinsmithError(.invalidArgument, "needs at least one datum", field: "data")
    }
    let config = options.mapValues(\.wire)
    var calls: [OutgoingCall] = []
    for chunk in Chunking.split(data) {
      var wire: [Wire.Datum] = []
      var tokens = 0
      for index in chunk {
        do throws(TinsmithError) {
          wire.append(try data[index].wire())
        } catch {
          throw error.inside("data[\(index)]")
        }
        tokens += data[index].modelInput.length
      }
      let request = ForwardBackwardRequest(data: wire, lossFn: loss.name, lossFnConfig: config)
      calls.append(sender.call(method, request, tokens))
    }
    return calls
  }

  /// The answers of one pass as one.
  static func combining(_ answers: [Pending<Answer>]) -> Pending<ForwardBackwardOutput> {
    let result = Pending<ForwardBackwardOutput> {
      var parts: [ForwardBackwardOutput] = []
      for answer in answers {
        let payload = try await answer.value().payload
        parts.append(try ForwardBackwardOutput(ForwardBackwardResponse.decode(payload)))
      }
      return MetricCombiner.combine(parts)
    }
    result.whenCancelled { for answer in answers { answer.cancel() } }
    return result
  }
}
