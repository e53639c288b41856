"""A service of its own, what its processes take, and a polite client of it."""

import json
import os
import pathlib
import subprocess
import threading
import time
from dataclasses import dataclass, field

from tinsmith.v1 import envelope_pb2 as envelope
from tinsmith.v1 import sampling_pb2 as sampling
from tinsmith.v1 import training_pb2 as training

import wire

POLITE_KEY, HOSTILE_KEY = "polite", "hostile"
MIB = 1 << 20


@dataclass
class Usage:
    """What a service takes, all its processes together."""

    memory: int
    """Bytes of private memory; mapped weights are not the service's own."""
    descriptors: int
    disk: int

    def __str__(self) -> str:
        return f"{self.memory // MIB} MiB, {self.descriptors} descriptors, {self.disk // 1024} KiB on disk"


class Service:
    """`tinsmith serve` with two tenants, over a folder of its own."""

    def __init__(self, program: str, folder: pathlib.Path, options: list[str]) -> None:
        self.data = folder / "data"
        tenants = folder / "tenants.json"
        tenants.write_text(
            json.dumps(
                [
                    {"name": "polite", "key": POLITE_KEY, "weight": 1},
                    {"name": "hostile", "key": HOSTILE_KEY, "weight": 1},
                ]
            )
        )
        self.log = folder / "log"
        self.process = subprocess.Popen(
            [
                program,
                "serve",
                "--listen",
                "tcp://127.0.0.1:*",
                "--data",
                str(self.data),
                "--tenants",
                str(tenants),
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=self.log.open("wb"),
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().split()
        if line[:1] != ["ready"]:
            raise SystemExit(f"the service did not start: {self.log.read_text()[-2000:]}")
        self.endpoint = line[1]

    def processes(self) -> list[int]:
        found, open_ = [], [self.process.pid]
        while open_:
            pid = open_.pop()
            found.append(pid)
            for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    open_ += [int(child) for child in task.read_text().split()]
                except OSError:
                    continue
        return found

    def usage(self) -> Usage:
        total = Usage(0, 0, 0)
        for pid in self.processes():
            try:
                for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                    if line.startswith(("Private_Dirty:", "Private_Clean:")):
                        total.memory += int(line.split()[1]) * 1024
                total.descriptors += len(os.listdir(f"/proc/{pid}/fd"))
            except OSError:
                continue
        # `os.walk` goes on where a folder is removed under it.
        for folder, _, names in os.walk(self.data):
            for name in names:
                try:
                    total.disk += os.lstat(os.path.join(folder, name)).st_blocks * 512
                except OSError:
                    continue
        return total

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass
class Polite:
    """A client that pings, samples and trains at its leisure, and notes what it waited for."""

    endpoint: str
    patience: float
    pings: list[float] = field(default_factory=list)
    slowest: dict[str, float] = field(default_factory=dict)
    unanswered: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for body in (self._ping, self._work):
            thread = threading.Thread(target=body, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def ping_p99(self) -> float:
        ordered = sorted(self.pings)
        return ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] if ordered else float("inf")

    def _ping(self) -> None:
        with wire.Peer(self.endpoint) as peer:
            while not self._stop.wait(0.05):
                start = time.monotonic()
                if peer.call(envelope.METHOD_ADMIN_PING, seconds=self.patience) is None:
                    self.unanswered.append("ping")
                self.pings.append(time.monotonic() - start)

    def _work(self) -> None:
        """New sessions, samples and training steps, one after the other."""
        number = 0
        while not self._stop.is_set():
            number += 1
            with wire.Peer(self.endpoint) as peer:
                self._timed("create session", lambda: peer.open_session(POLITE_KEY, self.patience))
                if not peer.session:
                    continue
                self._timed("create model", lambda: peer.create_model(seconds=self.patience))
                stream = f"{peer.session}:train:0"
                step = training.ForwardBackwardRequest(
                    data=[wire.datum([65, 66, 67, 68])], loss_fn="cross_entropy"
                )
                sample = sampling.SampleRequest(
                    prompt=wire.tokens([65, 66, 67]),
                    num_samples=1,
                    base_model=wire.BASE,
                    sampling_params=sampling.SamplingParams(max_tokens=4),
                )
                for seq in range(1, 11, 2):
                    if self._stop.is_set():
                        break
                    self._answered(
                        "forward_backward",
                        peer,
                        envelope.METHOD_TRAINING_FORWARD_BACKWARD,
                        stream,
                        seq,
                        step,
                    )
                    self._answered(
                        "optim_step",
                        peer,
                        envelope.METHOD_TRAINING_OPTIM_STEP,
                        stream,
                        seq + 1,
                        training.OptimStepRequest(),
                    )
                    self._answered(
                        "sample",
                        peer,
                        envelope.METHOD_SAMPLING_SAMPLE,
                        f"{peer.session}:sample:0",
                        seq,
                        sample,
                    )
                    self._stop.wait(0.2)
                peer.finish()

    def _answered(
        self, what: str, peer: wire.Peer, method: int, stream: str, seq: int, body: object
    ) -> None:
        def call() -> bool:
            answer = peer.call(method, stream, seq, body, seconds=self.patience)
            return answer is not None and answer[0].code == 0

        self._timed(what, call)

    def _timed(self, what: str, call: object) -> None:
        start = time.monotonic()
        if not call():  # type: ignore[operator]
            self.unanswered.append(what)
        self.slowest[what] = max(self.slowest.get(what, 0), time.monotonic() - start)
