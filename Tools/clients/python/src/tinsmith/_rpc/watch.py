"""When a log says what is waited for: decisions without clock or log."""

from __future__ import annotations

import logging

from tinsmith._rpc.call import Call
from tinsmith.v1 import envelope_pb2 as pb

LOOK = 1.0
"""Seconds between two looks at most."""


class Watch:
    """Keeps an eye on the oldest call without an answer.

    In a program that sends far ahead every call waits for long and the oldest one changes all the
    time; one that stays the oldest is what something may be wrong with.

    Args:
        after: seconds that a call is the oldest before it is spoken of.
    """

    def __init__(self, after: float) -> None:
        self._after = after
        self._oldest: Call | None = None
        self._speak_at = 0.0
        self._look_at = 0.0
        self._spoken = False

    def is_due(self, now: float) -> bool:
        """Whether to look."""
        if now < self._look_at:
            return False
        self._look_at = now + min(LOOK, self._after / 4)
        return True

    def look(self, oldest: Call | None, now: float) -> tuple[int, str] | None:
        """What to log, and at which level: a warning the first time.

        Args:
            oldest: the call that has waited longest, if any waits.
            now: the time.
        """
        if oldest is not self._oldest:
            self._oldest, self._spoken = oldest, False
            self._speak_at = now + self._after
        if oldest is None or now < self._speak_at:
            return None
        level = logging.INFO if self._spoken else logging.WARNING
        self._spoken = True
        self._speak_at = now + self._after
        method = pb.Method.Name(oldest.method).removeprefix("METHOD_")
        stream = oldest.stream.name or "no stream"
        said = (oldest.said or "nothing").replace("%", "%%")
        return level, (
            f"no answer to {method} ({stream}, seq {oldest.seq}) for {now - oldest.submitted:.0f} s"
            f"; the service said of it last: {said}"
        )
