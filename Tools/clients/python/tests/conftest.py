"""A served `mini` for the tests: the binary that TINSMITH names, or the repository's build."""

import os
import pathlib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

import tinsmith
from tinsmith import types

REPOSITORY = pathlib.Path(__file__).resolve().parents[4]
BASE = "tinsmith/mini"


@dataclass
class Service:
    """A running service."""

    endpoint: str
    process: subprocess.Popen[str]

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_service(endpoint: str, data: pathlib.Path, *options: str) -> Service:
    binary = os.environ.get("TINSMITH", str(REPOSITORY / ".build" / "release" / "tinsmith"))
    if not pathlib.Path(binary).exists():
        pytest.exit(f"there is no {binary}: build it, or name one in TINSMITH", 2)
    process = subprocess.Popen(
        [
            binary,
            "serve",
            "--listen",
            endpoint,
            "--data",
            str(data),
            "--threads",
            "1",
            "--log",
            "error",
            *options,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline().split()
    assert line[:1] == ["ready"], "the service did not start"
    return Service(line[1], process)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    running = start_service("tcp://127.0.0.1:*", folder / "data")
    yield running
    running.stop()


@pytest.fixture
def client(service: Service) -> Iterator[tinsmith.ServiceClient]:
    with tinsmith.ServiceClient(base_url=service.endpoint) as client:
        yield client


@pytest.fixture
def training(client: tinsmith.ServiceClient) -> tinsmith.TrainingClient:
    return client.create_lora_training_client(BASE, rank=4, seed=1)


Examples = Callable[[int], list[types.Datum]]


@pytest.fixture
def examples() -> Examples:
    """Small batches: the n-th teaches one token after a short prompt."""

    def batch(number: int) -> list[types.Datum]:
        prompt = [4088, 4094, 10, 300 + number]
        return [
            types.Datum(
                types.ModelInput.from_ints(prompt),
                {"target_tokens": [*prompt[1:], 65 + number % 26], "weights": [0, 0, 0, 1.0]},
            )
        ]

    return batch
