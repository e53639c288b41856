from tinsmith.v1 import tensor_pb2 as _tensor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
STOP_REASON_LENGTH: StopReason
STOP_REASON_STOP: StopReason
STOP_REASON_UNSPECIFIED: StopReason

class ComputeLogprobsRequest(_message.Message):
    __slots__ = ["base_model", "model_path", "prompt", "prompt_logprobs_last_n"]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_PATH_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    PROMPT_LOGPROBS_LAST_N_FIELD_NUMBER: _ClassVar[int]
    base_model: str
    model_path: str
    prompt: _tensor_pb2.ModelInput
    prompt_logprobs_last_n: int
    def __init__(self, prompt: _Optional[_Union[_tensor_pb2.ModelInput, _Mapping]] = ..., base_model: _Optional[str] = ..., model_path: _Optional[str] = ..., prompt_logprobs_last_n: _Optional[int] = ...) -> None: ...

class ComputeLogprobsResponse(_message.Message):
    __slots__ = ["logprobs"]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    logprobs: _tensor_pb2.Tensor
    def __init__(self, logprobs: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ...) -> None: ...

class CreateSamplingSessionRequest(_message.Message):
    __slots__ = ["base_model", "model_path"]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_PATH_FIELD_NUMBER: _ClassVar[int]
    base_model: str
    model_path: str
    def __init__(self, base_model: _Optional[str] = ..., model_path: _Optional[str] = ...) -> None: ...

class CreateSamplingSessionResponse(_message.Message):
    __slots__ = ["base_model", "max_context_length", "sampling_session_id", "tokenizer"]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    MAX_CONTEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_FIELD_NUMBER: _ClassVar[int]
    base_model: str
    max_context_length: int
    sampling_session_id: str
    tokenizer: str
    def __init__(self, sampling_session_id: _Optional[str] = ..., base_model: _Optional[str] = ..., tokenizer: _Optional[str] = ..., max_context_length: _Optional[int] = ...) -> None: ...

class SampleRequest(_message.Message):
    __slots__ = ["base_model", "model_logprobs", "model_path", "num_samples", "prompt", "prompt_logprobs", "prompt_logprobs_last_n", "sampling_params", "target_prompt_logprobs", "topk_prompt_logprobs", "topk_sample_logprobs"]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    MODEL_PATH_FIELD_NUMBER: _ClassVar[int]
    NUM_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    PROMPT_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_LOGPROBS_LAST_N_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_PARAMS_FIELD_NUMBER: _ClassVar[int]
    TARGET_PROMPT_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    TOPK_PROMPT_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    TOPK_SAMPLE_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    base_model: str
    model_logprobs: bool
    model_path: str
    num_samples: int
    prompt: _tensor_pb2.ModelInput
    prompt_logprobs: bool
    prompt_logprobs_last_n: int
    sampling_params: SamplingParams
    target_prompt_logprobs: _tensor_pb2.Tensor
    topk_prompt_logprobs: int
    topk_sample_logprobs: int
    def __init__(self, prompt: _Optional[_Union[_tensor_pb2.ModelInput, _Mapping]] = ..., num_samples: _Optional[int] = ..., sampling_params: _Optional[_Union[SamplingParams, _Mapping]] = ..., prompt_logprobs: bool = ..., topk_prompt_logprobs: _Optional[int] = ..., topk_sample_logprobs: _Optional[int] = ..., prompt_logprobs_last_n: _Optional[int] = ..., base_model: _Optional[str] = ..., model_path: _Optional[str] = ..., model_logprobs: bool = ..., target_prompt_logprobs: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ...) -> None: ...

class SampleResponse(_message.Message):
    __slots__ = ["prompt_logprobs", "seed", "sequences", "target_prompt_logprobs", "topk_prompt_logprobs"]
    PROMPT_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    SEQUENCES_FIELD_NUMBER: _ClassVar[int]
    TARGET_PROMPT_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    TOPK_PROMPT_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    prompt_logprobs: _tensor_pb2.Tensor
    seed: int
    sequences: _containers.RepeatedCompositeFieldContainer[SampledSequence]
    target_prompt_logprobs: _tensor_pb2.Tensor
    topk_prompt_logprobs: TopkLogprobs
    def __init__(self, sequences: _Optional[_Iterable[_Union[SampledSequence, _Mapping]]] = ..., prompt_logprobs: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., topk_prompt_logprobs: _Optional[_Union[TopkLogprobs, _Mapping]] = ..., seed: _Optional[int] = ..., target_prompt_logprobs: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ...) -> None: ...

class SampledSequence(_message.Message):
    __slots__ = ["index", "logprobs", "model_logprobs", "stop_reason", "tokens", "topk_logprobs"]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    MODEL_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    STOP_REASON_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    TOPK_LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    index: int
    logprobs: _tensor_pb2.Tensor
    model_logprobs: _tensor_pb2.Tensor
    stop_reason: StopReason
    tokens: _tensor_pb2.Tensor
    topk_logprobs: TopkLogprobs
    def __init__(self, stop_reason: _Optional[_Union[StopReason, str]] = ..., tokens: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., logprobs: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., topk_logprobs: _Optional[_Union[TopkLogprobs, _Mapping]] = ..., index: _Optional[int] = ..., model_logprobs: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ...) -> None: ...

class SamplingParams(_message.Message):
    __slots__ = ["max_tokens", "seed", "stop_strings", "stop_tokens", "temperature", "top_k", "top_p"]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    STOP_STRINGS_FIELD_NUMBER: _ClassVar[int]
    STOP_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    max_tokens: int
    seed: int
    stop_strings: StopStrings
    stop_tokens: StopTokens
    temperature: float
    top_k: int
    top_p: float
    def __init__(self, max_tokens: _Optional[int] = ..., seed: _Optional[int] = ..., stop_strings: _Optional[_Union[StopStrings, _Mapping]] = ..., stop_tokens: _Optional[_Union[StopTokens, _Mapping]] = ..., temperature: _Optional[float] = ..., top_k: _Optional[int] = ..., top_p: _Optional[float] = ...) -> None: ...

class SaveWeightsForSamplerRequest(_message.Message):
    __slots__ = ["keep_last", "name", "overwrite", "ttl_seconds", "user_metadata"]
    KEEP_LAST_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OVERWRITE_FIELD_NUMBER: _ClassVar[int]
    TTL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    USER_METADATA_FIELD_NUMBER: _ClassVar[int]
    keep_last: int
    name: str
    overwrite: bool
    ttl_seconds: int
    user_metadata: _containers.RepeatedCompositeFieldContainer[_tensor_pb2.TextPair]
    def __init__(self, name: _Optional[str] = ..., ttl_seconds: _Optional[int] = ..., user_metadata: _Optional[_Iterable[_Union[_tensor_pb2.TextPair, _Mapping]]] = ..., overwrite: bool = ..., keep_last: _Optional[int] = ...) -> None: ...

class SaveWeightsForSamplerResponse(_message.Message):
    __slots__ = ["path"]
    PATH_FIELD_NUMBER: _ClassVar[int]
    path: str
    def __init__(self, path: _Optional[str] = ...) -> None: ...

class StopStrings(_message.Message):
    __slots__ = ["values"]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class StopTokens(_message.Message):
    __slots__ = ["ids"]
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, ids: _Optional[_Iterable[int]] = ...) -> None: ...

class TopkLogprobs(_message.Message):
    __slots__ = ["logprobs", "token_ids"]
    LOGPROBS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_IDS_FIELD_NUMBER: _ClassVar[int]
    logprobs: _tensor_pb2.Tensor
    token_ids: _tensor_pb2.Tensor
    def __init__(self, token_ids: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ..., logprobs: _Optional[_Union[_tensor_pb2.Tensor, _Mapping]] = ...) -> None: ...

class StopReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
