package dev.tinsmith;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotNull;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import java.util.ArrayList;
import java.util.List;
import org.zeromq.ZMQ;
import tinsmith.v1.Event;
import tinsmith.v1.Method;
import tinsmith.v1.PingResponse;
import tinsmith.v1.RequestHeader;
import tinsmith.v1.ResponseHeader;
import tinsmith.v1.StatusCode;

/** The service's end of the wire, played by the test's own thread. */
final class FakeService implements AutoCloseable {
  /** Milliseconds that a request is waited for. */
  private static final int PATIENCE = 20_000;

  private final ZMQ.Context context = ZMQ.context(1);
  private ZMQ.Socket socket;
  private final int port;
  private boolean silent;

  /** A request as it came. */
  record Request(byte[] peer, RequestHeader header, byte[] body) {}

  FakeService() {
    socket = router();
    port = socket.bindToRandomPort("tcp://127.0.0.1");
  }

  private ZMQ.Socket router() {
    ZMQ.Socket router = context.socket(ZMQ.ROUTER);
    router.setLinger(0);
    return router;
  }

  String endpoint() {
    return "tcp://127.0.0.1:" + port;
  }

  /** Loses all connections, and what was under way on them. */
  void restart() {
    socket.close();
    socket = router();
    for (long end = System.nanoTime() + 10_000_000_000L; ; ) {
      try {
        socket.bind(endpoint());
        return;
      } catch (RuntimeException stillBound) {
        if (System.nanoTime() > end) {
          throw stillBound;
        }
        Thread.onSpinWait();
      }
    }
  }

  /** From now on heartbeats are not answered. */
  void fallSilent() {
    silent = true;
  }

  /** The next request but for heartbeats, which are answered. */
  Request next() {
    while (true) {
      Request request = any();
      if (request.header().getMethod() != Method.METHOD_SESSIONS_HEARTBEAT) {
        return request;
      }
      if (!silent) {
        succeed(request);
      }
    }
  }

  /** The next request, which must be this one. */
  Request next(Method method, long seq) {
    Request request = next();
    assertEquals(method, request.header().getMethod());
    assertEquals(seq, request.header().getSeq());
    return request;
  }

  /** The next message, also a heartbeat. */
  Request any() {
    Request request = within(PATIENCE);
    assertNotNull("no request came", request);
    return request;
  }

  /** The next message within so many milliseconds, or null. */
  Request within(int milliseconds) {
    socket.setReceiveTimeOut(milliseconds);
    List<byte[]> frames = new ArrayList<>();
    byte[] frame = socket.recv();
    if (frame == null) {
      return null;
    }
    frames.add(frame);
    while (socket.hasReceiveMore()) {
      frames.add(socket.recv());
    }
    try {
      return new Request(frames.get(0), RequestHeader.parseFrom(frames.get(1)), frames.get(2));
    } catch (InvalidProtocolBufferException unreadable) {
      throw new AssertionError(unreadable);
    }
  }

  /** A header with the request's key. */
  static ResponseHeader.Builder header(Request request, Event event) {
    return ResponseHeader.newBuilder()
        .setStream(request.header().getStream())
        .setSeq(request.header().getSeq())
        .setEvent(event);
  }

  /** Answers OK with a body. */
  void succeed(Request request, Message body) {
    send(request, header(request, Event.EVENT_FINAL), body.toByteArray());
  }

  /** Answers OK with nothing in it. */
  void succeed(Request request) {
    succeed(request, PingResponse.getDefaultInstance());
  }

  /** Answers with an error: a header alone. */
  void refuse(Request request, StatusCode code, String field) {
    send(request, header(request, Event.EVENT_FINAL)
        .setCode(code).setMessage("refused").setField(field));
  }

  /** Sends any frames behind a header. */
  void send(Request request, ResponseHeader.Builder header, byte[]... frames) {
    socket.sendMore(request.peer());
    socket.send(header.build().toByteArray(), frames.length > 0 ? ZMQ.SNDMORE : 0);
    for (int i = 0; i < frames.length; i++) {
      socket.send(frames[i], i + 1 < frames.length ? ZMQ.SNDMORE : 0);
    }
  }

  @Override
  public void close() {
    socket.close();
    context.term();
  }
}
