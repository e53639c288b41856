package dev.tinsmith.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.zeromq.ZMQ;

/**
 * Does the scenario of {@code Tests/Conformance} against a live service and prints what every
 * client prints. Ends with 1 at the first step that cannot be done.
 */
public final class Conformance {
  private Conformance() {}

  /**
   * @param arguments the service's endpoint and the scenario's path
   */
  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 2) {
      System.err.println("conformance ENDPOINT SCENARIO");
      System.exit(2);
    }
    String text = Files.readString(Path.of(arguments[1]));
    JsonObject scenario = JsonParser.parseString(text).getAsJsonObject();
    if (scenario.get("format").getAsInt() != 1) {
      throw new IllegalArgumentException("a scenario of another format than 1");
    }
    try (PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8)) {
      Lines lines = new Lines(out);
      Runner runner = new Runner(ZMQ.context(1), arguments[0], scenario, lines);
      for (JsonElement step : scenario.getAsJsonArray("steps")) {
        try {
          runner.run(step.getAsJsonObject());
        } catch (Exception failure) {
          out.flush();
          System.err.println("conformance: at " + step);
          failure.printStackTrace();
          System.exit(1); // Not by returning: the context's threads may keep on.
        }
      }
      lines.end();
    }
    System.exit(0);
  }
}
