package dev.tinsmith;

/** How much may be outstanding: sent and without its last answer. */
final class Window {
  /** Until a header has said something else. */
  private long requests = 64;
  private long bytes = 64L << 20;
  private long outstandingRequests;
  private long outstandingBytes;

  /** Takes over what a header grants; 0 means unchanged. */
  void grant(int grantedRequests, long grantedBytes) {
    requests = grantedRequests == 0 ? requests : Integer.toUnsignedLong(grantedRequests);
    bytes = grantedBytes == 0 ? bytes : grantedBytes;
  }

  /** Whether a request of so many bytes may be sent now; one request may always be. */
  boolean admits(long size) {
    return outstandingRequests == 0
        || (outstandingRequests < requests && outstandingBytes + size <= bytes);
  }

  void take(long size) {
    outstandingRequests++;
    outstandingBytes += size;
  }

  void release(long size) {
    outstandingRequests--;
    outstandingBytes -= size;
  }
}
