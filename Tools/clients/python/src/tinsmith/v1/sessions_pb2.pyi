from tinsmith.v1 import tensor_pb2 as _tensor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
FINISH_REASON_ERRORED: FinishReason
FINISH_REASON_INTERRUPTED: FinishReason
FINISH_REASON_SUCCESS: FinishReason
FINISH_REASON_UNSPECIFIED: FinishReason

class CreateSessionRequest(_message.Message):
    __slots__ = ["api_key", "display_name", "project_id", "sdk_version", "tags", "user_metadata"]
    API_KEY_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    SDK_VERSION_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    USER_METADATA_FIELD_NUMBER: _ClassVar[int]
    api_key: str
    display_name: str
    project_id: str
    sdk_version: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    user_metadata: _containers.RepeatedCompositeFieldContainer[_tensor_pb2.TextPair]
    def __init__(self, api_key: _Optional[str] = ..., display_name: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., user_metadata: _Optional[_Iterable[_Union[_tensor_pb2.TextPair, _Mapping]]] = ..., sdk_version: _Optional[str] = ..., project_id: _Optional[str] = ...) -> None: ...

class CreateSessionResponse(_message.Message):
    __slots__ = ["heartbeat_seconds", "info_message", "lease_seconds", "session_id", "token", "warning_message"]
    HEARTBEAT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    INFO_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    LEASE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    WARNING_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    heartbeat_seconds: int
    info_message: str
    lease_seconds: int
    session_id: str
    token: str
    warning_message: str
    def __init__(self, session_id: _Optional[str] = ..., token: _Optional[str] = ..., lease_seconds: _Optional[int] = ..., heartbeat_seconds: _Optional[int] = ..., info_message: _Optional[str] = ..., warning_message: _Optional[str] = ...) -> None: ...

class FinishSessionRequest(_message.Message):
    __slots__ = ["detail", "reason"]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    detail: str
    reason: FinishReason
    def __init__(self, reason: _Optional[_Union[FinishReason, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class FinishSessionResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class HeartbeatRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class HeartbeatResponse(_message.Message):
    __slots__ = ["lease_seconds"]
    LEASE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    lease_seconds: int
    def __init__(self, lease_seconds: _Optional[int] = ...) -> None: ...

class FinishReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
