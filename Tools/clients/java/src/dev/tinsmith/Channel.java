package dev.tinsmith;

import com.google.protobuf.Message;
import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;
import tinsmith.v1.Method;
import tinsmith.v1.RequestHeader;

/**
 * Requests to one service. {@link #submit} never waits: it fixes the order and leaves the rest to
 * the loop's thread, which owns the socket. Can be used from any thread.
 */
final class Channel implements AutoCloseable {
  private static final int PROTOCOL_VERSION = 1;
  private static final String CLIENT_NAME = "tinsmith-java/0.1";
  /** Tells the processes of a log apart. */
  private static final long INCARNATION = ThreadLocalRandom.current().nextLong();

  private final ClientOptions options;
  private final ChannelLoop loop;
  private final Thread thread;

  /**
   * Opens the connection; whether the service is there shows at the first request.
   *
   * @param endpoint for example {@code tcp://127.0.0.1:7410}
   * @throws IOException if the system has no more pipes or sockets
   */
  Channel(String endpoint, ClientOptions options) throws IOException {
    this.options = options;
    // As many threads as users keep waiting: a callback may wait for another future.
    ExecutorService callbacks = Executors.newCachedThreadPool(
        task -> daemon(task, "tinsmith-callback"));
    loop = new ChannelLoop(endpoint, options, callbacks);
    thread = daemon(loop, "tinsmith-loop");
    thread.start();
  }

  private static Thread daemon(Runnable task, String name) {
    Thread thread = new Thread(task, name);
    thread.setDaemon(true);
    return thread;
  }

  /** A header to submit, with the method set. */
  RequestHeader.Builder header(Method method) {
    return RequestHeader.newBuilder()
        .setProtocolVersion(PROTOCOL_VERSION)
        .setMethod(method)
        .setClientName(CLIENT_NAME)
        .setClientIncarnation(INCARNATION)
        .setTimeoutMs((int) Math.min(options.timeout().toMillis(), Integer.MAX_VALUE));
  }

  /** Requests from now on carry this token, and the session is kept alive. */
  void use(String token, int heartbeatSeconds) {
    loop.post(() -> loop.use(token, heartbeatSeconds));
  }

  /**
   * Submits a request under the stream's next seq.
   *
   * @param prototype any value of the answer's type
   */
  <R extends Message> CompletableFuture<R> submit(
      Stream stream, Method method, Message body, R prototype) {
    return submit(stream, header(method), body, prototype, null);
  }

  /**
   * Submits a request under the stream's next seq.
   *
   * @param header made by {@link #header}
   * @param prototype any value of the answer's type
   * @param onPartial takes pieces of the answer, one after the other; or null
   */
  <R extends Message> CompletableFuture<R> submit(Stream stream, RequestHeader.Builder header,
      Message body, R prototype, Consumer<Response> onPartial) {
    synchronized (stream) { // Seqs are handed over in their order.
      Call<R> call = new Call<>(this, stream, stream.take(), header, body, prototype, onPartial);
      loop.post(() -> loop.submit(call));
      return call;
    }
  }

  /** Asks the service to give a request up. */
  void cancel(Call<?> call) {
    loop.post(() -> loop.cancel(call));
  }

  /** Closes the connection; what has no answer yet fails as cancelled. */
  @Override
  public void close() {
    loop.post(loop::stop);
    try {
      thread.join();
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt(); // The loop ends all the same.
    }
  }
}
