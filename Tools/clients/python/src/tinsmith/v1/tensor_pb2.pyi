from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
DTYPE_BFLOAT16: DType
DTYPE_FLOAT32: DType
DTYPE_INT32: DType
DTYPE_INT64: DType
DTYPE_UNSPECIFIED: DType

class AudioChunk(_message.Message):
    __slots__ = ["data", "expected_tokens"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    data: Blob
    expected_tokens: int
    def __init__(self, data: _Optional[_Union[Blob, _Mapping]] = ..., expected_tokens: _Optional[int] = ...) -> None: ...

class Blob(_message.Message):
    __slots__ = ["attachment", "raw"]
    ATTACHMENT_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    attachment: int
    raw: bytes
    def __init__(self, raw: _Optional[bytes] = ..., attachment: _Optional[int] = ...) -> None: ...

class Chunk(_message.Message):
    __slots__ = ["audio", "encoded_text", "image"]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    ENCODED_TEXT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    audio: AudioChunk
    encoded_text: EncodedText
    image: ImageChunk
    def __init__(self, encoded_text: _Optional[_Union[EncodedText, _Mapping]] = ..., image: _Optional[_Union[ImageChunk, _Mapping]] = ..., audio: _Optional[_Union[AudioChunk, _Mapping]] = ...) -> None: ...

class EncodedText(_message.Message):
    __slots__ = ["attachment", "raw"]
    ATTACHMENT_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    attachment: int
    raw: bytes
    def __init__(self, raw: _Optional[bytes] = ..., attachment: _Optional[int] = ...) -> None: ...

class ImageChunk(_message.Message):
    __slots__ = ["data", "expected_tokens", "format"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    data: Blob
    expected_tokens: int
    format: str
    def __init__(self, data: _Optional[_Union[Blob, _Mapping]] = ..., format: _Optional[str] = ..., expected_tokens: _Optional[int] = ...) -> None: ...

class ModelInput(_message.Message):
    __slots__ = ["chunks"]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    chunks: _containers.RepeatedCompositeFieldContainer[Chunk]
    def __init__(self, chunks: _Optional[_Iterable[_Union[Chunk, _Mapping]]] = ...) -> None: ...

class NamedNumber(_message.Message):
    __slots__ = ["name", "value"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...

class NamedTensor(_message.Message):
    __slots__ = ["name", "tensor"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TENSOR_FIELD_NUMBER: _ClassVar[int]
    name: str
    tensor: Tensor
    def __init__(self, name: _Optional[str] = ..., tensor: _Optional[_Union[Tensor, _Mapping]] = ...) -> None: ...

class SparseCsr(_message.Message):
    __slots__ = ["col_indices", "crow_indices", "values"]
    COL_INDICES_FIELD_NUMBER: _ClassVar[int]
    CROW_INDICES_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    col_indices: Blob
    crow_indices: Blob
    values: Blob
    def __init__(self, crow_indices: _Optional[_Union[Blob, _Mapping]] = ..., col_indices: _Optional[_Union[Blob, _Mapping]] = ..., values: _Optional[_Union[Blob, _Mapping]] = ...) -> None: ...

class Tensor(_message.Message):
    __slots__ = ["attachment", "dtype", "raw", "shape", "sparse"]
    ATTACHMENT_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    SPARSE_FIELD_NUMBER: _ClassVar[int]
    attachment: int
    dtype: DType
    raw: bytes
    shape: _containers.RepeatedScalarFieldContainer[int]
    sparse: SparseCsr
    def __init__(self, dtype: _Optional[_Union[DType, str]] = ..., shape: _Optional[_Iterable[int]] = ..., raw: _Optional[bytes] = ..., attachment: _Optional[int] = ..., sparse: _Optional[_Union[SparseCsr, _Mapping]] = ...) -> None: ...

class TextPair(_message.Message):
    __slots__ = ["key", "value"]
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class DType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
