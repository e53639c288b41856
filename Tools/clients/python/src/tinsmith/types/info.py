"""What the service and its models are."""

from __future__ import annotations

from dataclasses import dataclass

from tinsmith.types.value import Value


@dataclass(frozen=True)
class SupportedModel(Value):
    """A base model of the service; `precision` and `numerics_version` name its bits."""

    model_name: str
    max_context_length: int
    trainable: bool
    sampleable: bool
    tokenizer_id: str = ""
    architecture: str = ""
    parameters: int = 0
    vocabulary_size: int = 0
    precision: str = ""
    numerics_version: str = ""
    warnings: tuple[str, ...] = ()
    """What in the model's folder has no effect or cannot be read."""


@dataclass(frozen=True)
class GetServerCapabilitiesResponse(Value):
    """What the service offers."""

    supported_models: list[SupportedModel]
    loss_fns: list[str]
    service_version: str


@dataclass(frozen=True)
class ModelData(Value):
    """Architecture, name of the base model, and name or folder of its tokenizer."""

    arch: str
    model_name: str
    tokenizer_id: str


@dataclass(frozen=True)
class GetInfoResponse(Value):
    """A model that is being trained.

    Attributes:
        model_data: of the base model.
        model_id: `<session>:train:<n>`.
        is_lora: always True.
        lora_rank: rank of the adapter.
        lora_alpha: alpha of the adapter.
        model_name: name of the base model.
        max_sequence_length: in tokens.
        step: optimizer steps done when it was asked.
        user_metadata: free text of the user.
    """

    model_data: ModelData
    model_id: str
    is_lora: bool
    lora_rank: int
    lora_alpha: float
    model_name: str
    max_sequence_length: int
    step: int
    user_metadata: dict[str, str]
