package dev.tinsmith.conformance;

import dev.tinsmith.Response;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.zeromq.ZMQ;

/** A DEALER socket that sends and receives whole messages. */
final class Connection implements AutoCloseable {
  private static final int HIGH_WATER_MARK = 16_384;

  private final ZMQ.Socket socket;
  private boolean closed;

  Connection(ZMQ.Context context, String endpoint) {
    socket = context.socket(ZMQ.DEALER);
    socket.setLinger(0);
    socket.setSndHWM(HIGH_WATER_MARK);
    socket.setRcvHWM(HIGH_WATER_MARK);
    socket.connect(endpoint);
  }

  /** Sends one message. */
  void send(List<byte[]> frames) {
    for (int i = 0; i < frames.size(); i++) {
      if (!socket.send(frames.get(i), i + 1 < frames.size() ? ZMQ.SNDMORE : 0)) {
        throw new IllegalStateException("the socket took no message");
      }
    }
  }

  /**
   * Receives one message.
   *
   * @param milliseconds how long to wait for it
   * @return null if none came
   */
  Response receive(int milliseconds) throws IOException {
    socket.setReceiveTimeOut(milliseconds);
    byte[] frame = socket.recv();
    if (frame == null) {
      return null;
    }
    List<byte[]> frames = new ArrayList<>(List.of(frame));
    while (socket.hasReceiveMore()) {
      frames.add(socket.recv());
    }
    return Response.of(frames);
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      socket.close();
    }
  }
}
