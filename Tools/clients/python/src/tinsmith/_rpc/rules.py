"""What the wire's specification says of methods and codes, and the limits of a client."""

from __future__ import annotations

from dataclasses import dataclass

from tinsmith.v1 import envelope_pb2 as pb
from tinsmith.v1 import status_pb2 as status

RETRYABLE = frozenset(
    (
        status.STATUS_CODE_RESOURCE_EXHAUSTED,
        status.STATUS_CODE_UNAVAILABLE,
        status.STATUS_CODE_ABORTED,
    )
)
"""Codes after which the same request is sent again."""

CONSUMES_NO_SEQ = RETRYABLE | {
    status.STATUS_CODE_PERMISSION_DENIED,
    status.STATUS_CODE_UNAUTHENTICATED,
}
"""Codes that leave a request's seq unused."""

ORDERED = frozenset(
    {m for m in pb.Method.values() if 200 < m < 300} | {pb.METHOD_SAMPLING_SAVE_WEIGHTS_FOR_SAMPLER}
)
"""Methods of a model's stream: each seq must be used up before the next one runs."""

KEPT_UNTAKEN = 240
"""How far behind a request the answers lie that the service keeps for a program that has not
taken them. It keeps 256 at most."""

KEPT_ANSWERS = 256
"""How many answers of a stream the service keeps that were not acknowledged: no request is sent
that lies further behind one without an answer, or that answer could not be asked for again."""

MAX_STREAMS = 1024
"""Above it idle streams are dropped from a client's table."""


@dataclass
class Limits:
    """How much may be under way, and how long to try. Times in seconds."""

    window_requests: int = 64
    window_bytes: int = 64 << 20
    patience: float = 300.0
    """For refusals that invite to try again, from the first of them, and for silence."""
    ask_after: float = 30.0
    """A request without a word for so long is asked for, and again after twice as long ..."""
    longest_ask: float = 300.0
    """... up to this."""
    first_backoff: float = 0.01
    longest_backoff: float = 1.0
