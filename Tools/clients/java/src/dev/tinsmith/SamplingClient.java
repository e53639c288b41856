package dev.tinsmith;

import com.google.protobuf.InvalidProtocolBufferException;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import tinsmith.v1.ComputeLogprobsRequest;
import tinsmith.v1.ComputeLogprobsResponse;
import tinsmith.v1.CreateSamplingSessionRequest;
import tinsmith.v1.CreateSamplingSessionResponse;
import tinsmith.v1.Method;
import tinsmith.v1.ModelInput;
import tinsmith.v1.RequestFlag;
import tinsmith.v1.RequestHeader;
import tinsmith.v1.SampleRequest;
import tinsmith.v1.SampleResponse;
import tinsmith.v1.SampledSequence;
import tinsmith.v1.SamplingParams;

/**
 * Samples from one base model or adapter. Requests are independent of each other and run side by
 * side.
 */
public final class SamplingClient {
  private final Channel channel;
  private final Stream stream;
  private final CreateSamplingSessionRequest source;
  private final CreateSamplingSessionResponse created;

  SamplingClient(Channel channel, Stream stream, CreateSamplingSessionRequest source,
      CreateSamplingSessionResponse created) {
    this.channel = channel;
    this.stream = stream;
    this.source = source;
    this.created = created;
  }

  /** What is sampled from: base model, tokenizer, longest context. */
  public CreateSamplingSessionResponse created() {
    return created;
  }

  /**
   * Tokens that a step of decoding has added to one sequence.
   *
   * @param sequence which one of those that were asked for, from 0
   * @param offset how many tokens the sequence had before; if you have fewer, a piece was lost on
   *     the way and only the future has the whole
   * @param tokens the new ones
   * @param logprobs their natural logarithms of probability, at the temperature of the request
   */
  public record Piece(int sequence, long offset, int[] tokens, float[] logprobs) {}

  /** Generates. */
  public CompletableFuture<SampleResponse> sample(
      ModelInput prompt, int numSamples, SamplingParams params) {
    return sample(request(prompt, numSamples, params));
  }

  /** Generates; {@code onPiece} is called with the tokens as they come, never twice at a time. */
  public CompletableFuture<SampleResponse> sample(
      ModelInput prompt, int numSamples, SamplingParams params, Consumer<Piece> onPiece) {
    return sample(request(prompt, numSamples, params), onPiece);
  }

  private static SampleRequest request(ModelInput prompt, int numSamples, SamplingParams params) {
    return SampleRequest.newBuilder()
        .setPrompt(prompt)
        .setNumSamples(numSamples)
        .setSamplingParams(params)
        .build();
  }

  /** Generates. What to sample from need not be set. */
  public CompletableFuture<SampleResponse> sample(SampleRequest request) {
    return submit(request, 0, null);
  }

  /** Generates; {@code onPiece} is called with the tokens as they come, never twice at a time. */
  public CompletableFuture<SampleResponse> sample(
      SampleRequest request, Consumer<Piece> onPiece) {
    return submit(request, RequestFlag.REQUEST_FLAG_STREAM_VALUE, response -> {
      for (SampledSequence sequence : pieces(response).getSequencesList()) {
        onPiece.accept(new Piece(
            sequence.getIndex(),
            response.header().getPartialOffset(),
            Tensors.ints(sequence.getTokens()),
            Tensors.floats(sequence.getLogprobs())));
      }
    });
  }

  private static SampleResponse pieces(Response response) {
    try {
      return response.decode(SampleResponse.getDefaultInstance());
    } catch (InvalidProtocolBufferException unreadable) {
      throw new IllegalArgumentException("unreadable piece of an answer", unreadable);
    }
  }

  private CompletableFuture<SampleResponse> submit(
      SampleRequest request, int flags, Consumer<Response> onPartial) {
    SampleRequest.Builder sourced = request.toBuilder();
    if (request.getSourceCase() == SampleRequest.SourceCase.SOURCE_NOT_SET) {
      // Each request names it: another worker may run it, which has not heard of the session.
      switch (source.getSourceCase()) {
        case BASE_MODEL -> sourced.setBaseModel(source.getBaseModel());
        case MODEL_PATH -> sourced.setModelPath(source.getModelPath());
        default -> { }
      }
    }
    RequestHeader.Builder header = channel.header(Method.METHOD_SAMPLING_SAMPLE)
        .setFlags(flags)
        .setCostPromptTokens(TrainingClient.tokens(request.getPrompt()))
        .setCostNewTokens(
            Integer.toUnsignedLong(request.getNumSamples())
                * Integer.toUnsignedLong(request.getSamplingParams().getMaxTokens()));
    return channel.submit(
        stream, header, sourced.build(), SampleResponse.getDefaultInstance(), onPartial);
  }

  /** Log-probs of each token of a text, in the model's own distribution, given those before it; the first is NaN. */
  public CompletableFuture<float[]> computeLogprobs(ModelInput prompt) {
    return computeLogprobs(prompt, 0);
  }

  /** Likewise, of the last {@code lastN} tokens only, and NaN before them; of all if it is 0. */
  public CompletableFuture<float[]> computeLogprobs(ModelInput prompt, int lastN) {
    ComputeLogprobsRequest.Builder request =
        ComputeLogprobsRequest.newBuilder().setPrompt(prompt).setPromptLogprobsLastN(lastN);
    switch (source.getSourceCase()) {
      case BASE_MODEL -> request.setBaseModel(source.getBaseModel());
      case MODEL_PATH -> request.setModelPath(source.getModelPath());
      default -> { }
    }
    RequestHeader.Builder header = channel.header(Method.METHOD_SAMPLING_COMPUTE_LOGPROBS)
        .setCostPromptTokens(TrainingClient.tokens(prompt));
    return channel.submit(stream, header, request.build(),
            ComputeLogprobsResponse.getDefaultInstance(), null)
        .thenApply(response -> Tensors.floats(response.getLogprobs()));
  }
}
