package dev.tinsmith.conformance;

import dev.tinsmith.Response;
import java.util.List;
import tinsmith.v1.RequestHeader;

/** All that goes by one name of the scenario. */
final class Exchange {
  /** What identifies a request. */
  record Key(String stream, long seq) {}

  /**
   * One request that was sent, or only asked for.
   *
   * @param header as it was sent; of a request that was only awaited, key and token
   * @param frames header, body and attachments; empty if it was only awaited
   */
  record Sent(RequestHeader header, List<byte[]> frames) {
    Key key() {
      return new Key(header.getStream(), header.getSeq());
    }
  }

  final String name;
  /** {@code Service.Rpc}, or a number that no method has. */
  final String method;
  /** One request, or {@code count} of them. */
  final List<Sent> requests;
  /** Where its answers come. */
  Connection connection;
  /** The last FINAL that was shown, for {@code same}. */
  Response answer;

  Exchange(String name, String method, List<Sent> requests, Connection connection) {
    this.name = name;
    this.method = method;
    this.requests = requests;
    this.connection = connection;
  }
}
