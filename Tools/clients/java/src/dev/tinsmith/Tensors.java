package dev.tinsmith;

import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import tinsmith.v1.Chunk;
import tinsmith.v1.DType;
import tinsmith.v1.Datum;
import tinsmith.v1.EncodedText;
import tinsmith.v1.ModelInput;
import tinsmith.v1.NamedNumber;
import tinsmith.v1.NamedTensor;
import tinsmith.v1.Tensor;

/** Java arrays to tensors and back, and the small values that requests are made of. */
public final class Tensors {
  private Tensors() {}

  /** A float32 tensor of one dimension. */
  public static Tensor of(float... values) {
    ByteBuffer bytes = allocate(values.length, Float.BYTES);
    bytes.asFloatBuffer().put(values);
    return tensor(DType.DTYPE_FLOAT32, bytes, values.length);
  }

  /** An int32 tensor of one dimension. */
  public static Tensor of(int... values) {
    ByteBuffer bytes = allocate(values.length, Integer.BYTES);
    bytes.asIntBuffer().put(values);
    return tensor(DType.DTYPE_INT32, bytes, values.length);
  }

  /** An int64 tensor of one dimension. */
  public static Tensor of(long... values) {
    ByteBuffer bytes = allocate(values.length, Long.BYTES);
    bytes.asLongBuffer().put(values);
    return tensor(DType.DTYPE_INT64, bytes, values.length);
  }

  /**
   * The elements of a float32 tensor, row by row.
   *
   * @throws IllegalArgumentException if it is of another type or its bytes do not fit its shape
   */
  public static float[] floats(Tensor tensor) {
    float[] values = new float[count(tensor, DType.DTYPE_FLOAT32, Float.BYTES)];
    elements(tensor).asFloatBuffer().get(values);
    return values;
  }

  /**
   * The elements of an int32 tensor, row by row.
   *
   * @throws IllegalArgumentException if it is of another type or its bytes do not fit its shape
   */
  public static int[] ints(Tensor tensor) {
    int[] values = new int[count(tensor, DType.DTYPE_INT32, Integer.BYTES)];
    elements(tensor).asIntBuffer().get(values);
    return values;
  }

  /**
   * The elements of an int64 tensor, row by row.
   *
   * @throws IllegalArgumentException if it is of another type or its bytes do not fit its shape
   */
  public static long[] longs(Tensor tensor) {
    long[] values = new long[count(tensor, DType.DTYPE_INT64, Long.BYTES)];
    elements(tensor).asLongBuffer().get(values);
    return values;
  }

  /** What a model reads: these token ids. */
  public static ModelInput input(int... tokens) {
    return ModelInput.newBuilder()
        .addChunks(Chunk.newBuilder()
            .setEncodedText(EncodedText.newBuilder().setRaw(of(tokens).getRaw())))
        .build();
  }

  /**
   * A training example.
   *
   * @param inputs what the loss function needs, by name, for each position of {@code tokens}
   */
  public static Datum datum(int[] tokens, Map<String, Tensor> inputs) {
    Datum.Builder datum = Datum.newBuilder().setModelInput(input(tokens));
    new TreeMap<>(inputs).forEach((name, tensor) -> datum.addLossFnInputs(
        NamedTensor.newBuilder().setName(name).setTensor(tensor)));
    return datum.build();
  }

  /**
   * An example for {@code cross_entropy}: the model learns to continue the prompt so.
   *
   * @param prompt at least one token, not learned
   * @param completion the tokens behind it, each with weight 1
   */
  public static Datum datum(int[] prompt, int[] completion) {
    int length = prompt.length + completion.length - 1;
    int[] tokens = new int[length];
    int[] targets = new int[length];
    float[] weights = new float[length];
    for (int i = 0; i < length; i++) {
      int next = i + 1 - prompt.length;
      tokens[i] = i < prompt.length ? prompt[i] : completion[next - 1];
      targets[i] = next < 0 ? prompt[i + 1] : completion[next];
      weights[i] = next < 0 ? 0 : 1;
    }
    return datum(tokens, Map.of("target_tokens", of(targets), "weights", of(weights)));
  }

  /** Metrics by name, for example {@code loss:sum}. */
  public static Map<String, Double> metrics(List<NamedNumber> numbers) {
    return numbers.stream()
        .collect(Collectors.toUnmodifiableMap(NamedNumber::getName, NamedNumber::getValue));
  }

  private static ByteBuffer allocate(int count, int size) {
    return ByteBuffer.allocate(Math.multiplyExact(count, size)).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static Tensor tensor(DType dtype, ByteBuffer bytes, int count) {
    return Tensor.newBuilder()
        .setDtype(dtype)
        .addShape(count)
        .setRaw(UnsafeByteOperations.unsafeWrap(bytes)) // Nobody else has the buffer.
        .build();
  }

  private static ByteBuffer elements(Tensor tensor) {
    ByteString raw = tensor.getRaw();
    return raw.asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
  }

  private static int count(Tensor tensor, DType dtype, int size) {
    if (tensor.getDtype() != dtype) {
      throw new IllegalArgumentException("a tensor of " + tensor.getDtype() + ", not " + dtype);
    }
    BigInteger bytes = BigInteger.valueOf(size);
    for (long dimension : tensor.getShapeList()) {
      bytes = bytes.multiply(BigInteger.valueOf(dimension));
    }
    if (!bytes.equals(BigInteger.valueOf(tensor.getRaw().size()))) {
      throw new IllegalArgumentException(
          "a tensor of shape " + tensor.getShapeList() + " with " + tensor.getRaw().size()
              + " bytes");
    }
    return tensor.getRaw().size() / size;
  }
}
