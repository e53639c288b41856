package dev.tinsmith;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Pipe;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.zeromq.ZMQ;

/**
 * The way to the service: the connection there is now, when something was said and heard on it, and
 * the events by which other threads reach the loop's. All but {@link #post} is for that thread.
 */
final class Link {
  /** No two connections within so many milliseconds. */
  private static final long SHORTEST_CONNECTION = 250;
  /**
   * What one turn of the loop adds to the silence at most, in milliseconds: a process that was
   * stopped for an hour has not listened for an hour.
   */
  private static final long LONGEST_TURN = 2000;
  /** Seqs on the empty stream that no call uses. */
  private static final long FIRST_PROBE = 1L << 40;

  private static final long START = System.nanoTime();

  private final String endpoint;
  private final ClientOptions options;
  private final ZMQ.Context context = ZMQ.context(1);
  private final ZMQ.Poller poller = new ZMQ.Poller(4);
  private final Pipe wake = Pipe.open();
  private final AtomicBoolean awake = new AtomicBoolean();
  private final Queue<Runnable> events = new ConcurrentLinkedQueue<>();

  private volatile boolean closed;
  private Connection connection;
  private long connections;
  private long connectedAt;
  private boolean lost;
  private long probes = FIRST_PROBE;
  private long keepAliveMilliseconds;
  private long saidAt;
  private long probedAt;
  private long heardAt;
  /** When something was said that nothing was heard after on this connection; 0: nothing was. */
  private long askedAt;
  /** Whether something was said that nothing was heard after on any, and for how long. */
  private boolean unheard;
  private long silentMilliseconds;
  private long lookedAt = now();

  Link(String endpoint, ClientOptions options) throws IOException {
    this.endpoint = endpoint;
    this.options = options;
    wake.source().configureBlocking(false);
    wake.sink().configureBlocking(false);
    poller.register(wake.source(), ZMQ.Poller.POLLIN);
    connect();
  }

  /** Milliseconds of a clock that never stands still or goes back, above 0. */
  long now() {
    return TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - START) + 1;
  }

  /** Has the loop's thread run this; from any thread. After the end it runs here. */
  void post(Runnable event) {
    events.add(event);
    if (closed) {
      runEvents();
    } else if (awake.compareAndSet(false, true)) {
      try {
        wake.sink().write(ByteBuffer.allocate(1));
      } catch (IOException closed) {
        runEvents();
      }
    }
  }

  /** Waits for events or messages, and runs the events. */
  void await(long milliseconds) throws IOException {
    poller.poll(Math.max(0, milliseconds));
    wake.source().read(ByteBuffer.allocate(64));
    awake.set(false);
    long now = now();
    if (unheard) {
      silentMilliseconds += Math.min(now - lookedAt, LONGEST_TURN);
    }
    lookedAt = now;
    runEvents();
  }

  private void runEvents() {
    for (Runnable event; (event = events.poll()) != null; ) {
      event.run();
    }
  }

  void send(byte[]... frames) {
    lost |= !connection.send(frames);
    saidAt = now();
    askedAt = askedAt == 0 ? saidAt : askedAt;
    unheard = true;
  }

  /** The next response, or null. */
  Response receive() {
    Response response = connection.receive();
    if (response != null) {
      heardAt = now();
      askedAt = 0;
      unheard = false;
      silentMilliseconds = 0;
    }
    return response;
  }

  /** From now on something is said at least this often. */
  void keepAlive(long milliseconds) {
    keepAliveMilliseconds = milliseconds;
  }

  /** Whether it is time for a heartbeat. */
  boolean needsProbe(boolean waiting) {
    long now = now();
    long patience = options.probeAfter().toMillis();
    boolean unsure = waiting && now - Math.max(heardAt, connectedAt) >= patience
        && now - probedAt >= patience;
    boolean idle = keepAliveMilliseconds > 0 && now - saidAt >= keepAliveMilliseconds;
    if (unsure || idle) {
      probedAt = now;
    }
    return unsure || idle;
  }

  /** A seq for a heartbeat. */
  long nextProbe() {
    return ++probes;
  }

  /** How long nothing was heard although something was said; 0 if all is well. */
  long silentMilliseconds() {
    return silentMilliseconds;
  }

  /** Opens a new connection if the old one is lost or silent; true if it did. */
  boolean reconnect() {
    lost |= connection.isLost();
    long now = now();
    boolean silent = askedAt != 0 && now - askedAt > options.silence().toMillis();
    if (!(lost || silent) || now - connectedAt < SHORTEST_CONNECTION) {
      return false;
    }
    connection.unregister(poller);
    connection.close();
    connect();
    return true;
  }

  private void connect() {
    connection = new Connection(context, endpoint, ++connections);
    connection.register(poller);
    connectedAt = now();
    askedAt = 0;
    lost = false;
  }

  /** Closes everything and runs what was posted until then. */
  void close() {
    connection.close();
    context.term();
    closed = true;
    try {
      wake.sink().close();
      wake.source().close();
    } catch (IOException alreadyClosed) {
      // Nothing is left to close.
    }
    runEvents();
  }
}
