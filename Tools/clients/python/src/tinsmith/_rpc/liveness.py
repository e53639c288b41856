"""When to send a heartbeat, and when a connection counts as lost: a clock's decisions, no clock."""

from __future__ import annotations

import enum

HEARTBEAT = 2.0
"""Seconds of silence after which the service is asked for a word ..."""
SILENCE = 6.0
"""... and after which the connection counts as lost."""
LEASE_HEARTBEAT = 10.0
"""A session is kept alive this often, however much else is said."""


class Due(enum.Enum):
    """What is to be done now."""

    NOTHING = enum.auto()
    HEARTBEAT = enum.auto()
    RECONNECT = enum.auto()


class Liveness:
    """Times of the last words in either direction."""

    def __init__(self, now: float) -> None:
        self._heard = now
        self._beat = now

    def heard(self, now: float) -> None:
        """Something arrived, or a new connection deserves its chance."""
        self._heard = now

    def due(self, now: float, is_waiting: bool) -> Due:
        """What is to be done; a heartbeat counts as sent.

        Args:
            now: the time.
            is_waiting: whether requests are with the service.
        """
        silence = now - self._heard
        # A heartbeat that nobody answered is waiting enough.
        if silence >= SILENCE and (is_waiting or self._beat > self._heard):
            return Due.RECONNECT
        if now - self._beat >= (HEARTBEAT if silence >= HEARTBEAT else LEASE_HEARTBEAT):
            self._beat = now
            return Due.HEARTBEAT
        return Due.NOTHING
