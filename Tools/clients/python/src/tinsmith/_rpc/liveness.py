"""When to send a heartbeat, and when a connection counts as lost: a clock's decisions, no clock."""

from __future__ import annotations

import enum

HEARTBEAT = 2.0
"""Seconds of silence after which the service is asked for a word ..."""
SILENCE = 6.0
"""... and after which the connection counts as lost."""
LONGEST_TURN = 2.0
"""What one look at the clock adds to the silence at most: a process that was stopped for an hour
has not listened for an hour."""
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
        self._looked = now
        self.silence = 0.0
        """How long an answer to anything was waited for in vain, over all connections."""

    def heard(self, now: float) -> None:
        """Something arrived."""
        self._heard = now
        self.silence = 0.0

    def connected(self, now: float) -> None:
        """A new connection deserves its chance."""
        self._heard = now

    def due(self, now: float, is_waiting: bool) -> Due:
        """What is to be done; a heartbeat counts as sent.

        Args:
            now: the time.
            is_waiting: whether requests are with the service.
        """
        silence = now - self._heard
        # A heartbeat that nobody answered is waiting enough.
        is_waiting = is_waiting or self._beat > self._heard
        if is_waiting:
            self.silence += min(now - self._looked, LONGEST_TURN)
        self._looked = now
        if silence >= SILENCE and is_waiting:
            return Due.RECONNECT
        if now - self._beat >= (HEARTBEAT if silence >= HEARTBEAT else LEASE_HEARTBEAT):
            self._beat = now
            return Due.HEARTBEAT
        return Due.NOTHING
