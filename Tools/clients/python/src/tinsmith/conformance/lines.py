"""What a runner prints of an answer."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tinsmith._codec import Reader
from tinsmith.errors import status_name
from tinsmith.v1 import envelope_pb2 as pb
from tinsmith.v1 import sampling_pb2

REASONS = {
    sampling_pb2.STOP_REASON_STOP: "stop",
    sampling_pb2.STOP_REASON_LENGTH: "length",
}


@dataclass
class Observed:
    """A FINAL answer, and the PARTIAL ones before it, with its message type."""

    name: str
    header: pb.ResponseHeader
    frames: Sequence[bytes]
    response: Any
    partials: list[tuple[pb.ResponseHeader, Sequence[bytes]]] = field(default_factory=list)

    def lines(self, show: str, remembered: dict[str, list[bytes]]) -> list[str]:
        """The lines of one entry of `show`."""
        kind, _, argument = show.partition(":")
        message: Any = None
        if kind not in ("status", "same"):
            message = self.response.FromString(self.frames[0])
        reader = Reader(self.frames[1:])
        name = self.name
        match kind:
            case "status":
                code = status_name(self.header.code)
                return [f"status {name} {code} {self.header.field or '-'}"]
            case "same":
                is_same = list(self.frames) == remembered.get(argument)
                return [f"same {name} {argument} {_yes(is_same)}"]
            case "loss":
                return [f"loss {name} {_metric(message, 'loss:sum')}"]
            case "metric":
                return [f"metric {name} {argument} {_metric(message, argument)}"]
            case "logprobs":
                tensors = (
                    [
                        pair.tensor
                        for output in message.loss_fn_outputs
                        for pair in output.outputs
                        if pair.name == "logprobs"
                    ]
                    if hasattr(message, "loss_fn_outputs")
                    else [message.logprobs]
                )
                return [f"logprobs {name} {_hash(reader, tensors)}"]
            case "value":
                return [f"value {name} {argument} {getattr(message, argument)}"]
            case "payload":
                return [f"payload {name} {reader.content(message.payload, 'place').hex()}"]
            case "numerics":
                model = next(model for model in message.models if model.name == argument)
                return [f"numerics {name} {argument} {model.numerics_version} {model.precision}"]
            case "samples":
                return self._samples(message, reader)
            case "model_logprobs":
                tensors = [sequence.model_logprobs for sequence in message.sequences]
                return [f"model_logprobs {name} {_hash(reader, tensors)}"]
            case "seed":
                return [f"seed {name} {message.seed}"]
            case "prompt_logprobs":
                return [f"prompt_logprobs {name} {_hash(reader, [message.prompt_logprobs])}"]
            case "target_logprobs":
                return [f"target_logprobs {name} {_hash(reader, [message.target_prompt_logprobs])}"]
            case "topk":
                tables = [message.topk_prompt_logprobs]
                tables += [sequence.topk_logprobs for sequence in message.sequences]
                tensors = [t for table in tables for t in (table.token_ids, table.logprobs)]
                return [f"topk {name} {_hash(reader, tensors)}"]
            case "pieces":
                return [f"pieces {name} {_yes(self._pieces_fit(message, reader))}"]
            case "list":
                return [
                    f"checkpoint {name} {checkpoint.path}" for checkpoint in message.checkpoints
                ]
            case "file":
                content = next(f.content for f in message.files if f.name == argument)
                digest = hashlib.sha256(reader.content(content, "place")).hexdigest()
                return [f"file {name} {argument} sha256:{digest}"]
        raise KeyError(f"there is no way to show {show}")

    def _samples(self, message: Any, reader: Reader) -> list[str]:
        lines = []
        for index, sequence in enumerate(message.sequences):
            tokens = ",".join(map(str, reader.array(sequence.tokens).tolist())) or "-"
            lines.append(f"sample {self.name} {index} {REASONS[sequence.stop_reason]} {tokens}")
            digest = _hash(reader, [sequence.logprobs])
            lines.append(f"sample_logprobs {self.name} {index} {digest}")
        return lines

    def _pieces_fit(self, message: Any, reader: Reader) -> bool:
        final = {s.index: reader.array(s.tokens).tolist() for s in message.sequences}
        for header, frames in self.partials:
            pieces = Reader(frames[1:])
            for sequence in self.response.FromString(frames[0]).sequences:
                tokens = pieces.array(sequence.tokens).tolist()
                start = header.partial_offset
                if not tokens or final[sequence.index][start : start + len(tokens)] != tokens:
                    return False
        return bool(self.partials)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _metric(message: Any, name: str) -> str:
    value = next(pair.value for pair in message.metrics if pair.name == name)
    return f"0x{struct.unpack('>Q', struct.pack('>d', value))[0]:016x}"


def _hash(reader: Reader, tensors: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(reader.content(tensor, "data"))
    return f"sha256:{digest.hexdigest()}"
