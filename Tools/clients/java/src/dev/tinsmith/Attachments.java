package dev.tinsmith;

import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Message;
import com.google.protobuf.UnsafeByteOperations;
import java.util.BitSet;
import java.util.List;

/**
 * Moves the bytes of tensors, token lists and blobs between a body and the frames behind it. In the
 * schema each of them is a {@code oneof} with the members {@code raw} (here) and {@code attachment}
 * (index of a frame).
 */
public final class Attachments {
  private static final String RAW = "raw";
  private static final String ATTACHMENT = "attachment";

  private Attachments() {}

  /**
   * The message with the bytes of its attachments inside, without copying them.
   *
   * @param frames the frames behind the body, each of which the message must name exactly once
   * @throws IllegalArgumentException if it does not
   */
  @SuppressWarnings("unchecked")
  public static <M extends Message> M inline(M message, List<byte[]> frames) {
    if (frames.isEmpty()) {
      return message; // Whoever reads a tensor of a frame that is not there says so.
    }
    BitSet named = new BitSet(frames.size());
    M inlined = (M) inline(message, frames, named);
    if (named.cardinality() != frames.size()) {
      throw new IllegalArgumentException("an attachment is named by nothing");
    }
    return inlined;
  }

  private static Message inline(Message message, List<byte[]> frames, BitSet named) {
    Message.Builder builder = message.toBuilder();
    message.getAllFields().forEach((field, value) -> {
      if (field.getJavaType() == FieldDescriptor.JavaType.MESSAGE) {
        if (field.isRepeated()) {
          for (int i = 0; i < message.getRepeatedFieldCount(field); i++) {
            Message element = (Message) message.getRepeatedField(field, i);
            builder.setRepeatedField(field, i, inline(element, frames, named));
          }
        } else {
          builder.setField(field, inline((Message) value, frames, named));
        }
      } else if (field.getName().equals(ATTACHMENT)) {
        int index = (Integer) value;
        if (index < 0 || index >= frames.size() || named.get(index)) {
          throw new IllegalArgumentException(
              "attachment " + Integer.toUnsignedString(index) + " is missing or named twice");
        }
        named.set(index);
        builder.setField(raw(field), UnsafeByteOperations.unsafeWrap(frames.get(index)));
      }
    });
    return builder.build();
  }

  /**
   * The message with all its bytes moved to attachments, in the order in which the body names them.
   *
   * @param frames takes the attachments; its size is the index of the first
   */
  @SuppressWarnings("unchecked")
  public static <M extends Message> M detach(M message, List<ByteString> frames) {
    Message.Builder builder = message.toBuilder();
    message.getAllFields().forEach((field, value) -> {
      FieldDescriptor attachment = field.getContainingType().findFieldByName(ATTACHMENT);
      if (field.getJavaType() == FieldDescriptor.JavaType.MESSAGE) {
        if (field.isRepeated()) {
          for (int i = 0; i < message.getRepeatedFieldCount(field); i++) {
            Message element = (Message) message.getRepeatedField(field, i);
            builder.setRepeatedField(field, i, detach(element, frames));
          }
        } else {
          builder.setField(field, detach((Message) value, frames));
        }
      } else if (field.getName().equals(RAW) && attachment != null) {
        builder.setField(attachment, frames.size());
        frames.add((ByteString) value);
      }
    });
    return (M) builder.build();
  }

  private static FieldDescriptor raw(FieldDescriptor attachment) {
    return attachment.getContainingType().findFieldByName(RAW);
  }
}
