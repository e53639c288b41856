"""The first frame of what a channel sends."""

from __future__ import annotations

import random
import time

from tinsmith._rpc.call import Call
from tinsmith.v1 import envelope_pb2 as pb

CLIENT_NAME = "tinsmith-python/0.1.0"
FIRST_HEARTBEAT = 1 << 62
"""Seqs of heartbeats, on the nameless stream, far above those of calls."""


class Headers:
    """Makes headers with the session's token, once there is one."""

    def __init__(self) -> None:
        self.token = ""
        self._incarnation = random.getrandbits(64) | 1
        self._heartbeats = FIRST_HEARTBEAT

    def of_call(self, method: pb.Method, call: Call, acked: int) -> bytes:
        """The header of a call, or of a request about it.

        Args:
            method: what to do.
            call: its key, costs, flags and deadline.
            acked: every answer of its stream up to this seq was received.
        """
        name = call.stream.name
        header = pb.RequestHeader(
            protocol_version=1, method=method, stream=name, seq=call.seq, session_token=self.token
        )
        # Setting what is 0 anyway costs more than to ask.
        if acked:
            header.acked = acked
        if call.prompt_tokens:
            header.cost_prompt_tokens = call.prompt_tokens
        if call.new_tokens:
            header.cost_new_tokens = call.new_tokens
        if call.flags:
            header.flags = call.flags
        if call.deadline is not None:
            # A call that is too late is sent all the same: its seq must be used up.
            header.timeout_ms = max(1, int(1000 * (call.deadline - time.monotonic())))
        if not name and call.attempts == 0:
            # Who speaks is said once, before there is a stream.
            header.client_name = CLIENT_NAME
            header.client_incarnation = self._incarnation
        return header.SerializeToString()

    def of_heartbeat(self) -> bytes:
        """The header of a heartbeat, or of a ping where there is no session yet."""
        self._heartbeats += 1
        return pb.RequestHeader(
            protocol_version=1,
            method=pb.METHOD_SESSIONS_HEARTBEAT if self.token else pb.METHOD_ADMIN_PING,
            seq=self._heartbeats,
            client_name=CLIENT_NAME,
            client_incarnation=self._incarnation,
            session_token=self.token,
        ).SerializeToString()
