package dev.tinsmith;

import com.google.protobuf.ByteString;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import tinsmith.v1.Blob;
import tinsmith.v1.Checkpoint;
import tinsmith.v1.CheckpointFile;
import tinsmith.v1.CheckpointKind;
import tinsmith.v1.CheckpointRequest;
import tinsmith.v1.CopyCheckpointRequest;
import tinsmith.v1.DeleteCheckpointResponse;
import tinsmith.v1.ExportCheckpointResponse;
import tinsmith.v1.ExportMergedResponse;
import tinsmith.v1.ImportCheckpointRequest;
import tinsmith.v1.ListCheckpointsRequest;
import tinsmith.v1.ListCheckpointsResponse;
import tinsmith.v1.Method;
import tinsmith.v1.ReadExportRequest;
import tinsmith.v1.ReadExportResponse;
import tinsmith.v1.SetCheckpointTtlRequest;

/** What the service has stored. A path that names nothing fails with {@code NotFound}. */
public final class CheckpointClient {
  /** The most bytes that {@link #readExport} may be asked for. */
  public static final int MAX_PIECE_BYTES = 8 << 20;

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

  /** Makes a checkpoint readable by other tenants. */
  public CompletableFuture<Checkpoint> publish(String path) {
    return channel.submit(stream, Method.METHOD_CHECKPOINTS_PUBLISH, request(path),
        Checkpoint.getDefaultInstance());
  }

  /** Takes that back. */
  public CompletableFuture<Checkpoint> unpublish(String path) {
    return channel.submit(stream, Method.METHOD_CHECKPOINTS_UNPUBLISH, request(path),
        Checkpoint.getDefaultInstance());
  }

  /**
   * Copies a checkpoint, also one that another tenant has published; the copy is this tenant's.
   *
   * @param name of the copy; empty: that of the original
   * @param ttl until the copy is deleted by itself, whole seconds; null: it is kept for ever
   */
  public CompletableFuture<Checkpoint> copy(String path, String name, Duration ttl) {
    CopyCheckpointRequest.Builder request =
        CopyCheckpointRequest.newBuilder().setPath(path).setName(name);
    if (ttl != null) {
      request.setTtlSeconds(ttl.toSeconds());
    }
    return channel.submit(stream, Method.METHOD_CHECKPOINTS_COPY, request.build(),
        Checkpoint.getDefaultInstance());
  }

  /** The adapter as files that PEFT loads, by name. */
  public CompletableFuture<Map<String, byte[]>> export(String path) {
    return channel.submit(stream, Method.METHOD_CHECKPOINTS_EXPORT, request(path),
            ExportCheckpointResponse.getDefaultInstance())
        .thenApply(response -> response.getFilesList().stream().collect(Collectors.toMap(
            CheckpointFile::getName, file -> file.getContent().getRaw().toByteArray())));
  }

  /**
   * Makes a checkpoint from an adapter in PEFT's layout. Damaged files, and those of another model,
   * fail with {@code InvalidArgument}; what the service cannot represent, with {@code
   * Unimplemented}.
   *
   * @param kind what the checkpoint is to be for; training begins with a fresh optimizer
   * @param baseModel the base model that the adapter belongs to
   * @param files {@code adapter_config.json} and {@code adapter_model.safetensors}, by name
   */
  public CompletableFuture<Checkpoint> importAdapter(
      String name, CheckpointKind kind, String baseModel, Map<String, byte[]> files) {
    ImportCheckpointRequest.Builder request = ImportCheckpointRequest.newBuilder()
        .setName(name)
        .setKind(kind)
        .setBaseModel(baseModel);
    files.forEach((file, content) -> request.addFiles(CheckpointFile.newBuilder()
        .setName(file)
        .setContent(Blob.newBuilder().setRaw(ByteString.copyFrom(content)))));
    return importAdapter(request.build());
  }

  /** The same with metadata. */
  public CompletableFuture<Checkpoint> importAdapter(ImportCheckpointRequest request) {
    return channel.submit(stream, Method.METHOD_CHECKPOINTS_IMPORT, request,
        Checkpoint.getDefaultInstance());
  }

  /**
   * Merges an adapter into its base model. The service keeps the files for a day after they were
   * last asked for; {@link #readExport} fetches them.
   */
  public CompletableFuture<ExportMergedResponse> exportMerged(String path) {
    return channel.submit(stream, Method.METHOD_CHECKPOINTS_EXPORT_MERGED, request(path),
        ExportMergedResponse.getDefaultInstance());
  }

  /**
   * A piece of a file of a merged model; {@code ExportedFile} has the size of the whole and its
   * SHA-256.
   *
   * @param exportId from {@link #exportMerged}
   * @param offset first byte
   * @param length bytes wanted, at most {@link #MAX_PIECE_BYTES}; fewer come at the file's end
   */
  public CompletableFuture<byte[]> readExport(
      String exportId, String file, long offset, int length) {
    ReadExportRequest request = ReadExportRequest.newBuilder()
        .setExportId(exportId)
        .setFile(file)
        .setOffset(offset)
        .setLength(length)
        .build();
    return channel.submit(stream, Method.METHOD_CHECKPOINTS_READ_EXPORT, request,
            ReadExportResponse.getDefaultInstance())
        .thenApply(response -> response.getContent().getRaw().toByteArray());
  }

  private static CheckpointRequest request(String path) {
    return CheckpointRequest.newBuilder().setPath(path).build();
  }
}
