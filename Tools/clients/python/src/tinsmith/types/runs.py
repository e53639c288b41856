"""What was made: models, sampling sessions, and the sessions that they were made in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tinsmith.types.checkpoints import Checkpoint
from tinsmith.types.value import Value


@dataclass(frozen=True)
class TrainingRun(Value):
    """A model that is, or was, trained.

    Attributes:
        training_run_id: the model, `<session>:train:<n>`.
        base_model: name of the base model.
        model_owner: empty; the service shows only what is the user's own or public.
        is_lora: always True.
        last_request_time: the last time known of it: of its newest checkpoint, or while its session
            lives of its last request, or of another worker that took it over.
        corrupted: always False.
        lora_rank: rank of the adapter.
        last_checkpoint: the newest one to train further.
        last_sampler_checkpoint: the newest one with a name to sample from.
        user_metadata: free text that it was created with; none for imports and copies.
    """

    training_run_id: str
    base_model: str
    model_owner: str
    is_lora: bool
    last_request_time: datetime
    corrupted: bool = False
    lora_rank: int | None = None
    last_checkpoint: Checkpoint | None = None
    last_sampler_checkpoint: Checkpoint | None = None
    user_metadata: dict[str, str] | None = None


@dataclass(frozen=True)
class Cursor(Value):
    """Which part of a list it is."""

    offset: int
    limit: int
    total_count: int


@dataclass(frozen=True)
class TrainingRunsResponse(Value):
    """Models, the one that changed last first."""

    training_runs: list[TrainingRun]
    cursor: Cursor


@dataclass(frozen=True)
class GetSessionResponse(Value):
    """A session that lives.

    Attributes:
        training_run_ids: the models that were created in it, also those that were unloaded.
        sampler_ids: its sampling sessions, the last 1,024 of them.
        user_metadata: free text that it was opened with.
        display_name: its name for people.
        tags: its labels.
        created_at: when it was opened, in UTC.
    """

    training_run_ids: list[str]
    sampler_ids: list[str]
    user_metadata: dict[str, str] | None = None
    display_name: str | None = None
    tags: list[str] = field(default_factory=list)
    created_at: datetime | None = None


@dataclass(frozen=True)
class ListSessionsResponse(Value):
    """Ids of sessions, newest first."""

    sessions: list[str]


@dataclass(frozen=True)
class GetSamplerResponse(Value):
    """What a sampling session samples from; `model_path` is None for the base model itself."""

    sampler_id: str
    base_model: str
    model_path: str | None = None
