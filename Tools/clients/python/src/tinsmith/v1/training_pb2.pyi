from tinsmith.v1 import tensor_pb2 as _tensor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AdamParams(_message.Message):
    __slots__ = ["beta1", "beta2", "eps", "grad_clip_norm", "learning_rate", "weight_decay"]
    BETA1_FIELD_NUMBER: _ClassVar[int]
    BETA2_FIELD_NUMBER: _ClassVar[int]
    EPS_FIELD_NUMBER: _ClassVar[int]
    GRAD_CLIP_NORM_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_DECAY_FIELD_NUMBER: _ClassVar[int]
    beta1: float
    beta2: float
    eps: float
    grad_clip_norm: float
    learning_rate: float
    weight_decay: float
    def __init__(self, learning_rate: _Optional[float] = ..., beta1: _Optional[float] = ..., beta2: _Optional[float] = ..., eps: _Optional[float] = ..., weight_decay: _Optional[float] = ..., grad_clip_norm: _Optional[float] = ...) -> None: ...

class CreateModelRequest(_message.Message):
    __slots__ = ["base_model", "from_optimizer", "from_path", "lora", "user_metadata"]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    FROM_OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    FROM_PATH_FIELD_NUMBER: _ClassVar[int]
    LORA_FIELD_NUMBER: _ClassVar[int]
    USER_METADATA_FIELD_NUMBER: _ClassVar[int]
    base_model: str
    from_optimizer: bool
    from_path: str
    lora: LoraConfig
    user_metadata: _containers.RepeatedCompositeFieldContainer[_tensor_pb2.TextPair]
    def __init__(self, base_model: _Optional[str] = ..., lora: _Optional[_Union[LoraConfig, _Mapping]] = ..., user_metadata: _Optional[_Iterable[_Union[_tensor_pb2.TextPair, _Mapping]]] = ..., from_path: _Optional[str] = ..., from_optimizer: bool = ...) -> None: ...

class CreateModelResponse(_message.Message):
    __slots__ = ["info", "model_id"]
    INFO_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    info: ModelInfo
    model_id: str
    def __init__(self, model_id: _Optional[str] = ..., info: _Optional[_Union[ModelInfo, _Mapping]] = ...) -> None: ...

class Datum(_message.Message):
    __slots__ = ["loss_fn_inputs", "model_input"]
    LOSS_FN_INPUTS_FIELD_NUMBER: _ClassVar[int]
    MODEL_INPUT_FIELD_NUMBER: _ClassVar[int]
    loss_fn_inputs: _containers.RepeatedCompositeFieldContainer[_tensor_pb2.NamedTensor]
    model_input: _tensor_pb2.ModelInput
    def __init__(self, model_input: _Optional[_Union[_tensor_pb2.ModelInput, _Mapping]] = ..., loss_fn_inputs: _Optional[_Iterable[_Union[_tensor_pb2.NamedTensor, _Mapping]]] = ...) -> None: ...

class DatumOutput(_message.Message):
    __slots__ = ["outputs"]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    outputs: _containers.RepeatedCompositeFieldContainer[_tensor_pb2.NamedTensor]
    def __init__(self, outputs: _Optional[_Iterable[_Union[_tensor_pb2.NamedTensor, _Mapping]]] = ...) -> None: ...

class ForwardBackwardRequest(_message.Message):
    __slots__ = ["data", "loss_fn", "loss_fn_config"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    LOSS_FN_CONFIG_FIELD_NUMBER: _ClassVar[int]
    LOSS_FN_FIELD_NUMBER: _ClassVar[int]
    data: _containers.RepeatedCompositeFieldContainer[Datum]
    loss_fn: str
    loss_fn_config: _containers.RepeatedCompositeFieldContainer[LossOption]
    def __init__(self, data: _Optional[_Iterable[_Union[Datum, _Mapping]]] = ..., loss_fn: _Optional[str] = ..., loss_fn_config: _Optional[_Iterable[_Union[LossOption, _Mapping]]] = ...) -> None: ...

class ForwardBackwardResponse(_message.Message):
    __slots__ = ["loss_fn_outputs", "metrics"]
    LOSS_FN_OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    loss_fn_outputs: _containers.RepeatedCompositeFieldContainer[DatumOutput]
    metrics: _containers.RepeatedCompositeFieldContainer[_tensor_pb2.NamedNumber]
    def __init__(self, loss_fn_outputs: _Optional[_Iterable[_Union[DatumOutput, _Mapping]]] = ..., metrics: _Optional[_Iterable[_Union[_tensor_pb2.NamedNumber, _Mapping]]] = ...) -> None: ...

class GetInfoRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class LoadStateRequest(_message.Message):
    __slots__ = ["optimizer", "path"]
    OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    optimizer: bool
    path: str
    def __init__(self, path: _Optional[str] = ..., optimizer: bool = ...) -> None: ...

class LoadStateResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class LoraConfig(_message.Message):
    __slots__ = ["alpha", "rank", "seed", "train_attn", "train_mlp", "train_unembed"]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TRAIN_ATTN_FIELD_NUMBER: _ClassVar[int]
    TRAIN_MLP_FIELD_NUMBER: _ClassVar[int]
    TRAIN_UNEMBED_FIELD_NUMBER: _ClassVar[int]
    alpha: float
    rank: int
    seed: int
    train_attn: bool
    train_mlp: bool
    train_unembed: bool
    def __init__(self, rank: _Optional[int] = ..., alpha: _Optional[float] = ..., seed: _Optional[int] = ..., train_attn: bool = ..., train_mlp: bool = ..., train_unembed: bool = ...) -> None: ...

class LossOption(_message.Message):
    __slots__ = ["name", "number", "text"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    name: str
    number: float
    text: str
    def __init__(self, name: _Optional[str] = ..., number: _Optional[float] = ..., text: _Optional[str] = ...) -> None: ...

class ModelInfo(_message.Message):
    __slots__ = ["alpha", "architecture", "base_model", "max_sequence_length", "model_id", "rank", "step", "tokenizer", "train_attn", "train_mlp", "train_unembed", "user_metadata"]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    BASE_MODEL_FIELD_NUMBER: _ClassVar[int]
    MAX_SEQUENCE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    TOKENIZER_FIELD_NUMBER: _ClassVar[int]
    TRAIN_ATTN_FIELD_NUMBER: _ClassVar[int]
    TRAIN_MLP_FIELD_NUMBER: _ClassVar[int]
    TRAIN_UNEMBED_FIELD_NUMBER: _ClassVar[int]
    USER_METADATA_FIELD_NUMBER: _ClassVar[int]
    alpha: float
    architecture: str
    base_model: str
    max_sequence_length: int
    model_id: str
    rank: int
    step: int
    tokenizer: str
    train_attn: bool
    train_mlp: bool
    train_unembed: bool
    user_metadata: _containers.RepeatedCompositeFieldContainer[_tensor_pb2.TextPair]
    def __init__(self, model_id: _Optional[str] = ..., base_model: _Optional[str] = ..., architecture: _Optional[str] = ..., rank: _Optional[int] = ..., alpha: _Optional[float] = ..., train_attn: bool = ..., train_mlp: bool = ..., train_unembed: bool = ..., tokenizer: _Optional[str] = ..., max_sequence_length: _Optional[int] = ..., step: _Optional[int] = ..., user_metadata: _Optional[_Iterable[_Union[_tensor_pb2.TextPair, _Mapping]]] = ...) -> None: ...

class OptimStepRequest(_message.Message):
    __slots__ = ["adam"]
    ADAM_FIELD_NUMBER: _ClassVar[int]
    adam: AdamParams
    def __init__(self, adam: _Optional[_Union[AdamParams, _Mapping]] = ...) -> None: ...

class OptimStepResponse(_message.Message):
    __slots__ = ["metrics"]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    metrics: _containers.RepeatedCompositeFieldContainer[_tensor_pb2.NamedNumber]
    def __init__(self, metrics: _Optional[_Iterable[_Union[_tensor_pb2.NamedNumber, _Mapping]]] = ...) -> None: ...

class SaveStateRequest(_message.Message):
    __slots__ = ["include_gradients", "keep_last", "name", "overwrite", "ttl_seconds", "user_metadata"]
    INCLUDE_GRADIENTS_FIELD_NUMBER: _ClassVar[int]
    KEEP_LAST_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OVERWRITE_FIELD_NUMBER: _ClassVar[int]
    TTL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    USER_METADATA_FIELD_NUMBER: _ClassVar[int]
    include_gradients: bool
    keep_last: int
    name: str
    overwrite: bool
    ttl_seconds: int
    user_metadata: _containers.RepeatedCompositeFieldContainer[_tensor_pb2.TextPair]
    def __init__(self, name: _Optional[str] = ..., ttl_seconds: _Optional[int] = ..., overwrite: bool = ..., user_metadata: _Optional[_Iterable[_Union[_tensor_pb2.TextPair, _Mapping]]] = ..., include_gradients: bool = ..., keep_last: _Optional[int] = ...) -> None: ...

class SaveStateResponse(_message.Message):
    __slots__ = ["path"]
    PATH_FIELD_NUMBER: _ClassVar[int]
    path: str
    def __init__(self, path: _Optional[str] = ...) -> None: ...

class UnloadRequest(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class UnloadResponse(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...
