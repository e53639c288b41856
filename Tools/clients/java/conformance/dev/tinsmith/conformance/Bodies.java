package dev.tinsmith.conformance;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.EnumDescriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.DynamicMessage;
import com.google.protobuf.Message;
import dev.tinsmith.Tensors;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;
import tinsmith.v1.Blob;
import tinsmith.v1.DType;
import tinsmith.v1.SparseCsr;
import tinsmith.v1.Tensor;

/** Makes request messages of the form that the scenario writes them in. */
final class Bodies {
  private final JsonObject data;

  /** Lists of datums by name: {@code data} of the scenario. */
  Bodies(JsonObject data) {
    this.data = data;
  }

  /** The message of a type like {@code prototype}. */
  Message message(Message prototype, JsonElement json) {
    Descriptor type = prototype.getDescriptorForType();
    switch (type.getName()) {
      case "ModelInput":
        return Tensors.input(integers(json.getAsJsonArray()));
      case "Tensor":
        return tensor(json.getAsJsonObject());
      case "Blob":
        return blob(ByteString.copyFrom(HexFormat.of().parseHex(json.getAsString())));
      case "StopTokens":
      case "StopStrings":
        DynamicMessage.Builder list = DynamicMessage.newBuilder(type);
        FieldDescriptor only = type.getFields().get(0);
        json.getAsJsonArray().forEach(value -> list.addRepeatedField(only, scalar(only, value)));
        return list.build();
      default:
        return fields(type, json.getAsJsonObject());
    }
  }

  private Message fields(Descriptor type, JsonObject json) {
    DynamicMessage.Builder builder = DynamicMessage.newBuilder(type);
    for (String name : json.keySet()) {
      FieldDescriptor field = type.findFieldByName(name);
      if (field == null) {
        throw new IllegalArgumentException("no field " + name + " in " + type.getName());
      }
      JsonElement value = json.get(name);
      if (!field.isRepeated()) {
        builder.setField(field, value(field, value));
      } else if (value.isJsonObject()) {
        pairs(field, value.getAsJsonObject()).forEach(
            pair -> builder.addRepeatedField(field, pair));
      } else {
        boolean named = value.isJsonPrimitive() && name.equals("data");
        JsonArray list = (named ? data.get(value.getAsString()) : value).getAsJsonArray();
        list.forEach(element -> builder.addRepeatedField(field, value(field, element)));
      }
    }
    return builder.build();
  }

  private Object value(FieldDescriptor field, JsonElement json) {
    if (field.getJavaType() != FieldDescriptor.JavaType.MESSAGE) {
      return scalar(field, json);
    }
    return message(DynamicMessage.getDefaultInstance(field.getMessageType()), json);
  }

  /** Pairs, sorted by key: the first field of the pair is its key. */
  private List<Message> pairs(FieldDescriptor field, JsonObject json) {
    Descriptor type = field.getMessageType();
    List<Message> pairs = new ArrayList<>();
    for (String key : new TreeSet<>(json.keySet())) {
      JsonElement value = json.get(key);
      FieldDescriptor member = type.getFields().get(1);
      if (type.getName().equals("LossOption")) {
        boolean number = value.getAsJsonPrimitive().isNumber();
        member = type.findFieldByName(number ? "number" : "text");
      }
      pairs.add(DynamicMessage.newBuilder(type)
          .setField(type.getFields().get(0), key)
          .setField(member, value(member, value))
          .build());
    }
    return pairs;
  }

  private static Object scalar(FieldDescriptor field, JsonElement json) {
    JsonPrimitive value = json.getAsJsonPrimitive();
    return switch (field.getJavaType()) {
      case INT -> value.getAsBigInteger().intValue();
      case LONG -> value.getAsBigInteger().longValue();
      case DOUBLE -> value.getAsDouble();
      case FLOAT -> value.getAsFloat();
      case BOOLEAN -> value.getAsBoolean();
      case STRING -> value.getAsString();
      case ENUM -> constant(field.getEnumType(), value.getAsString());
      default -> throw new IllegalArgumentException("no form for " + field.getFullName());
    };
  }

  private static Object constant(EnumDescriptor type, String name) {
    String prefix = type.getName().replaceAll("([a-z])([A-Z])", "$1_$2");
    return type.findValueByName(prefix.toUpperCase(Locale.ROOT) + "_" + name);
  }

  private static Tensor tensor(JsonObject json) {
    String name = json.get("dtype").getAsString().toUpperCase(Locale.ROOT);
    DType dtype = DType.valueOf("DTYPE_" + name);
    Tensor.Builder tensor = Tensor.newBuilder().setDtype(dtype);
    json.getAsJsonArray("shape").forEach(size -> tensor.addShape(size.getAsLong()));
    ByteString values = elements(dtype, json.getAsJsonArray("values"));
    if (!json.has("crow_indices")) {
      return tensor.setRaw(values).build();
    }
    return tensor.setSparse(SparseCsr.newBuilder()
        .setCrowIndices(blob(elements(DType.DTYPE_INT64, json.getAsJsonArray("crow_indices"))))
        .setColIndices(blob(elements(DType.DTYPE_INT64, json.getAsJsonArray("col_indices"))))
        .setValues(blob(values))).build();
  }

  private static ByteString elements(DType dtype, JsonArray values) {
    return switch (dtype) {
      case DTYPE_INT32 -> Tensors.of(integers(values)).getRaw();
      case DTYPE_INT64 -> {
        long[] longs = new long[values.size()];
        for (int i = 0; i < longs.length; i++) {
          longs[i] = values.get(i).getAsLong();
        }
        yield Tensors.of(longs).getRaw();
      }
      case DTYPE_FLOAT32, DTYPE_BFLOAT16 -> {
        float[] floats = new float[values.size()];
        for (int i = 0; i < floats.length; i++) {
          floats[i] = values.get(i).getAsFloat();
        }
        ByteString raw = Tensors.of(floats).getRaw();
        yield dtype == DType.DTYPE_FLOAT32 ? raw : upperHalves(raw);
      }
      default -> throw new IllegalArgumentException("no elements of " + dtype);
    };
  }

  /** Of little-endian float32 values the upper two bytes: bfloat16, of values that it can hold. */
  private static ByteString upperHalves(ByteString floats) {
    byte[] halves = new byte[floats.size() / 2];
    for (int i = 0; i < halves.length; i++) {
      halves[i] = floats.byteAt(i / 2 * 4 + 2 + i % 2);
    }
    return ByteString.copyFrom(halves);
  }

  private static Blob blob(ByteString bytes) {
    return Blob.newBuilder().setRaw(bytes).build();
  }

  private static int[] integers(JsonArray json) {
    int[] values = new int[json.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = json.get(i).getAsInt();
    }
    return values;
  }
}
