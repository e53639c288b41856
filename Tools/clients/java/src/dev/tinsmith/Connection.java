package dev.tinsmith;

import com.google.protobuf.InvalidProtocolBufferException;
import java.util.ArrayList;
import java.util.List;
import org.zeromq.ZMQ;

/**
 * A DEALER socket with its monitor; both belong to the loop's thread. It is never used again once
 * it was disconnected: ZeroMQ would connect anew, but not say what was lost.
 */
final class Connection implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("dev.tinsmith");
  /** Never reached: the window bounds what is under way. */
  private static final int HIGH_WATER_MARK = 16_384;

  private final ZMQ.Socket socket;
  private final ZMQ.Socket monitor;

  /**
   * @param number of the connection, for the monitor's name
   */
  Connection(ZMQ.Context context, String endpoint, long number) {
    socket = context.socket(ZMQ.DEALER);
    socket.setLinger(0);
    socket.setSndHWM(HIGH_WATER_MARK);
    socket.setRcvHWM(HIGH_WATER_MARK);
    String events = "inproc://monitor-" + number;
    socket.monitor(events, ZMQ.EVENT_DISCONNECTED);
    monitor = context.socket(ZMQ.PAIR);
    monitor.setLinger(0);
    monitor.connect(events);
    socket.connect(endpoint);
  }

  /** Wakes the poller when there is something to receive. */
  void register(ZMQ.Poller poller) {
    poller.register(socket, ZMQ.Poller.POLLIN);
    poller.register(monitor, ZMQ.Poller.POLLIN);
  }

  /** Takes the socket out of the poller. */
  void unregister(ZMQ.Poller poller) {
    poller.unregister(socket);
    poller.unregister(monitor);
  }

  /** Sends one message; false if the socket does not take it. */
  boolean send(byte[]... frames) {
    for (int i = 0; i < frames.length; i++) {
      int more = i + 1 < frames.length ? ZMQ.SNDMORE : 0;
      if (!socket.send(frames[i], ZMQ.DONTWAIT | more)) {
        return false;
      }
    }
    return true;
  }

  /** The next response that is there, or null; what is no response is passed over. */
  Response receive() {
    byte[] first;
    while ((first = socket.recv(ZMQ.DONTWAIT)) != null) {
      List<byte[]> frames = new ArrayList<>(List.of(first));
      while (socket.hasReceiveMore()) {
        frames.add(socket.recv());
      }
      try {
        return Response.of(frames);
      } catch (InvalidProtocolBufferException unreadable) {
        LOG.log(System.Logger.Level.WARNING, "unreadable header", unreadable);
      }
    }
    return null;
  }

  /** Whether the service or the network has closed the connection since the last question. */
  boolean isLost() {
    return ZMQ.Event.recv(monitor, ZMQ.DONTWAIT) != null;
  }

  @Override
  public void close() {
    socket.monitor(null, 0);
    socket.close();
    monitor.close();
  }
}
