package dev.tinsmith;

import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import tinsmith.v1.Checkpoint;
import tinsmith.v1.CheckpointFile;
import tinsmith.v1.CheckpointRequest;
import tinsmith.v1.DeleteCheckpointResponse;
import tinsmith.v1.ExportCheckpointResponse;
import tinsmith.v1.ListCheckpointsRequest;
import tinsmith.v1.ListCheckpointsResponse;
import tinsmith.v1.Method;
import tinsmith.v1.SetCheckpointTtlRequest;

/** What the service has stored. A path that names nothing fails with {@code NotFound}. */
public final class CheckpointClient {
  private final Channel channel;
  private final Stream stream;

  CheckpointClient(Channel channel, Stream stream) {
    this.channel = channel;
    this.stream = stream;
  }

  /**
   * One page of checkpoints, newest first.
   *
   * @param request of which model, how many at most, from which page on
   */
  public CompletableFuture<ListCheckpointsResponse> list(ListCheckpointsRequest request) {
    return channel.submit(stream, Method.METHOD_CHECKPOINTS_LIST, request,
        ListCheckpointsResponse.getDefaultInstance());
  }

  /** Describes a checkpoint. */
  public CompletableFuture<Checkpoint> info(String path) {
    return channel.submit(stream, Method.METHOD_CHECKPOINTS_INFO, request(path),
        Checkpoint.getDefaultInstance());
  }

  /** Deletes a checkpoint. */
  public CompletableFuture<Void> delete(String path) {
    return channel.submit(stream, Method.METHOD_CHECKPOINTS_DELETE, request(path),
            DeleteCheckpointResponse.getDefaultInstance())
        .thenAccept(deleted -> { });
  }

  /**
   * Has a checkpoint deleted by itself.
   *
   * @param ttl from now on, whole seconds; null: it is kept for ever
   */
  public CompletableFuture<Checkpoint> setTtl(String path, Duration ttl) {
    SetCheckpointTtlRequest.Builder request = SetCheckpointTtlRequest.newBuilder().setPath(path);
    if (ttl != null) {
      request.setTtlSeconds(ttl.toSeconds());
    }
    return channel.submit(stream, Method.METHOD_CHECKPOINTS_SET_TTL, request.build(),
        Checkpoint.getDefaultInstance());
  }

  /** The adapter as files that PEFT loads, by name. */
  public CompletableFuture<Map<String, byte[]>> export(String path) {
    return channel.submit(stream, Method.METHOD_CHECKPOINTS_EXPORT, request(path),
            ExportCheckpointResponse.getDefaultInstance())
        .thenApply(response -> response.getFilesList().stream().collect(Collectors.toMap(
            CheckpointFile::getName, file -> file.getContent().getRaw().toByteArray())));
  }

  private static CheckpointRequest request(String path) {
    return CheckpointRequest.newBuilder().setPath(path).build();
  }
}
