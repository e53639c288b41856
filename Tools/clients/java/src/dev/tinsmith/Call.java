package dev.tinsmith;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import tinsmith.v1.Method;
import tinsmith.v1.RequestHeader;
import tinsmith.v1.StatusCode;

/**
 * One request until its answer: the future that the user holds, and what the loop's thread has to
 * know of it. Cancelling it gives the request up at the service, too.
 */
final class Call<R extends Message> extends CompletableFuture<R> {
  /** Room for the header, which counts for the window like everything else. */
  private static final long HEADER_BYTES = 512;

  final Stream stream;
  final long seq;
  /** It is kept as it is and encoded each time that it is sent, to the same bytes. */
  final Message body;
  /** What it takes of the window. */
  final long bytes;

  /** The service has it for good: asking for its answer does what sending it again does. */
  boolean accepted;
  /** Milliseconds of the loop's clock, like all times here. */
  long submittedAt;
  /** When it was sent last. */
  long sentAt;
  /** When it was first refused for now and not let in since; 0: it was not. */
  long refusedAt;
  /** When to ask for it, and how long that is after the last word. */
  long askAt;
  long askAfter;
  /** What the service said of it last, for people. */
  String said = "nothing";
  /** It was refused for now and is to be sent again later. */
  boolean refused;
  /** The wait before it is sent again, where the service names none. */
  long backoffMilliseconds = 10;

  private final Channel channel;
  private final RequestHeader.Builder header;
  private final R prototype;
  private final Consumer<Response> onPartial;
  /** Pieces and outcome reach the user one after the other, on threads that may be kept waiting. */
  private CompletableFuture<Void> delivered = CompletableFuture.completedFuture(null);

  /**
   * @param header all but key, token and acknowledgement
   * @param prototype any value of the answer's type
   * @param onPartial takes pieces of the answer, or null
   */
  Call(Channel channel, Stream stream, long seq, RequestHeader.Builder header, Message body,
      R prototype, Consumer<Response> onPartial) {
    this.channel = channel;
    this.stream = stream;
    this.seq = seq;
    this.header = header;
    this.body = body;
    this.bytes = body.getSerializedSize() + HEADER_BYTES;
    this.prototype = prototype;
    this.onPartial = onPartial;
  }

  /** Nothing more is expected of the service for so long. */
  void askLater(long now, long milliseconds) {
    askAfter = milliseconds;
    askAt = now + milliseconds;
  }

  /** The service says that it has it. */
  void letIn(long now, long milliseconds, String word) {
    refusedAt = 0;
    said = word;
    askLater(now, milliseconds);
  }

  /** For people: what is waited for. */
  @Override
  public String toString() {
    return header.getMethod() + " (" + (stream.name.isEmpty() ? "no stream" : stream.name)
        + ", seq " + Long.toUnsignedString(seq) + ")";
  }

  /** The header of the request, or of {@code Futures.Await} and {@code Futures.Cancel} for it. */
  RequestHeader header(Method other, String token) {
    RequestHeader.Builder sent = other == null
        ? header.clone()
        : RequestHeader.newBuilder().setProtocolVersion(header.getProtocolVersion())
            .setMethod(other);
    return sent.setStream(stream.name)
        .setSeq(seq)
        .setAcked(stream.acked())
        .setSessionToken(token)
        .build();
  }

  /** Hands a piece of the answer to the user. */
  void piece(Response response, Executor executor) {
    if (onPartial == null) {
      return;
    }
    deliver(executor, () -> {
      if (!isDone()) {
        onPartial.accept(response);
      }
    });
  }

  /** Hands the answer to the user. */
  void finish(Response response, Executor executor) {
    deliver(executor, () -> {
      try {
        complete(response.decode(prototype));
      } catch (InvalidProtocolBufferException unreadable) {
        throw TinsmithException.of(
            StatusCode.STATUS_CODE_INTERNAL, "unreadable answer: " + unreadable.getMessage(), "");
      }
    });
  }

  /** Hands the failure to the user. */
  void fail(TinsmithException failure, Executor executor) {
    deliver(executor, () -> completeExceptionally(failure));
  }

  /** A task that throws, also a user's, fails the future and nothing else. */
  private void deliver(Executor executor, Runnable task) {
    delivered = delivered.thenRunAsync(() -> {
      try {
        task.run();
      } catch (RuntimeException failure) {
        completeExceptionally(failure);
      }
    }, executor);
  }

  @Override
  public boolean cancel(boolean mayInterruptIfRunning) {
    boolean cancelled = super.cancel(mayInterruptIfRunning);
    if (cancelled) {
      channel.cancel(this);
    }
    return cancelled;
  }
}
