package dev.tinsmith;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import java.util.List;
import tinsmith.v1.ResponseHeader;

/**
 * An answer as it came: its header, and the body and attachments behind it.
 *
 * @param header the first frame
 * @param body the second; empty if it was left out
 * @param attachments the others
 */
public record Response(ResponseHeader header, byte[] body, List<byte[]> attachments) {
  /**
   * Reads the header.
   *
   * @param frames all frames of one message
   * @throws InvalidProtocolBufferException if the first is no header
   */
  public static Response of(List<byte[]> frames) throws InvalidProtocolBufferException {
    return new Response(
        ResponseHeader.parseFrom(frames.get(0)),
        frames.size() > 1 ? frames.get(1) : new byte[0],
        frames.size() > 2 ? frames.subList(2, frames.size()) : List.of());
  }

  /**
   * Reads the body, attachments included: no tensor of the result refers to a frame.
   *
   * @param prototype any value of the message's type
   * @throws InvalidProtocolBufferException if the body or its attachments are not such a message
   */
  @SuppressWarnings("unchecked")
  public <M extends Message> M decode(M prototype) throws InvalidProtocolBufferException {
    try {
      M message = (M) prototype.newBuilderForType().mergeFrom(body).build();
      return Attachments.inline(message, attachments);
    } catch (IllegalArgumentException unnamed) {
      throw new InvalidProtocolBufferException(unnamed.getMessage());
    }
  }
}
