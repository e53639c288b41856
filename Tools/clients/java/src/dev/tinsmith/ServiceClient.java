package dev.tinsmith;

import com.google.protobuf.ByteString;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import tinsmith.v1.Blob;
import tinsmith.v1.CapabilitiesRequest;
import tinsmith.v1.CapabilitiesResponse;
import tinsmith.v1.CreateModelRequest;
import tinsmith.v1.CreateModelResponse;
import tinsmith.v1.CreateSamplingSessionRequest;
import tinsmith.v1.CreateSamplingSessionResponse;
import tinsmith.v1.CreateSessionRequest;
import tinsmith.v1.CreateSessionResponse;
import tinsmith.v1.FinishReason;
import tinsmith.v1.FinishSessionRequest;
import tinsmith.v1.FinishSessionResponse;
import tinsmith.v1.HealthRequest;
import tinsmith.v1.HealthResponse;
import tinsmith.v1.LoraConfig;
import tinsmith.v1.Method;
import tinsmith.v1.PingRequest;
import tinsmith.v1.PingResponse;
import tinsmith.v1.StatsRequest;
import tinsmith.v1.StatsResponse;

/**
 * One session with a service: creates clients for models, sampling and checkpoints. No call waits;
 * each returns a future that fails with a {@link TinsmithException}. Can be used from any thread.
 * Lost connections are replaced, and what has no answer is sent again.
 */
public final class ServiceClient implements AutoCloseable {
  private static final String SDK_VERSION = "tinsmith-java/0.1";
  private static final long LONGEST_GOODBYE = 2;

  private final Channel channel;
  private final CreateSessionResponse session;
  private final Stream connection;
  private final Stream ending;
  private final CheckpointClient checkpoints;
  private final ListingClient listing;
  private final AtomicLong models = new AtomicLong();
  private final AtomicLong samplers = new AtomicLong();

  private ServiceClient(Channel channel, Stream connection, CreateSessionResponse session) {
    this.channel = channel;
    this.connection = connection;
    this.session = session;
    this.ending = new Stream(session.getSessionId(), false);
    Stream stored = new Stream(session.getSessionId() + ":checkpoints", false);
    this.checkpoints = new CheckpointClient(channel, stored);
    this.listing = new ListingClient(channel, stored);
  }

  /**
   * Opens a session.
   *
   * @param endpoint for example {@code tcp://127.0.0.1:7410}
   */
  public static CompletableFuture<ServiceClient> connect(String endpoint) {
    return connect(endpoint, ClientOptions.DEFAULTS);
  }

  /**
   * Opens a session.
   *
   * @param endpoint for example {@code tcp://127.0.0.1:7410}
   */
  public static CompletableFuture<ServiceClient> connect(String endpoint, ClientOptions options) {
    Channel channel;
    try {
      channel = new Channel(endpoint, options);
    } catch (IOException failure) {
      return CompletableFuture.failedFuture(new UncheckedIOException(failure));
    }
    Stream connection = new Stream("", false);
    CreateSessionRequest request = CreateSessionRequest.newBuilder()
        .setApiKey(options.apiKey())
        .setSdkVersion(SDK_VERSION)
        .build();
    return channel.submit(connection, Method.METHOD_SESSIONS_CREATE, request,
            CreateSessionResponse.getDefaultInstance())
        .handle((session, failure) -> {
          if (failure != null) {
            channel.close();
            throw failure instanceof CompletionException wrapped
                ? wrapped
                : new CompletionException(failure);
          }
          channel.use(session.getToken(), session.getHeartbeatSeconds());
          return new ServiceClient(channel, connection, session);
        });
  }

  /** Id of the session. Streams, and with them the paths of checkpoints, begin with it. */
  public String sessionId() {
    return session.getSessionId();
  }

  /** Base models, loss functions, versions. */
  public CompletableFuture<CapabilitiesResponse> capabilities() {
    return channel.submit(connection, Method.METHOD_ADMIN_CAPABILITIES,
        CapabilitiesRequest.getDefaultInstance(), CapabilitiesResponse.getDefaultInstance());
  }

  /** Whether all workers are there. */
  public CompletableFuture<HealthResponse> health() {
    return channel.submit(connection, Method.METHOD_ADMIN_HEALTH,
        HealthRequest.getDefaultInstance(), HealthResponse.getDefaultInstance());
  }

  /** Counters and gauges of the service. */
  public CompletableFuture<StatsResponse> stats() {
    return channel.submit(connection, Method.METHOD_ADMIN_STATS,
        StatsRequest.getDefaultInstance(), StatsResponse.getDefaultInstance());
  }

  /** A round trip to the service; it answers with the same bytes. */
  public CompletableFuture<PingResponse> ping(byte[] payload) {
    PingRequest request = PingRequest.newBuilder()
        .setPayload(Blob.newBuilder().setRaw(ByteString.copyFrom(payload)))
        .build();
    return channel.submit(
        connection, Method.METHOD_ADMIN_PING, request, PingResponse.getDefaultInstance());
  }

  /**
   * Creates a model: a new adapter on a base model.
   *
   * @param baseModel a name from {@link #capabilities}
   */
  public CompletableFuture<TrainingClient> createLoraTrainingClient(
      String baseModel, LoraConfig lora) {
    return createTrainingClient(
        CreateModelRequest.newBuilder().setBaseModel(baseModel).setLora(lora).build());
  }

  /**
   * Creates a model from a checkpoint of {@link TrainingClient#saveState}.
   *
   * @param optimizer go on with the checkpoint's optimizer state, too
   */
  public CompletableFuture<TrainingClient> createTrainingClientFromState(
      String path, boolean optimizer) {
    return createTrainingClient(
        CreateModelRequest.newBuilder().setFromPath(path).setFromOptimizer(optimizer).build());
  }

  /** Creates a model. */
  public CompletableFuture<TrainingClient> createTrainingClient(CreateModelRequest request) {
    Stream stream = new Stream(sessionId() + ":train:" + models.getAndIncrement(), true);
    return channel.submit(stream, Method.METHOD_TRAINING_CREATE_MODEL, request,
            CreateModelResponse.getDefaultInstance())
        .thenApply(created -> new TrainingClient(this, channel, stream, created.getInfo()));
  }

  /** Samples from a checkpoint of {@link TrainingClient#saveWeightsForSampler}. */
  public CompletableFuture<SamplingClient> createSamplingClient(String modelPath) {
    return createSamplingClient(
        CreateSamplingSessionRequest.newBuilder().setModelPath(modelPath).build());
  }

  /** Samples from a base model as it is. */
  public CompletableFuture<SamplingClient> createBaseSamplingClient(String baseModel) {
    return createSamplingClient(
        CreateSamplingSessionRequest.newBuilder().setBaseModel(baseModel).build());
  }

  private CompletableFuture<SamplingClient> createSamplingClient(
      CreateSamplingSessionRequest source) {
    Stream stream = new Stream(sessionId() + ":sample:" + samplers.getAndIncrement(), false);
    return channel.submit(stream, Method.METHOD_SAMPLING_CREATE_SAMPLING_SESSION, source,
            CreateSamplingSessionResponse.getDefaultInstance())
        .thenApply(created -> new SamplingClient(channel, stream, source, created));
  }

  /** Lists, describes, changes, copies, exports and imports checkpoints. */
  public CheckpointClient checkpoints() {
    return checkpoints;
  }

  /** Lists and describes sessions, sampling sessions and models. */
  public ListingClient listing() {
    return listing;
  }

  /** Ends the session, which frees its models; checkpoints stay. */
  public CompletableFuture<Void> finish() {
    FinishSessionRequest request =
        FinishSessionRequest.newBuilder().setReason(FinishReason.FINISH_REASON_SUCCESS).build();
    return channel.submit(ending, Method.METHOD_SESSIONS_FINISH, request,
            FinishSessionResponse.getDefaultInstance())
        .thenAccept(finished -> { });
  }

  /**
   * Ends the session and closes the connection. Calls that have no answer yet fail with {@link
   * TinsmithException.Cancelled}. Waits {@value #LONGEST_GOODBYE} seconds at most; a session that
   * the service hears no more of ends by itself.
   */
  @Override
  public void close() {
    finish().completeOnTimeout(null, LONGEST_GOODBYE, TimeUnit.SECONDS)
        .exceptionally(ended -> null)
        .join();
    channel.close();
  }
}
