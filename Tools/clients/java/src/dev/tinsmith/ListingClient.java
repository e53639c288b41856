package dev.tinsmith;

import java.util.concurrent.CompletableFuture;
import tinsmith.v1.ListRunsRequest;
import tinsmith.v1.ListRunsResponse;
import tinsmith.v1.ListSessionsRequest;
import tinsmith.v1.ListSessionsResponse;
import tinsmith.v1.Method;
import tinsmith.v1.RunInfo;
import tinsmith.v1.RunRequest;
import tinsmith.v1.SamplerInfo;
import tinsmith.v1.SamplerRequest;
import tinsmith.v1.SessionInfo;
import tinsmith.v1.SessionInfoRequest;

/**
 * What there is of the tenant: sessions and what was made in them while they live, and models with a
 * checkpoint as long as one is there. An id that names nothing fails with {@code NotFound}.
 */
public final class ListingClient {
  private final Channel channel;
  private final Stream stream;

  ListingClient(Channel channel, Stream stream) {
    this.channel = channel;
    this.stream = stream;
  }

  /** One page of sessions, newest first. */
  public CompletableFuture<ListSessionsResponse> sessions(ListSessionsRequest request) {
    return channel.submit(stream, Method.METHOD_SESSIONS_LIST, request,
        ListSessionsResponse.getDefaultInstance());
  }

  /** Describes a session and what was made in it. */
  public CompletableFuture<SessionInfo> session(String id) {
    return channel.submit(stream, Method.METHOD_SESSIONS_INFO,
        SessionInfoRequest.newBuilder().setSessionId(id).build(),
        SessionInfo.getDefaultInstance());
  }

  /** What a sampling session samples from. */
  public CompletableFuture<SamplerInfo> sampler(String id) {
    return channel.submit(stream, Method.METHOD_SESSIONS_SAMPLER,
        SamplerRequest.newBuilder().setSamplingSessionId(id).build(),
        SamplerInfo.getDefaultInstance());
  }

  /** One page of models, by their ids. */
  public CompletableFuture<ListRunsResponse> runs(ListRunsRequest request) {
    return channel.submit(stream, Method.METHOD_SESSIONS_LIST_RUNS, request,
        ListRunsResponse.getDefaultInstance());
  }

  /** Describes a model. */
  public CompletableFuture<RunInfo> run(String modelId) {
    return channel.submit(stream, Method.METHOD_SESSIONS_RUN,
        RunRequest.newBuilder().setModelId(modelId).build(), RunInfo.getDefaultInstance());
  }
}
