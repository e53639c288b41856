"""What other threads tell an I/O thread, and how they wake it."""

from __future__ import annotations

import socket
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """A queue whose reader sleeps in a poll: a descriptor becomes readable when it must wake."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._asleep = False
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        self.descriptor = self._read.fileno()

    def put(self, item: T) -> None:
        """Adds an item. Any thread may be interrupted in it: the item is there or it is not."""
        self._items.append(item)
        if self._asleep:
            self.wake()

    def wake(self) -> None:
        """Wakes the reader."""
        self._asleep = False
        try:
            self._write.send(b"\0")
        except OSError:
            pass  # Full: it will wake. Closed: there is nobody to wake.

    # Of the reader.

    def take(self) -> list[T]:
        """The items that are there, in their order."""
        items = self._items
        return [items.popleft() for _ in range(len(items))]

    def prepare_to_sleep(self) -> bool:
        """To be called before a poll; False if there is something to take first."""
        self._asleep = True
        if self._items:
            self._asleep = False
        return self._asleep

    def woke_up(self) -> None:
        """To be called after the poll."""
        self._asleep = False
        try:
            self._read.recv(4096)
        except BlockingIOError:
            pass

    def close(self) -> None:
        """Ends the waking."""
        self._read.close()
        self._write.close()
