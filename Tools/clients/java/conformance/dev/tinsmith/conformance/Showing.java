package dev.tinsmith.conformance;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import dev.tinsmith.Response;
import dev.tinsmith.Tensors;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import tinsmith.v1.BaseModel;
import tinsmith.v1.CapabilitiesResponse;
import tinsmith.v1.ComputeLogprobsResponse;
import tinsmith.v1.ExportCheckpointResponse;
import tinsmith.v1.ForwardBackwardResponse;
import tinsmith.v1.ListCheckpointsResponse;
import tinsmith.v1.NamedNumber;
import tinsmith.v1.NamedTensor;
import tinsmith.v1.PingResponse;
import tinsmith.v1.SampleResponse;
import tinsmith.v1.SampledSequence;
import tinsmith.v1.StopReason;
import tinsmith.v1.Tensor;
import tinsmith.v1.TopkLogprobs;

/**
 * What is printed of one answer.
 *
 * @param partials what came before it
 * @param exchanges by name, to compare with
 */
record Showing(
    Lines lines,
    Exchange exchange,
    Response answer,
    List<Response> partials,
    Map<String, Exchange> exchanges) {

  /** Prints what {@code show} of the scenario calls {@code what}. */
  void show(String what) throws InvalidProtocolBufferException {
    String[] parts = what.split(":", 2);
    switch (parts[0]) {
      case "status" -> {
        String field = answer.header().getField();
        print("status", Lines.code(answer), field.isEmpty() ? "-" : field);
      }
      case "loss" -> print("loss", bits("loss:sum"));
      case "metric" -> print("metric", parts[1], bits(parts[1]));
      case "logprobs" -> print("logprobs", sha256(logprobs()));
      case "same" -> print("same", parts[1], same(exchanges.get(parts[1]).answer) ? "yes" : "no");
      case "value" -> print("value", parts[1], value(parts[1]));
      case "payload" -> print("payload", HexFormat.of().formatHex(
          answer.decode(PingResponse.getDefaultInstance()).getPayload().getRaw().toByteArray()));
      case "numerics" -> numerics(parts[1]);
      case "samples" -> samples();
      case "model_logprobs" -> print("model_logprobs",
          sha256(sampled(answer).getSequencesList().stream()
              .map(SampledSequence::getModelLogprobs)));
      case "seed" -> print("seed", Long.toUnsignedString(sampled(answer).getSeed()));
      case "prompt_logprobs" ->
          print("prompt_logprobs", sha256(Stream.of(sampled(answer).getPromptLogprobs())));
      case "target_logprobs" -> print("target_logprobs",
          sha256(Stream.of(sampled(answer).getTargetPromptLogprobs())));
      case "topk" -> print("topk", sha256(topk()));
      case "pieces" -> print("pieces", pieces() ? "yes" : "no");
      case "list" -> answer.decode(ListCheckpointsResponse.getDefaultInstance())
          .getCheckpointsList()
          .forEach(checkpoint -> print("checkpoint", checkpoint.getPath()));
      case "file" -> print("file", parts[1], sha256(List.of(file(parts[1]))));
      default -> throw new IllegalArgumentException("nothing to show is called " + what);
    }
  }

  private void print(String what, Object... words) {
    Object[] line = new Object[words.length + 2];
    line[0] = what;
    line[1] = exchange.name;
    System.arraycopy(words, 0, line, 2, words.length);
    lines.print(line);
  }

  /** The answer, read as the message that its method returns. */
  private Message message() throws InvalidProtocolBufferException {
    return answer.decode(Schema.response(exchange.method));
  }

  /** A metric as the bits of a double. */
  private String bits(String metric) throws InvalidProtocolBufferException {
    Message message = message();
    List<?> metrics =
        (List<?>) message.getField(message.getDescriptorForType().findFieldByName("metrics"));
    for (Object entry : metrics) {
      NamedNumber number = NamedNumber.parseFrom(((Message) entry).toByteString());
      if (number.getName().equals(metric)) {
        return String.format("0x%016x", Double.doubleToRawLongBits(number.getValue()));
      }
    }
    throw new IllegalStateException("no metric " + metric + " in the answer of " + exchange.name);
  }

  private Stream<Tensor> logprobs() throws InvalidProtocolBufferException {
    if (exchange.method.equals("Sampling.ComputeLogprobs")) {
      return Stream.of(answer.decode(ComputeLogprobsResponse.getDefaultInstance()).getLogprobs());
    }
    return answer.decode(ForwardBackwardResponse.getDefaultInstance())
        .getLossFnOutputsList().stream()
        .flatMap(datum -> datum.getOutputsList().stream())
        .filter(output -> output.getName().equals("logprobs"))
        .map(NamedTensor::getTensor);
  }

  private boolean same(Response other) {
    return Arrays.equals(answer.body(), other.body())
        && Arrays.deepEquals(answer.attachments().toArray(), other.attachments().toArray());
  }

  private String value(String name) throws InvalidProtocolBufferException {
    Message message = message();
    Object value = message.getField(message.getDescriptorForType().findFieldByName(name));
    return value instanceof Long number ? Long.toUnsignedString(number) : value.toString();
  }

  private void numerics(String base) throws InvalidProtocolBufferException {
    for (BaseModel model : answer.decode(CapabilitiesResponse.getDefaultInstance())
        .getModelsList()) {
      if (model.getName().equals(base)) {
        print("numerics", base, model.getNumericsVersion(), model.getPrecision());
        return;
      }
    }
    throw new IllegalStateException("the service has no model " + base);
  }

  private static SampleResponse sampled(Response answer) throws InvalidProtocolBufferException {
    return answer.decode(SampleResponse.getDefaultInstance());
  }

  private void samples() throws InvalidProtocolBufferException {
    for (SampledSequence sequence : sampled(answer).getSequencesList()) {
      String tokens = IntStream.of(Tensors.ints(sequence.getTokens()))
          .mapToObj(Integer::toString)
          .collect(Collectors.joining(","));
      String reason = sequence.getStopReason() == StopReason.STOP_REASON_STOP ? "stop" : "length";
      print("sample", sequence.getIndex(), reason, tokens.isEmpty() ? "-" : tokens);
      print("sample_logprobs", sequence.getIndex(), sha256(Stream.of(sequence.getLogprobs())));
    }
  }

  private Stream<Tensor> topk() throws InvalidProtocolBufferException {
    SampleResponse response = sampled(answer);
    Stream<TopkLogprobs> tables = Stream.concat(
        Stream.of(response.getTopkPromptLogprobs()),
        response.getSequencesList().stream().map(SampledSequence::getTopkLogprobs));
    return tables.flatMap(table -> Stream.of(table.getTokenIds(), table.getLogprobs()));
  }

  /** Whether there were pieces, and all of them are parts of the whole. */
  private boolean pieces() throws InvalidProtocolBufferException {
    List<SampledSequence> whole = sampled(answer).getSequencesList();
    for (Response partial : partials) {
      int offset = (int) partial.header().getPartialOffset();
      for (SampledSequence piece : sampled(partial).getSequencesList()) {
        int[] tokens = Tensors.ints(piece.getTokens());
        int[] all = Tensors.ints(whole.get(piece.getIndex()).getTokens());
        int end = offset + tokens.length;
        if (tokens.length == 0 || end > all.length
            || !Arrays.equals(tokens, 0, tokens.length, all, offset, end)) {
          return false;
        }
      }
    }
    return !partials.isEmpty();
  }

  private ByteString file(String name) throws InvalidProtocolBufferException {
    return answer.decode(ExportCheckpointResponse.getDefaultInstance()).getFilesList().stream()
        .filter(file -> file.getName().equals(name))
        .findFirst()
        .orElseThrow(() -> new IllegalStateException("no file " + name + " was exported"))
        .getContent()
        .getRaw();
  }

  private static String sha256(Stream<Tensor> tensors) {
    return sha256(tensors.map(Tensor::getRaw).toList());
  }

  private static String sha256(List<ByteString> parts) {
    var digest = Lines.sha256();
    parts.forEach(part -> digest.update(part.asReadOnlyByteBuffer()));
    return "sha256:" + HexFormat.of().formatHex(digest.digest());
  }
}
