"""One DEALER socket, from its connection to its loss. It is never used again after that."""

from __future__ import annotations

import math

import zmq

MORE = int(zmq.SNDMORE)
NOW = int(zmq.NOBLOCK)
ZERO_COPY = 1 << 16
"""Bytes from which a frame is not copied when it is sent."""


class Connection:
    """A socket that knows when its connection breaks.

    Args:
        context: of all sockets.
        endpoint: where to connect.
        wake: a descriptor that ends `wait` when it can be read.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, wake: int) -> None:
        dealer = context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.SNDHWM, 100_000)
        dealer.setsockopt(zmq.RCVHWM, 100_000)
        dealer.setsockopt(zmq.MAXMSGSIZE, 256 << 20)
        dealer.setsockopt(zmq.RECONNECT_IVL, 20)
        dealer.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
        self._breaks = dealer.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        dealer.connect(endpoint)
        self._socket = dealer
        self._poller = zmq.Poller()
        self._poller.register(dealer, zmq.POLLIN)
        self._poller.register(self._breaks, zmq.POLLIN)
        self._poller.register(wake, zmq.POLLIN)

    def send(self, header: bytes, frames: list[bytes]) -> bool:
        """Sends a message; False if the socket takes none now."""
        send = self._socket.send
        try:
            send(header, MORE | NOW)
        except zmq.Again:
            return False
        if not frames:
            send(b"")
            return True
        last = len(frames) - 1
        for index, frame in enumerate(frames):
            send(frame, MORE if index < last else 0, copy=len(frame) < ZERO_COPY)
        return True

    def receive(self, limit: int) -> list[list[bytes]]:
        """The messages that have arrived, at most `limit`, each as its frames."""
        receive = self._socket.recv
        messages: list[list[bytes]] = []
        try:
            while len(messages) < limit:
                # Frames know whether more follow; asking the socket takes twice as long.
                frame = receive(NOW, copy=False)
                frames = [frame.bytes]
                while frame.more:
                    frame = receive(copy=False)
                    frames.append(frame.bytes)
                messages.append(frames)
        except zmq.Again:
            pass
        return messages

    def wait(self, seconds: float) -> bool:
        """Sleeps until something happens; True if the connection broke."""
        return any(
            source is self._breaks for source, _ in self._poller.poll(math.ceil(1000 * seconds))
        )

    def close(self) -> None:
        """Closes the socket with what it has not sent."""
        self._socket.disable_monitor()
        self._breaks.close(0)
        self._socket.close(0)
