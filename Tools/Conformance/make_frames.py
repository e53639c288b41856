"""Writes Tests/Conformance/frames.json: golden frames of every kind of message.

    python3 Tools/Conformance/make_frames.py            write the file
    python3 Tools/Conformance/make_frames.py --check    exit 1 if it would change

protobuf's own Python implementation encodes, so the frames are independent of every client and of
the service. Needs protoc and the Python package protobuf (Debian: python3-protobuf).
"""

import json
import sys
import tempfile

from schema import ROOT, generate

TARGET = ROOT / "Tests/Conformance/frames.json"


def kinds() -> set[str]:
    """Names of the messages that travel between clients and service."""
    from tinsmith.v1 import (admin_pb2, checkpoints_pb2, envelope_pb2, futures_pb2, sampling_pb2,
                             sessions_pb2, training_pb2)

    names = set(envelope_pb2.DESCRIPTOR.message_types_by_name)
    for file in (admin_pb2, checkpoints_pb2, futures_pb2, sampling_pb2, sessions_pb2, training_pb2):
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                names |= {method.input_type.name, method.output_type.name}
    # Named by the schema, never sent.
    return names - {"AwaitFutureResponse", "CancelFutureResponse"}


def document() -> str:
    """The file's text: one case a line."""
    from frames_invalid import invalid
    from frames_valid import valid

    good, bad = valid(), invalid()
    missing = kinds() - {case["message"] for case in good}
    if missing:
        raise SystemExit(f"no valid frames of {', '.join(sorted(missing))}")
    names = [case["name"] for case in good + bad]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SystemExit(f"two cases are called {', '.join(sorted(twice))}")

    def rows(cases: list) -> str:
        return ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)

    return f'{{"format": 1,\n"valid": [\n{rows(good)}\n],\n"invalid": [\n{rows(bad)}\n]}}\n'


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        generate(folder)
        text = document()
    if sys.argv[1:] == ["--check"]:
        if TARGET.read_text(encoding="utf-8") != text:
            raise SystemExit(f"{TARGET.relative_to(ROOT)} is not what make_frames.py writes")
        print("frames.json is up to date")
    elif len(sys.argv) > 1:
        raise SystemExit("usage: make_frames.py [--check]")
    else:
        TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
