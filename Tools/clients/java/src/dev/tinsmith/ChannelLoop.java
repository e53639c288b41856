package dev.tinsmith;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.ThreadLocalRandom;
import tinsmith.v1.Method;
import tinsmith.v1.RequestHeader;
import tinsmith.v1.ResponseHeader;
import tinsmith.v1.StatusCode;

/**
 * What the loop's thread does: it lets requests into the window, oldest first, sends again what was
 * refused for now or may be lost, and gives the answers to their calls.
 */
final class ChannelLoop implements Runnable {
  private static final System.Logger LOG = System.getLogger("dev.tinsmith");
  private static final byte[] NO_BODY = {};
  /** Time is looked at this often, in milliseconds, when nothing happens. */
  private static final long TICK = 100;
  private static final long LONGEST_BACKOFF = 1000;
  /** A request is asked for at least once in so many times the first wait. */
  private static final long LONGEST_ASK = 10;

  /** What identifies a request. */
  private record Key(String stream, long seq) {}

  /** A refused call, and when to send it again in milliseconds of the loop's clock. */
  private record Retry(Call<?> call, long at) {}

  private final String endpoint;
  private final long patience;
  private final long askAfter;
  private final Executor callbacks;
  private final Link link;
  private final Window window = new Window();
  /** Not sent yet, oldest first. */
  private final Deque<Call<?>> waiting = new ArrayDeque<>();
  /** Sent and without a last answer, oldest first. */
  private final Map<Key, Call<?>> outstanding = new LinkedHashMap<>();
  private final PriorityQueue<Retry> retries =
      new PriorityQueue<>(Comparator.comparingLong(Retry::at));
  private String token = "";
  private boolean stopping;
  private long nextLook;
  /** What has waited longest, and when to speak of it. */
  private Call<?> oldest;
  private long reportAt;
  /** Why nothing is sent any more, or null. */
  private TinsmithException ended;

  /**
   * @param callbacks runs what users do with answers, which may take its time
   */
  ChannelLoop(String endpoint, ClientOptions options, Executor callbacks) throws IOException {
    this.endpoint = endpoint;
    this.patience = options.patience().toMillis();
    this.askAfter = options.askAfter().toMillis();
    this.callbacks = callbacks;
    this.link = new Link(endpoint, options);
  }

  /** Has the loop's thread do this; from any thread. */
  void post(Runnable event) {
    link.post(event);
  }

  @Override
  public void run() {
    TinsmithException end =
        TinsmithException.of(StatusCode.STATUS_CODE_CANCELLED, "the client was closed", "");
    try {
      while (!stopping) {
        link.await(retries.isEmpty() ? TICK : Math.min(TICK, retries.peek().at() - link.now()));
        for (Response response; (response = link.receive()) != null; ) {
          take(response);
        }
        watch();
        resend();
        ask();
        release();
      }
    } catch (RuntimeException | IOException defect) {
      LOG.log(System.Logger.Level.ERROR, "the client has failed", defect);
      end = TinsmithException.of(
          StatusCode.STATUS_CODE_INTERNAL, "the client has failed: " + defect, "");
    } finally {
      ended = end;
      failAll(end);
      link.close();
    }
  }

  // Events, on the loop's thread.

  void use(String sessionToken, int heartbeatSeconds) {
    token = sessionToken;
    link.keepAlive(1000L * heartbeatSeconds);
  }

  void submit(Call<?> call) {
    call.submittedAt = link.now();
    if (ended == null) {
      waiting.add(call);
    } else {
      call.fail(ended, callbacks);
    }
  }

  void stop() {
    stopping = true;
  }

  /** A request of an ordered stream is sent nevertheless: the ones behind it wait for its seq. */
  void cancel(Call<?> call) {
    if (outstanding.containsKey(key(call))) {
      send(call, Method.METHOD_FUTURES_CANCEL);
    } else if (!call.stream.inOrder) {
      waiting.remove(call);
    }
  }

  // Sending.

  private void release() {
    while (!waiting.isEmpty()) {
      Call<?> call = waiting.peek();
      if (call.stream.failure != null) {
        call.fail(call.stream.failure, callbacks);
        waiting.remove();
        continue;
      }
      if (!window.admits(call.bytes) || !call.stream.admits(call.seq)) {
        return;
      }
      waiting.remove();
      window.take(call.bytes);
      outstanding.put(key(call), call);
      send(call);
    }
  }

  private void send(Call<?> call) {
    call.sentAt = link.now();
    call.askLater(call.sentAt, askAfter);
    send(call, null);
    if (call.isCancelled()) {
      send(call, Method.METHOD_FUTURES_CANCEL);
    }
  }

  private void send(Call<?> call, Method other) {
    byte[] header = call.header(other, token).toByteArray();
    link.send(header, other == null ? call.body.toByteArray() : NO_BODY);
  }

  private void resend() {
    while (!retries.isEmpty() && retries.peek().at() <= link.now()) {
      Call<?> call = retries.remove().call();
      if (call.refused && outstanding.get(key(call)) == call) {
        call.refused = false;
        send(call);
      }
    }
  }

  /**
   * Asks for what nothing was heard of for long, also while the service answers others: an answer
   * may be lost, or a request.
   */
  private void ask() {
    long now = link.now();
    if (now < nextLook) {
      return;
    }
    nextLook = now + Math.min(TICK, askAfter);
    for (Call<?> call : outstanding.values()) {
      if (!call.refused && call.askAt <= now) {
        long next = Math.min(2 * call.askAfter, LONGEST_ASK * askAfter);
        // Nobody keeps answers of what belongs to no session: it is sent again.
        send(call, call.stream.name.indexOf(':') < 0 ? null : Method.METHOD_FUTURES_AWAIT);
        call.askLater(now, next);
      }
    }
    report(now);
  }

  /**
   * Says once what is waited for, if it has been the oldest for long: in a program that sends far
   * ahead every request waits, and the oldest one changes all the time.
   */
  private void report(long now) {
    Call<?> first = outstanding.isEmpty() ? null : outstanding.values().iterator().next();
    if (first != oldest) {
      oldest = first;
      reportAt = now + askAfter;
    } else if (oldest != null && now >= reportAt) {
      reportAt = Long.MAX_VALUE;
      LOG.log(System.Logger.Level.WARNING, "no answer to " + oldest + " for "
          + (now - oldest.submittedAt) / 1000 + " s; the service said of it last: " + oldest.said
          + "; asking " + endpoint);
    }
  }

  // Answers.

  private void take(Response response) {
    ResponseHeader header = response.header();
    window.grant(header.getWindowRequests(), header.getWindowBytes());
    Call<?> call = outstanding.get(new Key(header.getStream(), header.getSeq()));
    if (call == null || !call.stream.accepts(header.getEpoch())) {
      return;
    }
    switch (header.getEvent()) {
      case EVENT_ACCEPTED -> {
        call.accepted = call.stream.inOrder;
        call.letIn(link.now(), askAfter, "accepted");
      }
      case EVENT_PARTIAL -> {
        call.letIn(link.now(), askAfter, "a piece of the answer");
        call.piece(response, callbacks);
      }
      case EVENT_FINAL -> finish(call, response);
      default -> { } // Of a later version.
    }
  }

  private void finish(Call<?> call, Response response) {
    ResponseHeader header = response.header();
    switch (header.getCode()) {
      case STATUS_CODE_OK -> {
        call.finish(response, callbacks);
        settle(call);
      }
      case STATUS_CODE_RESOURCE_EXHAUSTED, STATUS_CODE_UNAVAILABLE, STATUS_CODE_ABORTED ->
          retry(call, header);
      case STATUS_CODE_PERMISSION_DENIED, STATUS_CODE_UNAUTHENTICATED, STATUS_CODE_DATA_LOSS ->
          end(call, TinsmithException.of(header));
      default -> {
        call.fail(TinsmithException.of(header), callbacks);
        settle(call);
      }
    }
  }

  /** Keeps the call's place in the window: what is behind it in the stream cannot run before it. */
  private void retry(Call<?> call, ResponseHeader header) {
    long now = link.now();
    // What was with the service for long had been let in: the patience begins anew.
    if (call.refusedAt == 0 || now - call.sentAt >= askAfter) {
      call.refusedAt = now;
    } else if (now - call.refusedAt > patience) {
      end(call, TinsmithException.of(header));
      return;
    }
    long wait = Integer.toUnsignedLong(header.getRetryAfterMs());
    if (wait == 0) {
      wait = call.backoffMilliseconds;
      call.backoffMilliseconds = Math.min(2 * wait, LONGEST_BACKOFF);
    }
    // A little at random, so that many clients do not come back at once.
    wait += ThreadLocalRandom.current().nextLong(wait / 4 + 1);
    call.said = header.getCode() + ": " + header.getMessage();
    call.accepted = false; // If it was only asked for: there is nothing to ask for.
    call.refused = true;
    retries.add(new Retry(call, now + wait));
  }

  /** Fails a call whose seq was not consumed, or whose model is lost; with it an ordered stream. */
  private void end(Call<?> call, TinsmithException failure) {
    if (!call.stream.inOrder) {
      call.fail(failure, callbacks);
      settle(call);
      return;
    }
    call.stream.failure = failure;
    for (Call<?> other : List.copyOf(outstanding.values())) {
      if (other.stream == call.stream) {
        other.fail(failure, callbacks);
        settle(other);
      }
    }
  }

  private void settle(Call<?> call) {
    outstanding.remove(key(call));
    window.release(call.bytes);
    call.stream.answered(call.seq);
  }

  // Time.

  /** Asks when nothing is heard; connects anew and sends again when that helps nothing. */
  private void watch() throws IOException {
    if (link.needsProbe(!outstanding.isEmpty())) {
      link.send(heartbeat().toByteArray(), NO_BODY);
    }
    if (link.silentMilliseconds() > patience) {
      failOlder(link.now() - patience, TinsmithException.of(StatusCode.STATUS_CODE_UNAVAILABLE,
          "nothing was heard of " + endpoint + " for " + link.silentMilliseconds() / 1000
              + " s: is the address right, and does a service listen there?", ""));
    }
    if (link.reconnect()) {
      for (Call<?> call : outstanding.values()) {
        if (call.accepted) {
          send(call, Method.METHOD_FUTURES_AWAIT);
          call.askLater(link.now(), askAfter);
        } else if (!call.refused) {
          send(call);
        }
      }
    }
  }

  private RequestHeader heartbeat() {
    return RequestHeader.newBuilder()
        .setProtocolVersion(1)
        .setMethod(Method.METHOD_SESSIONS_HEARTBEAT)
        .setSeq(link.nextProbe())
        .setSessionToken(token)
        .build();
  }

  private void failAll(TinsmithException failure) {
    for (Call<?> call : List.copyOf(outstanding.values())) {
      end(call, failure);
    }
    for (Call<?> call : waiting) {
      call.stream.failure = call.stream.inOrder ? failure : null;
      call.fail(failure, callbacks);
    }
    waiting.clear();
  }

  /** Ends what was submitted until then; other requests of streams in order with them. */
  private void failOlder(long then, TinsmithException failure) {
    for (Call<?> call : List.copyOf(outstanding.values())) {
      if (call.submittedAt <= then && outstanding.containsKey(key(call))) {
        end(call, failure);
      }
    }
    for (Call<?> call : waiting) {
      if (call.submittedAt <= then && call.stream.inOrder) {
        call.stream.failure = failure;
      }
    }
    waiting.removeIf(call -> {
      boolean ends = call.submittedAt <= then || call.stream.failure != null;
      if (ends) {
        call.fail(call.stream.failure == null ? failure : call.stream.failure, callbacks);
      }
      return ends;
    });
  }

  private static Key key(Call<?> call) {
    return new Key(call.stream.name, call.seq);
  }
}
