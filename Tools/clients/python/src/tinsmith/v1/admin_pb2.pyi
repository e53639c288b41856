from tinsmith.v1 import tensor_pb2 as _tensor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
HEALTH_STATUS_DEGRADED: HealthStatus
HEALTH_STATUS_SERVING: HealthStatus
HEALTH_STATUS_STOPPING: HealthStatus
HEALTH_STATUS_UNSPECIFIED: HealthStatus

class BaseModel(_message.Message):
    __slots__ = ["architecture", "max_context_length", "name", "numerics_version", "parameters", "precision", "sampleable", "tokenizer", "trainable", "vocabulary_size", "warnings"]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    MAX_CONTEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NUMERICS_VERSION_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    PRECISION_FIELD_NUMBER: _ClassVar[int]
    SAMPLEABLE_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_FIELD_NUMBER: _ClassVar[int]
    TRAINABLE_FIELD_NUMBER: _ClassVar[int]
    VOCABULARY_SIZE_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    architecture: str
    max_context_length: int
    name: str
    numerics_version: str
    parameters: int
    precision: str
    sampleable: bool
    tokenizer: str
    trainable: bool
    vocabulary_size: int
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., max_context_length: _Optional[int] = ..., tokenizer: _Optional[str] = ..., architecture: _Optional[str] = ..., parameters: _Optional[int] = ..., precision: _Optional[str] = ..., numerics_version: _Optional[str] = ..., vocabulary_size: _Optional[int] = ..., trainable: bool = ..., sampleable: bool = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class CapabilitiesRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class CapabilitiesResponse(_message.Message):
    __slots__ = ["loss_fns", "models", "protocol_versions", "refused_models", "service_version"]
    LOSS_FNS_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    REFUSED_MODELS_FIELD_NUMBER: _ClassVar[int]
    SERVICE_VERSION_FIELD_NUMBER: _ClassVar[int]
    loss_fns: _containers.RepeatedScalarFieldContainer[str]
    models: _containers.RepeatedCompositeFieldContainer[BaseModel]
    protocol_versions: _containers.RepeatedScalarFieldContainer[int]
    refused_models: _containers.RepeatedCompositeFieldContainer[_tensor_pb2.TextPair]
    service_version: str
    def __init__(self, service_version: _Optional[str] = ..., protocol_versions: _Optional[_Iterable[int]] = ..., models: _Optional[_Iterable[_Union[BaseModel, _Mapping]]] = ..., loss_fns: _Optional[_Iterable[str]] = ..., refused_models: _Optional[_Iterable[_Union[_tensor_pb2.TextPair, _Mapping]]] = ...) -> None: ...

class HealthRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class HealthResponse(_message.Message):
    __slots__ = ["refused_models", "status", "uptime_ms", "workers_alive", "workers_expected"]
    REFUSED_MODELS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    UPTIME_MS_FIELD_NUMBER: _ClassVar[int]
    WORKERS_ALIVE_FIELD_NUMBER: _ClassVar[int]
    WORKERS_EXPECTED_FIELD_NUMBER: _ClassVar[int]
    refused_models: _containers.RepeatedCompositeFieldContainer[_tensor_pb2.TextPair]
    status: HealthStatus
    uptime_ms: int
    workers_alive: int
    workers_expected: int
    def __init__(self, status: _Optional[_Union[HealthStatus, str]] = ..., workers_alive: _Optional[int] = ..., workers_expected: _Optional[int] = ..., uptime_ms: _Optional[int] = ..., refused_models: _Optional[_Iterable[_Union[_tensor_pb2.TextPair, _Mapping]]] = ...) -> None: ...

class PingRequest(_message.Message):
    __slots__ = ["payload"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    payload: _tensor_pb2.Blob
    def __init__(self, payload: _Optional[_Union[_tensor_pb2.Blob, _Mapping]] = ...) -> None: ...

class PingResponse(_message.Message):
    __slots__ = ["payload"]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    payload: _tensor_pb2.Blob
    def __init__(self, payload: _Optional[_Union[_tensor_pb2.Blob, _Mapping]] = ...) -> None: ...

class StatsRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class StatsResponse(_message.Message):
    __slots__ = ["values"]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedCompositeFieldContainer[_tensor_pb2.NamedNumber]
    def __init__(self, values: _Optional[_Iterable[_Union[_tensor_pb2.NamedNumber, _Mapping]]] = ...) -> None: ...

class HealthStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
