package dev.tinsmith;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor.JavaType;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.UnknownFieldSet;
import com.google.protobuf.util.JsonFormat;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.Test;

/** {@code Tests/Conformance/frames.json}, whose path is the system property {@code frames}. */
public final class GoldenFramesTest {
  private final JsonObject golden = golden();

  private static JsonObject golden() {
    try {
      String text = Files.readString(Path.of(System.getProperty("frames")));
      return JsonParser.parseString(text).getAsJsonObject();
    } catch (IOException failure) {
      throw new IllegalStateException(failure);
    }
  }

  @Test
  public void validFramesAreRead() throws Exception {
    for (JsonObject valid : cases("valid")) {
      String name = valid.get("name").getAsString();
      Message read = parse(valid, frames(valid).get(0));
      assertEquals(name, json(valid), withoutUnknown(read));
    }
  }

  @Test
  public void canonicalFramesAreWrittenBitForBit() throws Exception {
    for (JsonObject valid : cases("valid")) {
      if (valid.get("canonical").getAsBoolean()) {
        byte[] body = frames(valid).get(0);
        Message written = json(valid).toBuilder()
            .setUnknownFields(parse(valid, body).getUnknownFields())
            .build();
        assertArrayEquals(valid.get("name").getAsString(), body, written.toByteArray());
      }
    }
  }

  @Test
  public void attachmentsMoveIntoTheBodyAndBack() throws Exception {
    int attached = 0;
    for (JsonObject valid : cases("valid")) {
      List<byte[]> frames = frames(valid);
      List<byte[]> attachments = frames.subList(1, frames.size());
      if (attachments.isEmpty()) {
        continue;
      }
      attached++;
      String name = valid.get("name").getAsString();
      Message inlined = Attachments.inline(parse(valid, frames.get(0)), attachments);
      List<ByteString> again = new ArrayList<>();
      Message detached = Attachments.detach(inlined, again);
      assertTrue(name, again.size() >= attachments.size()); // Some cases attach not everything.
      List<byte[]> bytes = again.stream().map(ByteString::toByteArray).toList();
      assertEquals(name, inlined, Attachments.inline(detached, bytes));
    }
    assertTrue(attached > 5);
  }

  @Test
  public void framesThatNoParserReadsAreRefused() {
    int refused = 0;
    for (JsonObject invalid : cases("invalid")) {
      if (invalid.get("protobuf").getAsString().equals("refuses")) {
        refused++;
        assertThrows(invalid.get("name").getAsString(), InvalidProtocolBufferException.class,
            () -> parse(invalid, frames(invalid).get(0)));
      }
    }
    assertTrue(refused > 5);
  }

  @Test
  public void attachmentsThatAreNotNamedOnceAreRefused() throws Exception {
    for (JsonObject invalid : cases("invalid")) {
      String name = invalid.get("name").getAsString();
      List<byte[]> frames = frames(invalid);
      if (List.of("attachment_index", "attachment_unnamed", "attachment_twice").contains(name)) {
        Message message = parse(invalid, frames.get(0));
        assertThrows(name, IllegalArgumentException.class,
            () -> Attachments.inline(message, frames.subList(1, frames.size())));
      }
    }
  }

  private List<JsonObject> cases(String kind) {
    List<JsonObject> cases = new ArrayList<>();
    for (JsonElement element : golden.getAsJsonArray(kind)) {
      cases.add(element.getAsJsonObject());
    }
    assertTrue(cases.size() > 50);
    return cases;
  }

  private static List<byte[]> frames(JsonObject json) {
    List<byte[]> frames = new ArrayList<>();
    for (JsonElement frame : json.getAsJsonArray("frames")) {
      frames.add(HexFormat.of().parseHex(frame.getAsString()));
    }
    return frames;
  }

  private static Message parse(JsonObject json, byte[] body) throws Exception {
    return prototype(json).newBuilderForType().mergeFrom(body).build();
  }

  private static Message json(JsonObject json) throws Exception {
    Message.Builder builder = prototype(json).newBuilderForType();
    JsonFormat.parser().merge(json.get("json").toString(), builder);
    restoreNegativeZeros(json.getAsJsonObject("json"), builder);
    return builder.build();
  }

  /** protobuf-java reads the -0.0 of JSON as 0.0. */
  private static void restoreNegativeZeros(JsonObject json, Message.Builder builder) {
    for (String name : json.keySet()) {
      FieldDescriptor field = builder.getDescriptorForType().findFieldByName(name);
      JsonElement value = json.get(name);
      if (value.isJsonObject()) {
        restoreNegativeZeros(value.getAsJsonObject(), builder.getFieldBuilder(field));
      } else if (value.isJsonArray() && field.getJavaType() == JavaType.MESSAGE) {
        for (int i = 0; i < value.getAsJsonArray().size(); i++) {
          restoreNegativeZeros(value.getAsJsonArray().get(i).getAsJsonObject(),
              builder.getRepeatedFieldBuilder(field, i));
        }
      } else if (field.getJavaType() == JavaType.DOUBLE && value.getAsString().equals("-0.0")) {
        builder.setField(field, -0.0);
      }
    }
  }

  private static Message prototype(JsonObject json) throws Exception {
    Class<?> type = Class.forName("tinsmith.v1." + json.get("message").getAsString());
    return (Message) type.getMethod("getDefaultInstance").invoke(null);
  }

  private static Message withoutUnknown(Message message) {
    return message.toBuilder().setUnknownFields(UnknownFieldSet.getDefaultInstance()).build();
  }
}
