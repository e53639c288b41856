package dev.tinsmith;

import java.time.Duration;

/**
 * How a client behaves. {@link #DEFAULTS} is right for most; the {@code with} methods change one
 * thing.
 *
 * @param apiKey names the tenant: checkpoints of others are not seen; where the service has a list
 *     of tenants it must be one of theirs
 * @param timeout after so long a request is given up by the service; zero: never
 * @param patience how long a service that is full, restarting or gone is waited for: from the first
 *     refusal of a request, or from the last word of an address of which nothing is heard
 * @param probeAfter how long nothing may be heard, while answers are missing, until the client asks
 * @param silence how long a question may stay unanswered until the client connects anew
 * @param askAfter how long nothing may be heard of a request until it is asked for; again after
 *     twice as long, and so on
 */
public record ClientOptions(
    String apiKey, Duration timeout, Duration patience, Duration probeAfter, Duration silence,
    Duration askAfter) {
  /** No API key, no time-out, five minutes of patience. */
  public static final ClientOptions DEFAULTS = new ClientOptions("", Duration.ZERO,
      Duration.ofMinutes(5), Duration.ofSeconds(2), Duration.ofSeconds(6), Duration.ofSeconds(30));

  /** The same with another API key. */
  public ClientOptions withApiKey(String key) {
    return new ClientOptions(key, timeout, patience, probeAfter, silence, askAfter);
  }

  /** The same with another time-out. */
  public ClientOptions withTimeout(Duration limit) {
    return new ClientOptions(apiKey, limit, patience, probeAfter, silence, askAfter);
  }

  /** The same with other patience. */
  public ClientOptions withPatience(Duration limit) {
    return new ClientOptions(apiKey, timeout, limit, probeAfter, silence, askAfter);
  }
}
