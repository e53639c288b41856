# frozen_string_literal: true

module Tinsmith
  # Tensors and token lists as Ruby arrays. Everything is sent inline; both places are read.
  module Codec
    PACK = { DTYPE_FLOAT32: "e*", DTYPE_INT64: "q<*", DTYPE_INT32: "l<*" }.freeze
    SIZE = { DTYPE_FLOAT32: 4, DTYPE_INT64: 8, DTYPE_INT32: 4, DTYPE_BFLOAT16: 2 }.freeze

    module_function

    def tensor(dtype, values, shape = [values.size])
      V1::Tensor.new(dtype: dtype, shape: shape, raw: values.pack(PACK.fetch(dtype)))
    end

    def named(name, tensor)
      V1::NamedTensor.new(name: name, tensor: tensor)
    end

    # Its elements, flat; nil if it is absent.
    def values(tensor, attachments)
      return nil if tensor.nil?

      bytes = bytes_of(tensor, tensor.data, attachments)
      expected = tensor.shape.inject(1, :*) * SIZE.fetch(tensor.dtype)
      unless bytes.bytesize == expected
        raise Error, "a tensor of shape #{tensor.shape.to_a} has #{bytes.bytesize} bytes"
      end
      return bfloat16(bytes) if tensor.dtype == :DTYPE_BFLOAT16

      bytes.unpack(PACK.fetch(tensor.dtype))
    end

    def input(tokens)
      text = V1::EncodedText.new(raw: tokens.pack("l<*"))
      V1::ModelInput.new(chunks: [V1::Chunk.new(encoded_text: text)])
    end

    # A NamedNumber list as a Hash.
    def numbers(list)
      list.to_h { |pair| [pair.name, pair.value] }
    end

    def bytes_of(message, place, attachments)
      case place
      when :raw then message.raw
      when :attachment
        attachments[message.attachment] || raise(Error, "attachment #{message.attachment} is missing")
      when nil then "".b
      else raise Error, "a response has #{place} data"
      end
    end

    def bfloat16(bytes)
      bytes.unpack("S<*").map { |half| [half << 16].pack("L<").unpack1("e") }
    end
  end
end
