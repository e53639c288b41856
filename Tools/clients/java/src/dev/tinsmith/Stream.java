package dev.tinsmith;

import java.util.HashSet;
import java.util.Set;

/**
 * A stream of requests. Its name and the next seq belong to those who submit; all else to the
 * loop's thread.
 */
final class Stream {
  /** The service keeps so many answers that were not acknowledged. */
  private static final long KEPT_ANSWERS = 256;

  final String name;
  /** Requests run in the order of their seqs, and answers are kept until they are acknowledged. */
  final boolean inOrder;
  /** Why nothing more can be done in it, or null. */
  TinsmithException failure;

  private long nextSeq;
  private long epoch;
  /** All seqs below it are answered. */
  private long unanswered;
  private final Set<Long> answeredBeyond = new HashSet<>();

  Stream(String name, boolean inOrder) {
    this.name = name;
    this.inOrder = inOrder;
  }

  /** The seq of the next request; the caller holds the stream's lock. */
  long take() {
    return nextSeq++;
  }

  /** Whether a request may be sent already, or its answer might push out another's. */
  boolean admits(long seq) {
    return !inOrder || seq - acked() <= KEPT_ANSWERS;
  }

  /** Notes that the last answer of a seq was received. */
  void answered(long seq) {
    if (inOrder) {
      answeredBeyond.add(seq);
      while (answeredBeyond.remove(unanswered)) {
        unanswered++;
      }
    }
  }

  /** Every answer up to this seq was received; 0 for none. */
  long acked() {
    return Math.max(0, unanswered - 1);
  }

  /** Notes the epoch of an answer; false if the answer is of an older owner than one before. */
  boolean accepts(long other) {
    if (other != 0 && other < epoch) {
      return false;
    }
    epoch = Math.max(epoch, other);
    return true;
  }
}
