"""Where a training program was, as text that another process goes on from."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json

from tinsmith import types
from tinsmith._rpc.call import Phase, Stream
from tinsmith.errors import InvalidArgumentError


@dataclasses.dataclass(frozen=True)
class ResumePoint:
    """A place in a model's stream of requests.

    Attributes:
        session_id: the session.
        token: its token, which is as good as a password.
        models: models that the session has numbered.
        samplers: sampling sessions that it has numbered.
        seq: the first request whose answer the program does not have.
        info: what the model was when it was made.
    """

    session_id: str
    token: str
    models: int
    samplers: int
    seq: int
    info: types.GetInfoResponse

    def text(self) -> str:
        """The place as one word."""
        content = json.dumps(dataclasses.asdict(self), separators=(",", ":"))
        return base64.urlsafe_b64encode(content.encode()).decode()

    @classmethod
    def of(cls, text: str) -> ResumePoint:
        """Reads what `text` wrote.

        Raises:
            InvalidArgumentError: it did not.
        """
        try:
            fields = json.loads(base64.urlsafe_b64decode(text.encode()))
            info = fields.pop("info")
            data = types.ModelData(**info.pop("model_data"))
            return cls(info=types.GetInfoResponse(model_data=data, **info), **fields)
        except (AttributeError, KeyError, TypeError, ValueError, binascii.Error) as error:
            raise InvalidArgumentError("not a handle of get_resume_handle", "handle") from error


def first_untaken(stream: Stream) -> int:
    """Seq of the first request of a stream whose answer the program has not taken."""
    while True:
        try:
            calls = list(stream.open)
        except RuntimeError:
            continue  # The I/O thread changed it meanwhile.
        break
    for call in calls:
        if call.phase is not Phase.ANSWERED or not call.taken:
            return call.seq
    return stream.next_seq
