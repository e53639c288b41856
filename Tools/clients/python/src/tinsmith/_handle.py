"""What to sample from, as text that another process goes on from."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import os
import random
import threading

from tinsmith._arguments import optional, text
from tinsmith._rpc.channel import Channel
from tinsmith._session import Description, Established, Session
from tinsmith.errors import InvalidArgumentError

FIRST_SAMPLER = 1 << 32
"""From here on, at random, other processes number the sampling sessions of a session: its own
count from 0."""


@dataclasses.dataclass(frozen=True)
class SamplerHandle:
    """Weights at a service.

    Attributes:
        endpoint: of the service.
        model_path: the adapter, or None.
        base_model: the base model as it is, or None.
        session_id: the session to sample in; "" for one of the reader's own.
        token: its token, which is as good as a password.
    """

    endpoint: str
    model_path: str | None
    base_model: str | None
    session_id: str = ""
    token: str = ""

    def text(self) -> str:
        """The handle as one word."""
        content = json.dumps(dataclasses.asdict(self), separators=(",", ":"))
        return base64.urlsafe_b64encode(content.encode()).decode()

    @classmethod
    def of(cls, text: str) -> SamplerHandle:
        """Reads what `text` wrote.

        Raises:
            InvalidArgumentError: it did not.
        """
        try:
            handle = cls(**json.loads(base64.urlsafe_b64decode(text.encode())))
        except (AttributeError, TypeError, ValueError, binascii.Error) as error:
            raise InvalidArgumentError("not a handle of get_sampler_handle", "handle") from error
        if (handle.model_path is None) == (handle.base_model is None):
            raise InvalidArgumentError("not a handle of get_sampler_handle", "handle")
        return handle

    def session(self, api_key: str | None = None) -> Session:
        """The session to sample in; one for all handles of a session that this process reads."""
        return shared_session(self.endpoint, api_key, self.session_id, self.token)


def shared_session(
    endpoint: str, api_key: str | None = None, session_id: str = "", token: str = ""
) -> Session:
    """A session that lives as long as this process, one for each place and key.

    Args:
        endpoint: of the service.
        api_key: the user's key; else `TINSMITH_API_KEY`.
        session_id: a session that exists; "" for one of this process.
        token: its token.
    """
    key = optional(text, api_key, "api_key") or os.environ.get("TINSMITH_API_KEY", "")
    place = (endpoint, session_id, key)
    with _lock:
        session = _sessions.get(place)
        if session is None or not session.channel.is_open:
            session = _sessions[place] = Session(Channel(endpoint), Description(key))
            if session_id:
                first = FIRST_SAMPLER + random.getrandbits(48)
                session.adopt(Established(session_id, token), 0, first)
    return session


_sessions: dict[tuple[str, str, str], Session] = {}
_lock = threading.Lock()
# A child of a fork must not find it locked by a thread that it does not have.
os.register_at_fork(
    before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
)
