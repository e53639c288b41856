from tinsmith.v1 import checkpoints_pb2 as _checkpoints_pb2
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

class ListRunsRequest(_message.Message):
    __slots__ = ["limit", "page_token"]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    limit: int
    page_token: str
    def __init__(self, limit: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRunsResponse(_message.Message):
    __slots__ = ["next_page_token", "runs"]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    next_page_token: str
    runs: _containers.RepeatedCompositeFieldContainer[RunInfo]
    def __init__(self, runs: _Optional[_Iterable[_Union[RunInfo, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListSessionsRequest(_message.Message):
    __slots__ = ["limit", "page_token"]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    limit: int
    page_token: str
    def __init__(self, limit: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ["next_page_token", "sessions"]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    next_page_token: str
    sessions: _containers.RepeatedCompositeFieldContainer[SessionInfo]
    def __init__(self, sessions: _Optional[_Iterable[_Union[SessionInfo, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RunInfo(_message.Message):
    __slots__ = ["alpha", "base_model", "changed_unix_ms", "created_unix_ms", "last_checkpoint", "last_sampler_checkpoint", "model_id", "rank", "train_attn", "train_mlp", "train_unembed", "user_metadata"]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    CHANGED_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    CREATED_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    LAST_CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    LAST_SAMPLER_CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    TRAIN_ATTN_FIELD_NUMBER: _ClassVar[int]
    TRAIN_MLP_FIELD_NUMBER: _ClassVar[int]
    TRAIN_UNEMBED_FIELD_NUMBER: _ClassVar[int]
    USER_METADATA_FIELD_NUMBER: _ClassVar[int]
    alpha: float
    base_model: str
    changed_unix_ms: int
    created_unix_ms: int
    last_checkpoint: _checkpoints_pb2.Checkpoint
    last_sampler_checkpoint: _checkpoints_pb2.Checkpoint
    model_id: str
    rank: int
    train_attn: bool
    train_mlp: bool
    train_unembed: bool
    user_metadata: _containers.RepeatedCompositeFieldContainer[_tensor_pb2.TextPair]
    def __init__(self, model_id: _Optional[str] = ..., base_model: _Optional[str] = ..., rank: _Optional[int] = ..., alpha: _Optional[float] = ..., train_attn: bool = ..., train_mlp: bool = ..., train_unembed: bool = ..., user_metadata: _Optional[_Iterable[_Union[_tensor_pb2.TextPair, _Mapping]]] = ..., created_unix_ms: _Optional[int] = ..., changed_unix_ms: _Optional[int] = ..., last_checkpoint: _Optional[_Union[_checkpoints_pb2.Checkpoint, _Mapping]] = ..., last_sampler_checkpoint: _Optional[_Union[_checkpoints_pb2.Checkpoint, _Mapping]] = ...) -> None: ...

class RunRequest(_message.Message):
    __slots__ = ["model_id"]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    model_id: str
    def __init__(self, model_id: _Optional[str] = ...) -> None: ...

class SamplerInfo(_message.Message):
    __slots__ = ["base_model", "created_unix_ms", "model_path", "sampling_session_id"]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    CREATED_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    MODEL_PATH_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    base_model: str
    created_unix_ms: int
    model_path: str
    sampling_session_id: str
    def __init__(self, sampling_session_id: _Optional[str] = ..., base_model: _Optional[str] = ..., model_path: _Optional[str] = ..., created_unix_ms: _Optional[int] = ...) -> None: ...

class SamplerRequest(_message.Message):
    __slots__ = ["sampling_session_id"]
    SAMPLING_SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    sampling_session_id: str
    def __init__(self, sampling_session_id: _Optional[str] = ...) -> None: ...

class SessionInfo(_message.Message):
    __slots__ = ["created_unix_ms", "display_name", "model_ids", "project_id", "sampling_session_ids", "session_id", "tags", "user_metadata"]
    CREATED_UNIX_MS_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_IDS_FIELD_NUMBER: _ClassVar[int]
    PROJECT_ID_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_SESSION_IDS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    USER_METADATA_FIELD_NUMBER: _ClassVar[int]
    created_unix_ms: int
    display_name: str
    model_ids: _containers.RepeatedScalarFieldContainer[str]
    project_id: str
    sampling_session_ids: _containers.RepeatedScalarFieldContainer[str]
    session_id: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    user_metadata: _containers.RepeatedCompositeFieldContainer[_tensor_pb2.TextPair]
    def __init__(self, session_id: _Optional[str] = ..., created_unix_ms: _Optional[int] = ..., display_name: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., user_metadata: _Optional[_Iterable[_Union[_tensor_pb2.TextPair, _Mapping]]] = ..., project_id: _Optional[str] = ..., model_ids: _Optional[_Iterable[str]] = ..., sampling_session_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class SessionInfoRequest(_message.Message):
    __slots__ = ["session_id"]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class FinishReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
