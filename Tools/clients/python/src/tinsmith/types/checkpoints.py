"""Saved weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from tinsmith._arguments import text
from tinsmith.errors import InvalidArgumentError
from tinsmith.types.value import Value

CheckpointType = Literal["training", "sampler"]
SCHEME = "tinsmith://"


@dataclass(frozen=True)
class ParsedCheckpointTinkerPath(Value):
    """The parts of `tinsmith://<model>/weights/<name>` or `…/sampler_weights/<name>`.

    Attributes:
        tinker_path: the path itself.
        training_run_id: the model.
        checkpoint_type: what the checkpoint is for.
        checkpoint_id: `weights/<name>` or `sampler_weights/<name>`.
    """

    tinker_path: str
    training_run_id: str
    checkpoint_type: CheckpointType
    checkpoint_id: str

    @classmethod
    def from_tinker_path(cls, tinker_path: str) -> ParsedCheckpointTinkerPath:
        """Takes a path apart.

        Raises:
            InvalidArgumentError: it is not the path of a checkpoint.
        """
        text(tinker_path, "tinker_path")
        parts = tinker_path.removeprefix(SCHEME).split("/")
        kinds: dict[str, CheckpointType] = {"weights": "training", "sampler_weights": "sampler"}
        if not tinker_path.startswith(SCHEME) or len(parts) != 3 or parts[1] not in kinds:
            raise InvalidArgumentError(
                f"not the path of a checkpoint: {tinker_path}", "tinker_path"
            )
        return cls(tinker_path, parts[0], kinds[parts[1]], f"{parts[1]}/{parts[2]}")


@dataclass(frozen=True)
class Checkpoint(Value):
    """A checkpoint of the service.

    Attributes:
        checkpoint_id: `weights/<name>` or `sampler_weights/<name>`.
        checkpoint_type: `training` can be trained further, `sampler` can be sampled from.
        time: when it was written, in UTC.
        tinker_path: its path.
        size_bytes: bytes of its files.
        public: whether other users may read it.
        user_metadata: free text of the user.
        expires_at: when it is deleted; None for never.
        base_model: name of the base model.
        lora_rank: rank of the adapter.
        lora_alpha: alpha of the adapter.
        step: optimizer steps done when it was written.
        model_user_metadata: free text that the model which wrote it was created with.
    """

    checkpoint_id: str
    checkpoint_type: CheckpointType
    time: datetime
    tinker_path: str
    size_bytes: int | None = None
    public: bool = False
    user_metadata: dict[str, str] | None = None
    expires_at: datetime | None = None
    base_model: str = ""
    lora_rank: int = 0
    lora_alpha: float = 0.0
    step: int = 0
    model_user_metadata: dict[str, str] | None = None


@dataclass(frozen=True)
class CheckpointsListResponse(Value):
    """Checkpoints, newest first."""

    checkpoints: list[Checkpoint] = field(default_factory=list)


@dataclass(frozen=True)
class SaveWeightsResponse(Value):
    """`path` is `tinsmith://<model>/weights/<name>`."""

    path: str


@dataclass(frozen=True)
class SaveWeightsForSamplerResponse(Value):
    """`path` is `tinsmith://<model>/sampler_weights/<name>`."""

    path: str


@dataclass(frozen=True)
class LoadWeightsResponse(Value):
    """`path` is the checkpoint that was loaded."""

    path: str


@dataclass(frozen=True)
class WeightsInfoResponse(Value):
    """What a model made from a checkpoint will be."""

    base_model: str
    is_lora: bool
    lora_rank: int | None = None
    train_unembed: bool | None = None
    train_mlp: bool | None = None
    train_attn: bool | None = None
