package dev.tinsmith;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import tinsmith.v1.AdamParams;
import tinsmith.v1.Datum;
import tinsmith.v1.EncodedText;
import tinsmith.v1.ForwardBackwardRequest;
import tinsmith.v1.ForwardBackwardResponse;
import tinsmith.v1.GetInfoRequest;
import tinsmith.v1.LoadStateRequest;
import tinsmith.v1.LoadStateResponse;
import tinsmith.v1.Method;
import tinsmith.v1.ModelInfo;
import tinsmith.v1.ModelInput;
import tinsmith.v1.OptimStepRequest;
import tinsmith.v1.OptimStepResponse;
import tinsmith.v1.RequestFlag;
import tinsmith.v1.RequestHeader;
import tinsmith.v1.SaveStateRequest;
import tinsmith.v1.SaveStateResponse;
import tinsmith.v1.SaveWeightsForSamplerRequest;
import tinsmith.v1.SaveWeightsForSamplerResponse;
import tinsmith.v1.UnloadRequest;
import tinsmith.v1.UnloadResponse;

/**
 * One model in training. Its requests run in the order in which they were submitted, each once, so
 * the next batch can be submitted before the answers to the last one are there.
 */
public final class TrainingClient {
  private final ServiceClient service;
  private final Channel channel;
  private final Stream stream;
  private final ModelInfo created;

  TrainingClient(ServiceClient service, Channel channel, Stream stream, ModelInfo created) {
    this.service = service;
    this.channel = channel;
    this.stream = stream;
    this.created = created;
  }

  /** Id of the model, the first part of its checkpoints' paths. */
  public String modelId() {
    return stream.name;
  }

  /** What the model was when it was created. */
  public ModelInfo created() {
    return created;
  }

  /** Loss and log-probs without gradients. */
  public CompletableFuture<ForwardBackwardResponse> forward(List<Datum> data, String loss) {
    return pass(Method.METHOD_TRAINING_FORWARD, request(data, loss));
  }

  /**
   * Loss and log-probs; gradients are added to those of the passes since the last step.
   *
   * @param data at most 1,024 examples; about 5 MB a request is a good size
   * @param loss for example {@code cross_entropy}, {@code importance_sampling}
   */
  public CompletableFuture<ForwardBackwardResponse> forwardBackward(
      List<Datum> data, String loss) {
    return forwardBackward(request(data, loss));
  }

  /** The same with options of the loss. */
  public CompletableFuture<ForwardBackwardResponse> forwardBackward(
      ForwardBackwardRequest request) {
    return pass(Method.METHOD_TRAINING_FORWARD_BACKWARD, request);
  }

  private static ForwardBackwardRequest request(List<Datum> data, String loss) {
    return ForwardBackwardRequest.newBuilder().addAllData(data).setLossFn(loss).build();
  }

  private CompletableFuture<ForwardBackwardResponse> pass(
      Method method, ForwardBackwardRequest request) {
    long tokens = 0;
    for (Datum datum : request.getDataList()) {
      tokens += tokens(datum.getModelInput());
    }
    return channel.submit(stream, channel.header(method).setCostPromptTokens(tokens), request,
        ForwardBackwardResponse.getDefaultInstance(), null);
  }

  /** Tokens of an input. */
  static long tokens(ModelInput input) {
    return input.getChunksList().stream()
        .mapToLong(chunk -> chunk.getEncodedText().getRaw().size() / Integer.BYTES)
        .sum();
  }

  /**
   * One AdamW step with the gradients of the passes since the last step. If one of them failed, the
   * step only drops the gradients and fails with {@link TinsmithException.FailedPrecondition}.
   */
  public CompletableFuture<OptimStepResponse> optimStep(AdamParams adam) {
    return optimStep(adam, false);
  }

  /**
   * One AdamW step.
   *
   * @param applyPartial step with the gradients there are, although a pass failed
   */
  public CompletableFuture<OptimStepResponse> optimStep(AdamParams adam, boolean applyPartial) {
    RequestHeader.Builder header = channel.header(Method.METHOD_TRAINING_OPTIM_STEP);
    if (applyPartial) {
      header.setFlags(RequestFlag.REQUEST_FLAG_APPLY_PARTIAL_VALUE);
    }
    return channel.submit(stream, header, OptimStepRequest.newBuilder().setAdam(adam).build(),
        OptimStepResponse.getDefaultInstance(), null);
  }

  /** Writes a checkpoint to go on training from; the future has its path. */
  public CompletableFuture<String> saveState(String name) {
    return saveState(SaveStateRequest.newBuilder().setName(name).build());
  }

  /** The same with options: time to live, overwriting, how many of the model to keep. */
  public CompletableFuture<String> saveState(SaveStateRequest request) {
    return channel.submit(stream, Method.METHOD_TRAINING_SAVE_STATE, request,
            SaveStateResponse.getDefaultInstance())
        .thenApply(SaveStateResponse::getPath);
  }

  /**
   * Takes the adapter of a checkpoint.
   *
   * @param optimizer take the optimizer state, too; otherwise it starts afresh
   */
  public CompletableFuture<Void> loadState(String path, boolean optimizer) {
    LoadStateRequest request =
        LoadStateRequest.newBuilder().setPath(path).setOptimizer(optimizer).build();
    return channel.submit(stream, Method.METHOD_TRAINING_LOAD_STATE, request,
            LoadStateResponse.getDefaultInstance())
        .thenAccept(loaded -> { });
  }

  /**
   * Writes a checkpoint to sample from; the future has its path.
   *
   * @param name empty: a name is made up, which the next such call may use again
   */
  public CompletableFuture<String> saveWeightsForSampler(String name) {
    return saveWeightsForSampler(SaveWeightsForSamplerRequest.newBuilder().setName(name).build());
  }

  /** The same with options: time to live, overwriting, how many of the model to keep. */
  public CompletableFuture<String> saveWeightsForSampler(SaveWeightsForSamplerRequest request) {
    return channel.submit(stream, Method.METHOD_SAMPLING_SAVE_WEIGHTS_FOR_SAMPLER, request,
            SaveWeightsForSamplerResponse.getDefaultInstance())
        .thenApply(SaveWeightsForSamplerResponse::getPath);
  }

  /** Samples from the model as it is when this call's turn comes. */
  public CompletableFuture<SamplingClient> saveWeightsAndGetSamplingClient() {
    return saveWeightsForSampler("").thenCompose(service::createSamplingClient);
  }

  /** What the model is, and how many steps it has taken. */
  public CompletableFuture<ModelInfo> info() {
    return channel.submit(stream, Method.METHOD_TRAINING_GET_INFO,
        GetInfoRequest.getDefaultInstance(), ModelInfo.getDefaultInstance());
  }

  /** Ends the model; its checkpoints stay. */
  public CompletableFuture<Void> unload() {
    return channel.submit(stream, Method.METHOD_TRAINING_UNLOAD,
            UnloadRequest.getDefaultInstance(), UnloadResponse.getDefaultInstance())
        .thenAccept(unloaded -> { });
  }
}
