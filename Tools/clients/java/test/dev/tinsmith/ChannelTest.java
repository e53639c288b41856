package dev.tinsmith;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import com.google.protobuf.ByteString;
import dev.tinsmith.FakeService.Request;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import tinsmith.v1.Blob;
import tinsmith.v1.Event;
import tinsmith.v1.Method;
import tinsmith.v1.PingRequest;
import tinsmith.v1.PingResponse;
import tinsmith.v1.StatusCode;

/** What a client owes the service, against a service that the test plays itself. */
public final class ChannelTest {
  private static final Method METHOD = Method.METHOD_TRAINING_GET_INFO;

  private final FakeService service = new FakeService();
  private final Stream stream = new Stream("s:train:0", true);
  private Channel channel;

  @Before
  public void open() throws Exception {
    channel = new Channel(service.endpoint(), new ClientOptions("", Duration.ZERO,
        Duration.ofSeconds(20), Duration.ofMillis(200), Duration.ofSeconds(3),
        Duration.ofSeconds(15)));
  }

  @After
  public void close() {
    channel.close();
    service.close();
  }

  private CompletableFuture<PingResponse> submit(Stream to, String text) {
    PingRequest body = PingRequest.newBuilder().setPayload(blob(text)).build();
    return channel.submit(to, METHOD, body, PingResponse.getDefaultInstance());
  }

  private static Blob blob(String text) {
    return Blob.newBuilder().setRaw(ByteString.copyFromUtf8(text)).build();
  }

  private static PingResponse answer(String text) {
    return PingResponse.newBuilder().setPayload(blob(text)).build();
  }

  private static <T> T get(CompletableFuture<T> future) throws Exception {
    return future.get(20, TimeUnit.SECONDS);
  }

  private static <E extends TinsmithException> E failure(
      Class<E> type, CompletableFuture<?> future) {
    ExecutionException thrown = assertThrows(ExecutionException.class, () -> get(future));
    return type.cast(thrown.getCause());
  }

  @Test
  public void answersInAnyOrderAndAcknowledges() throws Exception {
    List<CompletableFuture<PingResponse>> futures = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      futures.add(submit(stream, "request " + i));
    }
    List<Request> requests = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      requests.add(service.next(METHOD, i));
      assertEquals(0, requests.get(i).header().getAcked());
    }
    for (int i : new int[] {2, 0, 1}) {
      service.succeed(requests.get(i), answer("answer " + i));
    }
    for (int i = 0; i < 3; i++) {
      assertEquals(answer("answer " + i), get(futures.get(i)));
    }
    submit(stream, "next");
    assertEquals(2, service.next(METHOD, 3).header().getAcked());
  }

  @Test
  public void staysWithinTheWindow() throws Exception {
    CompletableFuture<PingResponse> first = submit(stream, "first");
    Request request = service.next(METHOD, 0);
    service.send(request, FakeService.header(request, Event.EVENT_FINAL).setWindowRequests(2));
    get(first);
    for (int i = 1; i < 5; i++) {
      submit(stream, "request");
    }
    Request next = service.next(METHOD, 1);
    service.next(METHOD, 2);
    service.succeed(next);
    assertEquals(1, service.next(METHOD, 3).header().getAcked());
    while (true) { // The fourth is not sent, though heartbeats are.
      Request other = service.any();
      assertEquals(Method.METHOD_SESSIONS_HEARTBEAT, other.header().getMethod());
      if (other.header().getSeq() > (1L << 40) + 2) {
        return;
      }
      service.succeed(other);
    }
  }

  @Test
  public void sendsTheSameAgainWhenRefusedForNow() throws Exception {
    CompletableFuture<PingResponse> future = submit(stream, "patient");
    Request request = service.next(METHOD, 0);
    for (StatusCode code : List.of(StatusCode.STATUS_CODE_UNAVAILABLE,
        StatusCode.STATUS_CODE_RESOURCE_EXHAUSTED, StatusCode.STATUS_CODE_ABORTED)) {
      service.refuse(request, code, "");
      Request again = service.next(METHOD, 0);
      assertArrayEquals(request.body(), again.body());
      request = again;
    }
    service.succeed(request, answer("at last"));
    assertEquals(answer("at last"), get(future));
  }

  @Test
  public void takesItsRequestsToANewConnection() throws Exception {
    List<CompletableFuture<PingResponse>> futures = new ArrayList<>();
    List<Request> requests = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      futures.add(submit(stream, "request " + i));
      requests.add(service.next(METHOD, i));
    }
    service.succeed(requests.get(0), answer("0"));
    service.send(requests.get(1), FakeService.header(requests.get(1), Event.EVENT_ACCEPTED));
    get(futures.get(0));
    TimeUnit.MILLISECONDS.sleep(100); // ACCEPTED is behind the answer.
    service.restart();
    Request awaited = service.next(Method.METHOD_FUTURES_AWAIT, 1);
    assertEquals(0, awaited.body().length);
    for (int i = 2; i < 4; i++) {
      Request again = service.next(METHOD, i);
      assertArrayEquals(requests.get(i).body(), again.body());
      service.succeed(again, answer("" + i));
      assertEquals(answer("" + i), get(futures.get(i)));
    }
    service.refuse(awaited, StatusCode.STATUS_CODE_UNAVAILABLE, "");
    service.succeed(service.next(METHOD, 1), answer("1"));
    assertEquals(answer("1"), get(futures.get(1)));
  }

  private Channel impatient(String endpoint, int patience, int askAfter) throws Exception {
    return new Channel(endpoint, new ClientOptions("", Duration.ZERO, Duration.ofMillis(patience),
        Duration.ofMillis(200), Duration.ofSeconds(3), Duration.ofMillis(askAfter)));
  }

  private CompletableFuture<PingResponse> submit(Channel through, Stream to) {
    return through.submit(
        to, METHOD, PingRequest.getDefaultInstance(), PingResponse.getDefaultInstance());
  }

  @Test
  public void asksForARequestThatVanished() throws Exception {
    try (Channel asking = impatient(service.endpoint(), 20_000, 500)) {
      CompletableFuture<PingResponse> future = submit(asking, stream);
      Request request = service.next(METHOD, 0); // Heartbeats are answered all the time.
      Request question = service.next(Method.METHOD_FUTURES_AWAIT, 0);
      assertEquals(0, question.body().length);
      service.refuse(question, StatusCode.STATUS_CODE_UNAVAILABLE, "");
      Request again = service.next(METHOD, 0);
      assertArrayEquals(request.body(), again.body());
      service.succeed(again, answer("at last"));
      assertEquals(answer("at last"), get(future));
    }
  }

  @Test
  public void asksForAnAnswerThatVanishedLessAndLessOften() throws Exception {
    try (Channel asking = impatient(service.endpoint(), 20_000, 400)) {
      CompletableFuture<PingResponse> future = submit(asking, stream);
      long before = time(service.next(METHOD, 0));
      long first = time(service.next(Method.METHOD_FUTURES_AWAIT, 0));
      Request second = service.next(Method.METHOD_FUTURES_AWAIT, 0);
      long between = time(second) - first;
      assertTrue("" + between, between >= 500 && first - before >= 200);
      service.succeed(second, answer("recorded"));
      assertEquals(answer("recorded"), get(future));
    }
  }

  private static long time(Request received) {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime());
  }

  @Test
  public void sendsWhatHasNoStreamAgain() throws Exception {
    try (Channel asking = impatient(service.endpoint(), 20_000, 300)) {
      CompletableFuture<PingResponse> future = submit(asking, new Stream("", false));
      service.next(METHOD, 0);
      service.succeed(service.next(METHOD, 0), answer("yes"));
      assertEquals(answer("yes"), get(future));
    }
  }

  @Test
  public void patienceCountsFromTheFirstRefusal() throws Exception {
    try (Channel asking = impatient(service.endpoint(), 1000, 60_000)) {
      CompletableFuture<PingResponse> future = submit(asking, stream);
      Request request = service.next(METHOD, 0);
      for (long end = System.nanoTime() + 1_500_000_000L; System.nanoTime() < end; ) {
        service.succeed(service.any()); // It waits behind others, for longer than the patience.
      }
      service.refuse(request, StatusCode.STATUS_CODE_UNAVAILABLE, "");
      service.refuse(service.next(METHOD, 0), StatusCode.STATUS_CODE_UNAVAILABLE, "");
      service.succeed(service.next(METHOD, 0), answer("in time"));
      assertEquals(answer("in time"), get(future));
    }
  }

  @Test
  public void patienceEndsAndTakesTheStreamWithIt() throws Exception {
    try (Channel asking = impatient(service.endpoint(), 300, 60_000)) {
      CompletableFuture<PingResponse> first = submit(asking, stream);
      CompletableFuture<PingResponse> behind = submit(asking, stream);
      while (!first.isDone()) {
        Request request = service.within(50);
        if (request != null && request.header().getSeq() == 0) {
          service.refuse(request, StatusCode.STATUS_CODE_UNAVAILABLE, "");
        }
      }
      failure(TinsmithException.Unavailable.class, first);
      failure(TinsmithException.Unavailable.class, behind);
    }
  }

  @Test
  public void anAddressThatNeverAnswersEndsWithItsName() throws Exception {
    String nowhere = "tcp://127.0.0.1:1";
    try (Channel asking = impatient(nowhere, 500, 60_000)) {
      CompletableFuture<PingResponse> first = submit(asking, stream);
      CompletableFuture<PingResponse> behind = submit(asking, stream);
      CompletableFuture<PingResponse> other = submit(asking, new Stream("s:sample:0", false));
      for (CompletableFuture<PingResponse> future : List.of(first, behind, other)) {
        String message = failure(TinsmithException.Unavailable.class, future).getMessage();
        assertTrue(message, message.contains("nothing was heard of " + nowhere + " for "));
      }
    }
  }

  @Test
  public void leavesASilentConnection() throws Exception {
    service.fallSilent();
    CompletableFuture<PingResponse> future = submit(stream, "anybody there?");
    Request request = service.next(METHOD, 0);
    assertEquals(Method.METHOD_SESSIONS_HEARTBEAT, service.any().header().getMethod());
    Request again = service.next(METHOD, 0);
    assertFalse(Arrays.equals(request.peer(), again.peer()));
    service.succeed(again, answer("yes"));
    assertEquals(answer("yes"), get(future));
  }

  @Test
  public void keepsAConnectionThatAnswersHeartbeats() throws Exception {
    CompletableFuture<PingResponse> future = submit(stream, "slow");
    Request request = service.next(METHOD, 0);
    for (long end = System.nanoTime() + 5_000_000_000L; System.nanoTime() < end; ) {
      Request heartbeat = service.any();
      assertEquals(Method.METHOD_SESSIONS_HEARTBEAT, heartbeat.header().getMethod());
      service.succeed(heartbeat);
    }
    service.succeed(request, answer("done"));
    assertEquals(answer("done"), get(future));
  }

  @Test
  public void keepsItsSessionAlive() {
    channel.use("token", 1);
    Request heartbeat = service.any();
    assertEquals(Method.METHOD_SESSIONS_HEARTBEAT, heartbeat.header().getMethod());
    assertEquals("token", heartbeat.header().getSessionToken());
    assertEquals("", heartbeat.header().getStream());
  }

  @Test
  public void failuresHaveTypes() throws Exception {
    CompletableFuture<PingResponse> future = submit(stream, "wrong");
    service.refuse(service.next(METHOD, 0), StatusCode.STATUS_CODE_INVALID_ARGUMENT, "data[3]");
    assertEquals("data[3]", failure(TinsmithException.InvalidArgument.class, future).field());
    future = submit(stream, "unreadable");
    Request request = service.next(METHOD, 1);
    assertEquals(0, request.header().getAcked());
    service.send(request, FakeService.header(request, Event.EVENT_FINAL), new byte[] {10, -1});
    failure(TinsmithException.Internal.class, future);
    future = submit(stream, "of a later version");
    request = service.next(METHOD, 2);
    assertEquals("failures consume their seq, too", 1, request.header().getAcked());
    service.send(request, FakeService.header(request, Event.EVENT_FINAL).setCodeValue(99));
    failure(TinsmithException.Unknown.class, future);
  }

  @Test
  public void aLostModelEndsItsStream() throws Exception {
    CompletableFuture<PingResponse> first = submit(stream, "first");
    CompletableFuture<PingResponse> second = submit(stream, "second");
    CompletableFuture<PingResponse> other = submit(new Stream("s:train:1", true), "other");
    service.refuse(service.next(METHOD, 0), StatusCode.STATUS_CODE_DATA_LOSS, "");
    failure(TinsmithException.DataLoss.class, first);
    failure(TinsmithException.DataLoss.class, second);
    failure(TinsmithException.DataLoss.class, submit(stream, "third"));
    service.next(METHOD, 1);
    service.succeed(service.next(METHOD, 0));
    get(other);
  }

  @Test
  public void dropsAnswersOfAFormerOwner() throws Exception {
    CompletableFuture<PingResponse> first = submit(stream, "first");
    CompletableFuture<PingResponse> second = submit(stream, "second");
    Request request = service.next(METHOD, 0);
    service.send(request, FakeService.header(request, Event.EVENT_FINAL).setEpoch(2));
    get(first);
    request = service.next(METHOD, 1);
    service.send(request, FakeService.header(request, Event.EVENT_FINAL).setEpoch(1),
        answer("old").toByteArray());
    service.send(request, FakeService.header(request, Event.EVENT_FINAL).setEpoch(2),
        answer("new").toByteArray());
    assertEquals(answer("new"), get(second));
  }

  @Test
  public void cancellingReachesTheService() {
    CompletableFuture<PingResponse> future = submit(stream, "regretted");
    service.next(METHOD, 0);
    assertTrue(future.cancel(true));
    service.next(Method.METHOD_FUTURES_CANCEL, 0);
  }

  @Test
  public void piecesComeInOrderAndBeforeTheWhole() throws Exception {
    List<String> pieces = new ArrayList<>();
    CompletableFuture<PingResponse> future = channel.submit(
        new Stream("s:sample:0", false), channel.header(METHOD), PingRequest.getDefaultInstance(),
        PingResponse.getDefaultInstance(),
        response -> pieces.add(new String(response.body())));
    Request request = service.next(METHOD, 0);
    List<String> sent = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      sent.add("piece " + i);
      service.send(request, FakeService.header(request, Event.EVENT_PARTIAL),
          sent.get(i).getBytes());
    }
    service.succeed(request);
    get(future);
    assertEquals(sent, pieces);
  }

  @Test
  public void readsAttachments() throws Exception {
    CompletableFuture<PingResponse> future = submit(stream, "large");
    Request request = service.next(METHOD, 0);
    PingResponse body =
        PingResponse.newBuilder().setPayload(Blob.newBuilder().setAttachment(0)).build();
    service.send(request, FakeService.header(request, Event.EVENT_FINAL), body.toByteArray(),
        "behind the body".getBytes());
    assertEquals(answer("behind the body"), get(future));
  }

  @Test
  public void closingFailsWhatIsOpen() {
    CompletableFuture<PingResponse> open = submit(stream, "open");
    service.next(METHOD, 0);
    channel.close();
    failure(TinsmithException.Cancelled.class, open);
    failure(TinsmithException.Cancelled.class, submit(stream, "late"));
  }
}
