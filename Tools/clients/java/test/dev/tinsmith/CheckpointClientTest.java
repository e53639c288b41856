package dev.tinsmith;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import tinsmith.v1.AdamParams;
import tinsmith.v1.Checkpoint;
import tinsmith.v1.CheckpointKind;
import tinsmith.v1.Datum;
import tinsmith.v1.ExportMergedResponse;
import tinsmith.v1.ExportedFile;
import tinsmith.v1.ListCheckpointsRequest;
import tinsmith.v1.ListCheckpointsResponse;
import tinsmith.v1.ListRunsRequest;
import tinsmith.v1.ListSessionsRequest;
import tinsmith.v1.LoraConfig;
import tinsmith.v1.SaveStateRequest;
import tinsmith.v1.SaveWeightsForSamplerRequest;
import tinsmith.v1.SessionInfo;

/** Checkpoints through the client, against the service at {@code TINSMITH_ENDPOINT}. */
public final class CheckpointClientTest {
  private static final String BASE = "tinsmith/mini";
  private static final List<Datum> DATA =
      List.of(Tensors.datum(new int[] {4088, 4094, 10}, new int[] {65}));

  private ServiceClient service;
  private CheckpointClient checkpoints;
  private TrainingClient model;

  private static ServiceClient connect(String apiKey) throws Exception {
    return get(ServiceClient.connect(
        System.getenv("TINSMITH_ENDPOINT"), ClientOptions.DEFAULTS.withApiKey(apiKey)));
  }

  @Before
  public void open() throws Exception {
    service = connect("");
    checkpoints = service.checkpoints();
    LoraConfig lora = LoraConfig.newBuilder().setRank(4).setSeed(1).build();
    model = get(service.createLoraTrainingClient(BASE, lora));
  }

  @After
  public void close() {
    service.close();
  }

  private static <T> T get(CompletableFuture<T> future) throws Exception {
    return future.get(120, TimeUnit.SECONDS);
  }

  private static <E extends TinsmithException> E failure(
      Class<E> type, CompletableFuture<?> future) {
    ExecutionException thrown = assertThrows(ExecutionException.class, () -> get(future));
    return type.cast(thrown.getCause());
  }

  private void train() throws Exception {
    get(model.forwardBackward(DATA, "cross_entropy"));
    get(model.optimStep(AdamParams.newBuilder().setLearningRate(1e-2).build()));
  }

  private static double loss(TrainingClient of) throws Exception {
    return Tensors.metrics(get(of.forward(DATA, "cross_entropy")).getMetricsList())
        .get("loss:sum");
  }

  private ListCheckpointsResponse page(String token) throws Exception {
    return get(checkpoints.list(ListCheckpointsRequest.newBuilder()
        .setModelId(model.modelId())
        .setLimit(1)
        .setPageToken(token)
        .build()));
  }

  /** Kind and name of each checkpoint of the model. */
  private Set<String> names() throws Exception {
    String scheme = "tinsmith://" + model.modelId() + "/";
    return get(checkpoints.list(
            ListCheckpointsRequest.newBuilder().setModelId(model.modelId()).build()))
        .getCheckpointsList().stream()
        .map(checkpoint -> checkpoint.getPath().substring(scheme.length()))
        .collect(Collectors.toSet());
  }

  @Test
  public void areListedDescribedAndDeleted() throws Exception {
    train();
    String state = get(model.saveState("one"));
    failure(TinsmithException.AlreadyExists.class, model.saveState("one"));
    get(model.saveState(SaveStateRequest.newBuilder()
        .setName("one").setOverwrite(true).setTtlSeconds(3600).build()));
    String weights = get(model.saveWeightsForSampler("two"));

    ListCheckpointsResponse first = page("");
    assertEquals(List.of(weights), paths(first));
    ListCheckpointsResponse second = page(first.getNextPageToken());
    assertEquals(List.of(state), paths(second));
    assertEquals("", second.getNextPageToken());

    Checkpoint info = get(checkpoints.info(state));
    assertEquals(CheckpointKind.CHECKPOINT_KIND_TRAINING, info.getKind());
    assertEquals(1, info.getStep());
    assertEquals(4, info.getRank());
    assertEquals(BASE, info.getBaseModel());
    assertTrue(info.getExpiresUnixMs() > info.getCreatedUnixMs());
    assertEquals(0, get(checkpoints.setTtl(state, null)).getExpiresUnixMs());
    assertNotEquals(0, get(checkpoints.setTtl(state, Duration.ofMinutes(1))).getExpiresUnixMs());

    get(checkpoints.delete(state));
    assertEquals(Set.of("sampler_weights/two"), names());
    TinsmithException gone = failure(TinsmithException.NotFound.class, checkpoints.info(state));
    assertEquals("path", gone.field());
  }

  private static List<String> paths(ListCheckpointsResponse page) {
    return page.getCheckpointsList().stream().map(Checkpoint::getPath).toList();
  }

  @Test
  public void whatIsPublishedCanBeCopied() throws Exception {
    String path = get(model.saveState("shared"));
    try (ServiceClient another = connect("another")) {
      CheckpointClient others = another.checkpoints();
      failure(TinsmithException.NotFound.class, others.info(path));
      assertTrue(get(checkpoints.publish(path)).getPublished());
      assertTrue(get(others.info(path)).getPublished());
      Checkpoint copy = get(others.copy(path, "mine", Duration.ofMinutes(1)));
      assertEquals("mine", copy.getName());
      assertNotEquals(0, copy.getExpiresUnixMs());
      assertFalse(copy.getPublished());
      Checkpoint kept = get(others.copy(path, "", null));
      assertEquals("shared", kept.getName());
      assertEquals(0, kept.getExpiresUnixMs());
      failure(TinsmithException.PermissionDenied.class, others.delete(path));
      assertFalse(get(checkpoints.unpublish(path)).getPublished());
      failure(TinsmithException.NotFound.class, others.info(path));
      assertEquals(copy, get(others.info(copy.getPath())));
    }
  }

  @Test
  public void theOldestMakeRoom() throws Exception {
    for (int number = 0; number < 3; number++) {
      get(model.saveState(SaveStateRequest.newBuilder()
          .setName("state-" + number).setKeepLast(2).build()));
      get(model.saveWeightsForSampler(SaveWeightsForSamplerRequest.newBuilder()
          .setName("weights-" + number).setKeepLast(1).build()));
    }
    assertEquals(
        Set.of("weights/state-1", "weights/state-2", "sampler_weights/weights-2"), names());
  }

  @Test
  public void adaptersLeaveAndComeBack() throws Exception {
    train();
    double loss = loss(model);
    Map<String, byte[]> files = get(checkpoints.export(get(model.saveWeightsForSampler("out"))));
    assertEquals(Set.of("adapter_config.json", "adapter_model.safetensors"), files.keySet());
    Checkpoint made = get(checkpoints.importAdapter(
        "in", CheckpointKind.CHECKPOINT_KIND_TRAINING, BASE, files));
    assertEquals("in", made.getName());
    TrainingClient again = get(service.createTrainingClientFromState(made.getPath(), false));
    assertEquals(loss, loss(again), 0);

    Map<String, byte[]> broken = new HashMap<>(files);
    broken.put("adapter_model.safetensors", "nothing".getBytes(StandardCharsets.US_ASCII));
    TinsmithException refused = failure(TinsmithException.InvalidArgument.class,
        checkpoints.importAdapter("in", CheckpointKind.CHECKPOINT_KIND_SAMPLER, BASE, broken));
    assertTrue(refused.getMessage(), refused.getMessage().contains("adapter_model.safetensors"));
  }

  @Test
  public void mergedModelsAreFetchedInPieces() throws Exception {
    train();
    String path = get(model.saveWeightsForSampler("merged"));
    ExportMergedResponse export = get(checkpoints.exportMerged(path));
    Map<String, byte[]> files = new HashMap<>();
    for (ExportedFile file : export.getFilesList()) {
      ByteArrayOutputStream content = new ByteArrayOutputStream();
      while (content.size() < file.getSizeBytes()) {
        byte[] piece = get(checkpoints.readExport(export.getExportId(), file.getName(),
            content.size(), CheckpointClient.MAX_PIECE_BYTES));
        assertNotEquals(0, piece.length);
        content.writeBytes(piece);
      }
      byte[] digest = MessageDigest.getInstance("SHA-256").digest(content.toByteArray());
      assertEquals(file.getSha256(), HexFormat.of().formatHex(digest));
      files.put(file.getName(), content.toByteArray());
    }
    assertTrue(files.keySet().containsAll(
        Set.of("config.json", "model.safetensors", "tokenizer.json")));
    assertArrayEquals(Arrays.copyOfRange(files.get("model.safetensors"), 7, 16),
        get(checkpoints.readExport(export.getExportId(), "model.safetensors", 7, 9)));
    failure(TinsmithException.NotFound.class,
        checkpoints.readExport(export.getExportId(), "nothing", 0, 1));
  }

  @Test
  public void sessionsAndModelsAreListedWhileTheyLive() throws Exception {
    ListingClient listing = service.listing();
    get(service.createBaseSamplingClient(BASE));
    SessionInfo info = get(listing.session(service.sessionId()));
    assertEquals(List.of(model.modelId()), info.getModelIdsList());
    assertEquals(1, info.getSamplingSessionIdsCount());
    String sampler = info.getSamplingSessionIds(0);
    assertEquals(BASE, get(listing.sampler(sampler)).getBaseModel());
    SessionInfo newest =
        get(listing.sessions(ListSessionsRequest.newBuilder().setLimit(1).build())).getSessions(0);
    assertEquals(service.sessionId(), newest.getSessionId());
    assertFalse(get(listing.run(model.modelId())).hasLastCheckpoint());
    String state = get(model.saveState("kept"));
    assertEquals(state, get(listing.run(model.modelId())).getLastCheckpoint().getPath());
    try (ServiceClient another = connect("another")) {
      failure(TinsmithException.NotFound.class, another.listing().session(service.sessionId()));
      failure(TinsmithException.NotFound.class, another.listing().sampler(sampler));
      failure(TinsmithException.NotFound.class, another.listing().run(model.modelId()));
      assertEquals(0, get(another.listing().runs(
          ListRunsRequest.newBuilder().build())).getRunsList().stream()
          .filter(run -> run.getModelId().equals(model.modelId())).count());
    }
  }
}
