package dev.tinsmith.conformance;

import dev.tinsmith.Response;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import tinsmith.v1.StatusCode;

/** The lines that every client prints, and the digest of them all. */
final class Lines {
  private final PrintStream out;
  private final MessageDigest digest = sha256();
  /** Names of sessions by their ids. */
  private final Map<String, String> names = new TreeMap<>();

  Lines(PrintStream out) {
    this.out = out;
  }

  /** From now on {@code ${NAME}} is printed in place of the session's id. */
  void bind(String name, String id) {
    names.put(id, name);
  }

  /** Prints one line of words. */
  void print(Object... words) {
    String line = Arrays.stream(words).map(Object::toString).collect(Collectors.joining(" "));
    for (Map.Entry<String, String> session : names.entrySet()) {
      line = line.replace(session.getKey(), "${" + session.getValue() + "}");
    }
    byte[] bytes = (line + "\n").getBytes(StandardCharsets.UTF_8);
    digest.update(bytes);
    out.write(bytes, 0, bytes.length);
  }

  /** Prints the last line. */
  void end() {
    out.print("digest sha256:" + HexFormat.of().formatHex(digest.digest()) + "\n");
    out.flush();
  }

  /** The name of an answer's code. */
  static String code(Response answer) {
    StatusCode code = answer.header().getCode();
    return code == StatusCode.UNRECOGNIZED
        ? "UNKNOWN"
        : code.name().substring("STATUS_CODE_".length());
  }

  /** A new SHA-256, which every Java has. */
  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException impossible) {
      throw new AssertionError(impossible);
    }
  }
}
