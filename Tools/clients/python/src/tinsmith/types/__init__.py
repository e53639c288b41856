"""Values that go to the service and come from it."""

from tinsmith.types.checkpoints import (
    Checkpoint,
    CheckpointsListResponse,
    CheckpointType,
    LoadWeightsResponse,
    ParsedCheckpointTinkerPath,
    SaveWeightsForSamplerResponse,
    SaveWeightsResponse,
    WeightsInfoResponse,
)
from tinsmith.types.datum import Datum, LossFnInputs
from tinsmith.types.info import (
    GetInfoResponse,
    GetServerCapabilitiesResponse,
    ModelData,
    SupportedModel,
)
from tinsmith.types.model_input import (
    EncodedTextChunk,
    ImageAssetPointerChunk,
    ImageChunk,
    ModelInput,
    ModelInputChunk,
)
from tinsmith.types.params import AdamOptimizerConfig, AdamParams, LoraConfig, SamplingParams
from tinsmith.types.runs import (
    Cursor,
    GetSamplerResponse,
    GetSessionResponse,
    ListSessionsResponse,
    TrainingRun,
    TrainingRunsResponse,
)
from tinsmith.types.sampling import (
    SampledPiece,
    SampledSequence,
    SampleResponse,
    StopReason,
    TopkLogprobs,
)
from tinsmith.types.tensor_data import TensorData, TensorDtype
from tinsmith.types.training import (
    ForwardBackwardOutput,
    LossFnOutput,
    LossFnType,
    OptimStepResponse,
)

ModelID = str

__all__ = [
    "AdamOptimizerConfig",
    "AdamParams",
    "Checkpoint",
    "CheckpointType",
    "CheckpointsListResponse",
    "Cursor",
    "Datum",
    "EncodedTextChunk",
    "ForwardBackwardOutput",
    "GetInfoResponse",
    "GetSamplerResponse",
    "GetServerCapabilitiesResponse",
    "GetSessionResponse",
    "ImageAssetPointerChunk",
    "ImageChunk",
    "ListSessionsResponse",
    "LoadWeightsResponse",
    "LoraConfig",
    "LossFnInputs",
    "LossFnOutput",
    "LossFnType",
    "ModelData",
    "ModelID",
    "ModelInput",
    "ModelInputChunk",
    "OptimStepResponse",
    "ParsedCheckpointTinkerPath",
    "SampleResponse",
    "SampledPiece",
    "SampledSequence",
    "SamplingParams",
    "SaveWeightsForSamplerResponse",
    "SaveWeightsResponse",
    "StopReason",
    "SupportedModel",
    "TensorData",
    "TensorDtype",
    "TopkLogprobs",
    "TrainingRun",
    "TrainingRunsResponse",
    "WeightsInfoResponse",
]
