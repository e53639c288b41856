from tinsmith.v1 import status_pb2 as _status_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
EVENT_ACCEPTED: Event
EVENT_FINAL: Event
EVENT_PARTIAL: Event
EVENT_UNSPECIFIED: Event
METHOD_ADMIN_CAPABILITIES: Method
METHOD_ADMIN_HEALTH: Method
METHOD_ADMIN_PING: Method
METHOD_ADMIN_STATS: Method
METHOD_ADMIN_WORKER_PING: Method
METHOD_CHECKPOINTS_COPY: Method
METHOD_CHECKPOINTS_DELETE: Method
METHOD_CHECKPOINTS_EXPORT: Method
METHOD_CHECKPOINTS_EXPORT_MERGED: Method
METHOD_CHECKPOINTS_IMPORT: Method
METHOD_CHECKPOINTS_INFO: Method
METHOD_CHECKPOINTS_LIST: Method
METHOD_CHECKPOINTS_PUBLISH: Method
METHOD_CHECKPOINTS_READ_EXPORT: Method
METHOD_CHECKPOINTS_SET_TTL: Method
METHOD_CHECKPOINTS_UNPUBLISH: Method
METHOD_FUTURES_AWAIT: Method
METHOD_FUTURES_CANCEL: Method
METHOD_SAMPLING_COMPUTE_LOGPROBS: Method
METHOD_SAMPLING_CREATE_SAMPLING_SESSION: Method
METHOD_SAMPLING_SAMPLE: Method
METHOD_SAMPLING_SAVE_WEIGHTS_FOR_SAMPLER: Method
METHOD_SESSIONS_CREATE: Method
METHOD_SESSIONS_FINISH: Method
METHOD_SESSIONS_HEARTBEAT: Method
METHOD_SESSIONS_INFO: Method
METHOD_SESSIONS_LIST: Method
METHOD_SESSIONS_LIST_RUNS: Method
METHOD_SESSIONS_RUN: Method
METHOD_SESSIONS_SAMPLER: Method
METHOD_TRAINING_CREATE_MODEL: Method
METHOD_TRAINING_FORWARD: Method
METHOD_TRAINING_FORWARD_BACKWARD: Method
METHOD_TRAINING_GET_INFO: Method
METHOD_TRAINING_LOAD_STATE: Method
METHOD_TRAINING_OPTIM_STEP: Method
METHOD_TRAINING_SAVE_STATE: Method
METHOD_TRAINING_UNLOAD: Method
METHOD_UNSPECIFIED: Method
REQUEST_FLAG_APPLY_PARTIAL: RequestFlag
REQUEST_FLAG_NONE: RequestFlag
REQUEST_FLAG_STREAM: RequestFlag
REQUEST_FLAG_TOMBSTONE: RequestFlag

class RequestHeader(_message.Message):
    __slots__ = ["acked", "client_incarnation", "client_name", "cost_new_tokens", "cost_prompt_tokens", "epoch", "flags", "method", "protocol_version", "refusal_code", "refusal_field", "refusal_message", "seq", "session_token", "stream", "timeout_ms", "trace_id"]
    ACKED_FIELD_NUMBER: _ClassVar[int]
    CLIENT_INCARNATION_FIELD_NUMBER: _ClassVar[int]
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
    COST_NEW_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_CODE_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    acked: int
    client_incarnation: int
    client_name: str
    cost_new_tokens: int
    cost_prompt_tokens: int
    epoch: int
    flags: int
    method: Method
    protocol_version: int
    refusal_code: _status_pb2.StatusCode
    refusal_field: str
    refusal_message: str
    seq: int
    session_token: str
    stream: str
    timeout_ms: int
    trace_id: int
    def __init__(self, protocol_version: _Optional[int] = ..., method: _Optional[_Union[Method, str]] = ..., stream: _Optional[str] = ..., seq: _Optional[int] = ..., acked: _Optional[int] = ..., client_name: _Optional[str] = ..., client_incarnation: _Optional[int] = ..., session_token: _Optional[str] = ..., timeout_ms: _Optional[int] = ..., trace_id: _Optional[int] = ..., cost_prompt_tokens: _Optional[int] = ..., cost_new_tokens: _Optional[int] = ..., flags: _Optional[int] = ..., epoch: _Optional[int] = ..., refusal_code: _Optional[_Union[_status_pb2.StatusCode, str]] = ..., refusal_message: _Optional[str] = ..., refusal_field: _Optional[str] = ...) -> None: ...

class ResponseHeader(_message.Message):
    __slots__ = ["cache_hit_tokens", "code", "compute_us", "cost_new_tokens", "cost_prompt_tokens", "epoch", "event", "field", "message", "partial_offset", "queue_position", "queue_us", "retry_after_ms", "seq", "stream", "trace_id", "window_bytes", "window_requests"]
    CACHE_HIT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    COMPUTE_US_FIELD_NUMBER: _ClassVar[int]
    COST_NEW_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_OFFSET_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    QUEUE_US_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    STREAM_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    WINDOW_BYTES_FIELD_NUMBER: _ClassVar[int]
    WINDOW_REQUESTS_FIELD_NUMBER: _ClassVar[int]
    cache_hit_tokens: int
    code: _status_pb2.StatusCode
    compute_us: int
    cost_new_tokens: int
    cost_prompt_tokens: int
    epoch: int
    event: Event
    field: str
    message: str
    partial_offset: int
    queue_position: int
    queue_us: int
    retry_after_ms: int
    seq: int
    stream: str
    trace_id: int
    window_bytes: int
    window_requests: int
    def __init__(self, stream: _Optional[str] = ..., seq: _Optional[int] = ..., epoch: _Optional[int] = ..., code: _Optional[_Union[_status_pb2.StatusCode, str]] = ..., message: _Optional[str] = ..., field: _Optional[str] = ..., retry_after_ms: _Optional[int] = ..., event: _Optional[_Union[Event, str]] = ..., queue_position: _Optional[int] = ..., queue_us: _Optional[int] = ..., compute_us: _Optional[int] = ..., cache_hit_tokens: _Optional[int] = ..., window_requests: _Optional[int] = ..., window_bytes: _Optional[int] = ..., partial_offset: _Optional[int] = ..., cost_prompt_tokens: _Optional[int] = ..., cost_new_tokens: _Optional[int] = ..., trace_id: _Optional[int] = ...) -> None: ...

class Method(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class RequestFlag(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Event(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
