"""The conformance kit: golden frames, and the scenario against the service."""

import json
import pathlib
import subprocess
import sys
from typing import Any

import pytest
from conftest import REPOSITORY, Service
from google.protobuf import json_format
from google.protobuf.message import Message

from tinsmith._rpc.call import UNREADABLE
from tinsmith.conformance.bodies import MODULES
from tinsmith.v1 import tensor_pb2

KIT = REPOSITORY / "Tests" / "Conformance"
FRAMES: dict[str, Any] = json.loads((KIT / "frames.json").read_text())
REFUSED_BY_PROTOBUF = [case for case in FRAMES["invalid"] if case["protobuf"] == "refuses"]


def message_class(name: str) -> type[Message]:
    modules = [*MODULES.values(), tensor_pb2, sys.modules["tinsmith.v1.envelope_pb2"]]
    return next(getattr(module, name) for module in modules if hasattr(module, name))


def name_of(case: dict[str, Any]) -> str:
    return str(case["name"])


@pytest.mark.parametrize("case", FRAMES["valid"], ids=name_of)
def test_valid_frames_are_read_and_written(case: dict[str, Any]) -> None:
    kind = message_class(case["message"])
    body = bytes.fromhex(case["frames"][0])
    message = kind.FromString(body)
    expected = json_format.ParseDict(case["json"], kind(), ignore_unknown_fields=False)
    known = kind()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    assert json_format.MessageToDict(
        known, preserving_proto_field_name=True
    ) == json_format.MessageToDict(expected, preserving_proto_field_name=True)
    if case["canonical"]:
        assert message.SerializeToString(deterministic=True) == body
        assert body.startswith(expected.SerializeToString(deterministic=True))


@pytest.mark.parametrize("case", REFUSED_BY_PROTOBUF, ids=name_of)
def test_frames_that_are_no_message_are_refused(case: dict[str, Any]) -> None:
    with pytest.raises(UNREADABLE):
        message_class(case["message"]).FromString(bytes.fromhex(case["frames"][0]))


def test_the_scenario_gives_the_lines_of_every_other_client(service: Service) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tinsmith.conformance", service.endpoint, KIT / "scenario.json"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    expected = pathlib.Path(KIT / "expected.txt").read_text().splitlines()
    assert lines == expected
