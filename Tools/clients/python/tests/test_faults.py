"""Interrupted, killed, cut off: no answered result is lost and nothing is trained twice."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import worker
from conftest import BASE, Service, start_service
from proxy import Proxy

import tinsmith
from tinsmith import types

STEPS = 40
Line = dict[str, Any]


def start(endpoint: str, journal: pathlib.Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, worker.__file__, endpoint, str(STEPS), str(journal)],
        stdout=subprocess.PIPE,
        text=True,
    )


def read(journal: pathlib.Path) -> list[Line]:
    return [json.loads(line) for line in journal.read_text().splitlines()]


def results(journal: pathlib.Path) -> list[tuple[int, str, float]]:
    return [(e["step"], e["loss"], e["norm"]["unclipped_grad_l2:mean"]) for e in read(journal)]


def wait_for_lines(journal: pathlib.Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while len(journal.read_text().splitlines()) < count:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.005)


@pytest.fixture(scope="module")
def undisturbed(
    service: Service, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[int, str, float]]:
    """What the program computes when nothing happens to it."""
    journal = tmp_path_factory.mktemp("undisturbed") / "journal"
    journal.touch()
    output, _ = start(service.endpoint, journal).communicate(timeout=240)
    assert output.split() == ["steps", str(STEPS)]
    return results(journal)


def test_ctrl_c_loses_nothing(
    service: Service, undisturbed: list[tuple[int, str, float]], tmp_path: pathlib.Path
) -> None:
    journal = tmp_path / "journal"
    journal.touch()
    process = start(service.endpoint, journal)
    wait_for_lines(journal, 1, process)
    for _ in range(8):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    output, _ = process.communicate(timeout=240)
    # One that hit the loop itself, outside of `result`, ends the program: go on as after a kill.
    if process.returncode != 0:
        output, _ = start(service.endpoint, journal).communicate(timeout=240)
    assert output.split()[-2:] == ["steps", str(STEPS)]
    assert results(journal) == undisturbed


def test_a_killed_program_goes_on_where_it_was(
    service: Service, undisturbed: list[tuple[int, str, float]], tmp_path: pathlib.Path
) -> None:
    journal = tmp_path / "journal"
    journal.touch()
    for lines in (3, 11, 12, 25):
        process = start(service.endpoint, journal)
        wait_for_lines(journal, lines, process)
        process.kill()
        process.wait()
        text = journal.read_text()
        journal.write_text(text[: text.rfind("\n") + 1])  # A line may be torn.
    output, _ = start(service.endpoint, journal).communicate(timeout=240)
    # Each step ran once: what ran before a kill came back from the service's records.
    assert output.split() == ["steps", str(STEPS)]
    assert results(journal) == undisturbed


def test_calls_that_differ_are_refused_after_a_kill(
    service: Service, client: tinsmith.ServiceClient
) -> None:
    training = client.create_lora_training_client(BASE, rank=2)
    handle = training.result(60).get_resume_handle()
    training.forward(worker.batch(0), "cross_entropy").result(60)
    with tinsmith.ServiceClient(base_url=service.endpoint) as second:
        again = second.resume_training_client(handle)
        with pytest.raises(tinsmith.FailedPreconditionError, match="another request"):
            again.forward(worker.batch(1), "cross_entropy").result(60)
    for wrong in ("", "abc", "e30="):
        with pytest.raises(tinsmith.InvalidArgumentError):
            client.resume_training_client(wrong)
    with tinsmith.ServiceClient(base_url=service.endpoint) as other:
        other.create_lora_training_client(BASE, rank=2).result(60)
        with pytest.raises(tinsmith.FailedPreconditionError):
            other.resume_training_client(handle)


@pytest.fixture
def proxy(service: Service) -> Iterator[Proxy]:
    proxy = Proxy(int(service.endpoint.rpartition(":")[2]))
    yield proxy
    proxy.close()


def train_and_sample(
    endpoint: str, disturb: threading.Event | None = None
) -> tuple[list[str], list[list[int]], int]:
    """Trains and samples at once; sets `disturb` after a few steps."""
    client = tinsmith.ServiceClient(base_url=endpoint)
    training = client.create_lora_training_client(BASE, rank=4, seed=3)
    sampler = client.create_sampling_client(base_model=BASE).result(60)
    params = types.SamplingParams(max_tokens=300, seed=9, stop=[])
    passes, samples = [], []
    for number in range(STEPS):
        passes.append(training.forward_backward(worker.batch(number), "cross_entropy"))
        training.optim_step(worker.ADAM)
        if number % 10 == 0:
            samples.append(sampler.sample(types.ModelInput.from_ints([number]), 2, params))
        if number == 5 and disturb is not None:
            passes[0].result(60)
            disturb.set()
    losses = [p.result(120).loss.hex() for p in passes]
    tokens = [sequence.tokens for s in samples for sequence in s.result(120).sequences]
    step = training.fetch_info().result(60).step
    client.close()
    return losses, tokens, step


def test_twenty_seconds_without_a_network(service: Service, proxy: Proxy) -> None:
    expected = train_and_sample(service.endpoint)
    disturb = threading.Event()

    def pull_the_cable() -> None:
        disturb.wait(120)
        proxy.cut()
        time.sleep(20)
        proxy.heal()

    thread = threading.Thread(target=pull_the_cable)
    thread.start()
    began = time.monotonic()
    observed = train_and_sample(proxy.endpoint, disturb)
    assert time.monotonic() - began > 20
    thread.join()
    assert observed == expected and observed[2] == STEPS


def test_connections_that_are_reset_again_and_again(service: Service, proxy: Proxy) -> None:
    expected = train_and_sample(service.endpoint)
    disturb, ended = threading.Event(), threading.Event()

    def reset() -> None:
        disturb.wait(120)
        while not ended.wait(0.4):
            proxy.drop()

    thread = threading.Thread(target=reset)
    thread.start()
    try:
        assert train_and_sample(proxy.endpoint, disturb) == expected
    finally:
        ended.set()
        disturb.set()
        thread.join()


def router_of(supervisor: int) -> int:
    """The process that clients are connected to."""
    for children in pathlib.Path(f"/proc/{supervisor}/task").glob("*/children"):
        for child in children.read_text().split():
            command = pathlib.Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if b"router" in command:
                return int(child)
    raise LookupError("the service has no router just now")


def test_a_router_that_is_killed_again_and_again(tmp_path: pathlib.Path) -> None:
    own = start_service("tcp://127.0.0.1:*", tmp_path / "data")
    try:
        expected = train_and_sample(own.endpoint)
        disturb, ended = threading.Event(), threading.Event()
        killed = set()

        def kill() -> None:
            disturb.wait(120)
            while not ended.is_set():
                try:
                    router = router_of(own.process.pid)
                    os.kill(router, signal.SIGKILL)
                    killed.add(router)
                except (LookupError, OSError):
                    pass  # It is not there yet, or not any more.
                ended.wait(1.5)

        thread = threading.Thread(target=kill)
        thread.start()
        try:
            assert train_and_sample(own.endpoint, disturb) == expected
        finally:
            ended.set()
            disturb.set()
            thread.join()
        assert killed
    finally:
        own.stop()


def test_a_socket_that_is_moved_away_and_back(tmp_path: pathlib.Path) -> None:
    """An ipc endpoint: whoever connects meanwhile finds nobody, and waits."""
    path = tmp_path / "s.ipc"
    own = start_service(f"ipc://{path}", tmp_path / "data")
    try:
        client = tinsmith.ServiceClient(base_url=own.endpoint)
        training = client.create_lora_training_client(BASE, rank=4, seed=3)
        before = training.forward(worker.batch(0), "cross_entropy").result(60).loss
        path.rename(tmp_path / "away")
        late = tinsmith.ServiceClient(base_url=own.endpoint)
        future = late.create_rest_client().ping(b"x")
        with pytest.raises(TimeoutError):
            future.result(2)
        (tmp_path / "away").rename(path)
        assert future.result(30) == b"x"
        assert training.forward(worker.batch(0), "cross_entropy").result(60).loss == before
        late.close()
        client.close()
    finally:
        own.stop()
