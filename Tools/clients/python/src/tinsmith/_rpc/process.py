"""Which process a client belongs to: threads and sockets do not follow into a forked child."""

from __future__ import annotations

import os

from tinsmith.errors import FailedPreconditionError


class Process:
    """A process; `here` gives this one."""

    __slots__ = ("_id",)

    def __init__(self) -> None:
        self._id = os.getpid()

    @property
    def is_this(self) -> bool:
        """Whether it is the one that asks."""
        return self is _here

    def check(self) -> None:
        """Does nothing in this process.

        Raises:
            FailedPreconditionError: it is another one.
        """
        if self is not _here:
            raise FailedPreconditionError(
                f"this client was made in process {self._id}, before a fork: its connection is not "
                "in this one. Make a client here, or send a SamplingClient by pickle"
            )


_here = Process()


def here() -> Process:
    """This process."""
    return _here


def _forked() -> None:
    global _here
    _here = Process()


os.register_at_fork(after_in_child=_forked)
