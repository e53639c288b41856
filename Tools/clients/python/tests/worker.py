"""A training program that keeps a journal, for the tests that interrupt and kill it.

    python worker.py ENDPOINT STEPS JOURNAL

It pipelines, writes each result to the journal as soon as it has it, and goes on from the
journal's last line when it is started again. Ctrl-C does not end it.
"""

from __future__ import annotations

import json
import pathlib
import sys
from collections import deque
from typing import Any

import tinsmith
from tinsmith import types

AHEAD = 6
ADAM = types.AdamParams(learning_rate=1e-3)


def batch(number: int) -> list[types.Datum]:
    """A few hundred tokens, different for every step."""
    tokens = [4088, 4094, 10] + [300 + (number * 37 + i * 11) % 3000 for i in range(60)]
    targets = types.TensorData([*tokens[1:], 65], "int64")
    datum = types.Datum(
        types.ModelInput.from_ints(tokens), {"target_tokens": targets, "weights": [1.0] * 63}
    )
    return [datum] * 4


def patient(future: tinsmith.APIFuture[Any]) -> Any:
    """The answer, however often somebody presses Ctrl-C."""
    while True:
        try:
            return future.result(120)
        except KeyboardInterrupt:
            print("interrupted", flush=True)


def main(endpoint: str, steps: int, journal: pathlib.Path) -> None:
    """Trains, and prints how many steps the model has done."""
    done = [json.loads(line) for line in journal.read_text().splitlines()]
    client = tinsmith.ServiceClient(base_url=endpoint)
    if done:
        training = client.resume_training_client(done[-1]["handle"])
    else:
        training = client.create_lora_training_client("tinsmith/mini", rank=4, seed=3)
    under_way: deque[tuple[int, Any, Any]] = deque()
    with journal.open("a") as file:
        for number in range(len(done), steps + AHEAD):
            if number < steps:
                passed = training.forward_backward(batch(number), "cross_entropy")
                under_way.append((number, passed, training.optim_step(ADAM)))
            if under_way and under_way[0][0] <= number - AHEAD:
                first, passed, step = under_way.popleft()
                loss, norm = patient(passed).loss, patient(step).metrics
                handle = training.get_resume_handle()
                line = {"step": first, "loss": loss.hex(), "norm": norm, "handle": handle}
                file.write(json.dumps(line) + "\n")
                file.flush()
    print("steps", patient(training.fetch_info()).step, flush=True)
    client.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3]))
