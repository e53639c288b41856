package dev.tinsmith.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.ByteString;
import com.google.protobuf.Message;
import dev.tinsmith.Attachments;
import dev.tinsmith.Response;
import dev.tinsmith.conformance.Exchange.Key;
import dev.tinsmith.conformance.Exchange.Sent;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.zeromq.ZMQ;
import tinsmith.v1.CreateSessionResponse;
import tinsmith.v1.Event;
import tinsmith.v1.Method;
import tinsmith.v1.RequestFlag;
import tinsmith.v1.RequestHeader;
import tinsmith.v1.StatusCode;

/** Does the steps of the scenario, one after the other. */
final class Runner {
  private static final long PATIENCE_SECONDS = 120;
  private static final int HEARTBEAT_MILLISECONDS = 10_000;

  private final ZMQ.Context context;
  private final String endpoint;
  private final Lines lines;
  private final Bodies bodies;
  private final Map<String, Connection> connections = new HashMap<>();
  private final Map<String, CreateSessionResponse> sessions = new HashMap<>();
  private final Map<String, Exchange> exchanges = new HashMap<>();
  private final Map<Key, Deque<Response>> finals = new HashMap<>();
  private final Map<Key, List<Response>> partials = new HashMap<>();
  private long heartbeats = 1L << 32;

  Runner(ZMQ.Context context, String endpoint, JsonObject scenario, Lines lines) {
    this.context = context;
    this.endpoint = endpoint;
    this.lines = lines;
    this.bodies = new Bodies(scenario.getAsJsonObject("data"));
  }

  /** Does one step; a step without {@code do} is a note. */
  void run(JsonObject written) throws IOException, InterruptedException {
    if (!written.has("do")) {
      return;
    }
    JsonObject step = bound(written);
    switch (text(step, "do")) {
      case "connect" ->
          connections.put(text(step, "connection"), new Connection(context, endpoint));
      case "close" -> connections.get(text(step, "connection")).close();
      case "send" -> send(step);
      case "resend" -> resend(step);
      case "await" -> ask(step, Method.METHOD_FUTURES_AWAIT);
      case "cancel" -> ask(step, Method.METHOD_FUTURES_CANCEL);
      case "frames" -> sendFrames(step);
      case "partial" -> {
        Exchange exchange = exchange(step);
        Key key = exchange.requests.get(0).key();
        receive(exchange, () -> partials.containsKey(key));
      }
      case "final" -> finish(step);
      case "pause" -> TimeUnit.MILLISECONDS.sleep(step.get("ms").getAsLong());
      default -> throw new IllegalArgumentException("no step " + step);
    }
  }

  /** The step with the ids of sessions in place of {@code ${NAME}}. */
  private JsonObject bound(JsonObject step) {
    String json = step.toString();
    for (Map.Entry<String, CreateSessionResponse> session : sessions.entrySet()) {
      json = json.replace("${" + session.getKey() + "}", session.getValue().getSessionId());
    }
    return JsonParser.parseString(json).getAsJsonObject();
  }

  private void send(JsonObject step) {
    String method = text(step, "method");
    List<byte[]> payload = payload(step, method);
    List<Sent> requests = new ArrayList<>();
    long count = number(step, "count", 1);
    for (long i = 0; i < count; i++) {
      RequestHeader header = header(step, i).setMethodValue(Schema.number(method)).build();
      List<byte[]> frames = new ArrayList<>(List.of(header.toByteArray()));
      frames.addAll(payload);
      requests.add(new Sent(header, frames));
    }
    Exchange exchange = new Exchange(text(step, "name"), method, requests, connection(step));
    exchanges.put(exchange.name, exchange);
    requests.forEach(request -> exchange.connection.send(request.frames()));
  }

  /** Body and attachments. */
  private List<byte[]> payload(JsonObject step, String method) {
    if (step.has("body_hex")) {
      return List.of(HexFormat.of().parseHex(text(step, "body_hex")));
    }
    JsonObject body = step.getAsJsonObject("body");
    if (body == null || body.size() == 0) {
      return List.of(new byte[0]);
    }
    Message message = bodies.message(Schema.request(method), body);
    List<ByteString> attachments = new ArrayList<>();
    if (step.has("attachments") && step.get("attachments").getAsBoolean()) {
      message = Attachments.detach(message, attachments);
    }
    List<byte[]> payload = new ArrayList<>(List.of(message.toByteArray()));
    attachments.forEach(attachment -> payload.add(attachment.toByteArray()));
    return payload;
  }

  private RequestHeader.Builder header(JsonObject step, long offset) {
    RequestHeader.Builder header = RequestHeader.newBuilder()
        .setProtocolVersion((int) number(step, "version", 1))
        .setStream(text(step, "stream"))
        .setSeq(number(step, "seq", 0) + offset)
        .setAcked(number(step, "acked", 0))
        .setClientName("tinsmith-java-conformance")
        .setTimeoutMs((int) number(step, "timeout_ms", 0))
        .setCostPromptTokens(number(step, "cost_prompt_tokens", 0))
        .setCostNewTokens(number(step, "cost_new_tokens", 0));
    if (step.has("session")) {
      header.setSessionToken(sessions.get(text(step, "session")).getToken());
    } else if (step.has("token")) {
      header.setSessionToken(text(step, "token"));
    }
    if (step.has("flags")) {
      for (JsonElement flag : step.getAsJsonArray("flags")) {
        RequestFlag bit = RequestFlag.valueOf("REQUEST_FLAG_" + flag.getAsString());
        header.setFlags(header.getFlags() | bit.getNumber());
      }
    }
    return header;
  }

  private void resend(JsonObject step) {
    Exchange exchange = exchange(step);
    exchange.connection = connection(step);
    exchange.requests.forEach(request -> exchange.connection.send(request.frames()));
  }

  /** {@code Futures.Await} or {@code Futures.Cancel}. */
  private void ask(JsonObject step, Method method) {
    String name = text(step, "name");
    if (step.has("stream")) {
      Sent unsent = new Sent(header(step, 0).build(), List.of());
      exchanges.put(name, new Exchange(name, null, List.of(unsent), connection(step)));
    }
    Exchange exchange = exchanges.get(name);
    exchange.connection = connection(step);
    for (Sent request : exchange.requests) {
      RequestHeader header = RequestHeader.newBuilder()
          .setProtocolVersion(1)
          .setMethod(method)
          .setStream(request.header().getStream())
          .setSeq(request.header().getSeq())
          .setSessionToken(request.header().getSessionToken())
          .build();
      exchange.connection.send(List.of(header.toByteArray(), new byte[0]));
    }
  }

  private void sendFrames(JsonObject step) {
    List<byte[]> frames = new ArrayList<>();
    for (JsonElement frame : step.getAsJsonArray("frames")) {
      frames.add(HexFormat.of().parseHex(frame.getAsString()));
    }
    Sent request = new Sent(RequestHeader.getDefaultInstance(), frames);
    String name = text(step, "name");
    exchanges.put(name, new Exchange(name, null, List.of(request), connection(step)));
    exchanges.get(name).connection.send(frames);
  }

  /** Takes the answers, and prints what is to be shown of them. */
  private void finish(JsonObject step) throws IOException, InterruptedException {
    Exchange exchange = exchange(step);
    boolean once = step.has("once") && step.get("once").getAsBoolean();
    Map<String, Integer> codes = new TreeMap<>();
    Response answer = null;
    for (Sent request : exchange.requests) {
      answer = answer(exchange, request, once);
      codes.merge(Lines.code(answer), 1, Integer::sum);
    }
    if (step.has("bind")) {
      String name = text(step, "bind");
      sessions.put(name, answer.decode(CreateSessionResponse.getDefaultInstance()));
      lines.bind(name, sessions.get(name).getSessionId());
    }
    JsonArray show = step.getAsJsonArray("show");
    for (JsonElement what : show) {
      if (what.getAsString().equals("count")) {
        codes.forEach((code, count) -> lines.print("count", exchange.name, code, count));
      } else {
        Key key = exchange.requests.get(0).key();
        Showing showing = new Showing(
            lines, exchange, answer, partials.getOrDefault(key, List.of()), exchanges);
        showing.show(what.getAsString());
      }
    }
    exchange.answer = answer;
  }

  /** The next FINAL of a request; waits out what a client waits out, unless it is to look once. */
  private Response answer(Exchange exchange, Sent request, boolean once)
      throws IOException, InterruptedException {
    Deque<Response> queue = finals.computeIfAbsent(request.key(), key -> new ArrayDeque<>());
    while (true) {
      receive(exchange, () -> !queue.isEmpty());
      Response answer = queue.remove();
      StatusCode code = answer.header().getCode();
      boolean passing = code == StatusCode.STATUS_CODE_RESOURCE_EXHAUSTED
          || code == StatusCode.STATUS_CODE_UNAVAILABLE
          || code == StatusCode.STATUS_CODE_ABORTED;
      if (once || !passing) {
        return answer;
      }
      TimeUnit.MILLISECONDS.sleep(Math.max(10, answer.header().getRetryAfterMs()));
      exchange.connection.send(request.frames());
    }
  }

  /** Something that may have been received. */
  private interface Condition {
    boolean holds();
  }

  private void receive(Exchange exchange, Condition condition) throws IOException {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
    while (!condition.holds()) {
      if (System.nanoTime() > end) {
        throw new IllegalStateException("no answer to " + exchange.name);
      }
      Response response = exchange.connection.receive(HEARTBEAT_MILLISECONDS);
      if (response == null) {
        exchange.connection.send(heartbeat(exchange));
        continue;
      }
      Key key = new Key(response.header().getStream(), response.header().getSeq());
      if (response.header().getEvent() == Event.EVENT_FINAL) {
        finals.computeIfAbsent(key, absent -> new ArrayDeque<>()).add(response);
      } else if (response.header().getEvent() == Event.EVENT_PARTIAL) {
        partials.computeIfAbsent(key, absent -> new ArrayList<>()).add(response);
      }
    }
  }

  private List<byte[]> heartbeat(Exchange exchange) {
    RequestHeader header = RequestHeader.newBuilder()
        .setProtocolVersion(1)
        .setMethod(Method.METHOD_SESSIONS_HEARTBEAT)
        .setSeq(++heartbeats)
        .setSessionToken(exchange.requests.get(0).header().getSessionToken())
        .build();
    return List.of(header.toByteArray(), new byte[0]);
  }

  private Exchange exchange(JsonObject step) {
    return exchanges.get(text(step, "name"));
  }

  private Connection connection(JsonObject step) {
    return connections.get(text(step, "on"));
  }

  private static String text(JsonObject step, String field) {
    return step.get(field).getAsString();
  }

  private static long number(JsonObject step, String field, long absent) {
    return step.has(field) ? step.get(field).getAsLong() : absent;
  }
}
