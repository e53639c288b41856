import static java.nio.charset.StandardCharsets.US_ASCII;

import dev.tinsmith.ServiceClient;
import dev.tinsmith.Tensors;
import dev.tinsmith.TrainingClient;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import tinsmith.v1.AdamParams;
import tinsmith.v1.Datum;
import tinsmith.v1.ForwardBackwardResponse;
import tinsmith.v1.LoraConfig;
import tinsmith.v1.SampleResponse;
import tinsmith.v1.SamplingParams;

/**
 * Teaches the embedded model to move each letter of a word one on in the alphabet. The first token
 * ids of its tokenizer are bytes, which is all that this needs.
 *
 * <p>{@code java Train ENDPOINT [STEPS]}
 */
public final class Train {
  private static final int BATCH = 16;
  private static final int LETTERS = 6;

  private Train() {}

  public static void main(String[] arguments) {
    int steps = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 120;
    try (ServiceClient service = ServiceClient.connect(arguments[0]).join()) {
      LoraConfig lora = LoraConfig.newBuilder().setRank(16).setSeed(1).build();
      TrainingClient model = service.createLoraTrainingClient("tinsmith/mini", lora).join();
      train(model, steps);
      sample(model, "orange", "violin", "kettle");
    }
  }

  /** Two steps are always under way, so that the service never waits for this loop. */
  private static void train(TrainingClient model, int steps) {
    Random random = new Random(1);
    AdamParams adam = AdamParams.newBuilder().setLearningRate(2e-3).build();
    Deque<CompletableFuture<ForwardBackwardResponse>> passes = new ArrayDeque<>();
    for (int step = 0; step < steps + 2; step++) {
      if (step < steps) {
        List<Datum> batch = new ArrayList<>();
        for (int i = 0; i < BATCH; i++) {
          String word = random.ints(LETTERS, 'a', 'z')
              .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
              .toString();
          batch.add(Tensors.datum(prompt(word), tokens(moved(word) + "\n")));
        }
        passes.add(model.forwardBackward(batch, "cross_entropy"));
        model.optimStep(adam);
      }
      if (step >= 2) {
        var metrics = Tensors.metrics(passes.remove().join().getMetricsList());
        double loss = metrics.get("loss:sum") / metrics.get("num_loss_tokens:sum");
        System.out.printf("step %3d  loss %.4f a token%n", step - 2, loss);
      }
    }
  }

  private static void sample(TrainingClient model, String... words) {
    var sampler = model.saveWeightsAndGetSamplingClient().join();
    SamplingParams greedy =
        SamplingParams.newBuilder().setMaxTokens(LETTERS).setTemperature(0).build();
    for (String word : words) {
      SampleResponse answer = sampler.sample(Tensors.input(prompt(word)), 1, greedy).join();
      StringBuilder text = new StringBuilder();
      for (int token : Tensors.ints(answer.getSequences(0).getTokens())) {
        text.append(token < 128 ? String.valueOf((char) token) : "?");
      }
      System.out.println(word + " -> " + text.toString().strip() + ", right: " + moved(word));
    }
  }

  private static int[] prompt(String word) {
    return tokens(word + ">");
  }

  private static int[] tokens(String text) {
    byte[] bytes = text.getBytes(US_ASCII);
    int[] tokens = new int[bytes.length];
    for (int i = 0; i < tokens.length; i++) {
      tokens[i] = bytes[i];
    }
    return tokens;
  }

  private static String moved(String word) {
    return word.chars()
        .collect(StringBuilder::new, (text, letter) -> text.appendCodePoint(letter + 1),
            StringBuilder::append)
        .toString();
  }
}
