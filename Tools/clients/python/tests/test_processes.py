"""Clients and other processes: forked children, pickles, handles."""

from __future__ import annotations

import base64
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from conftest import BASE, Examples, Service

import tinsmith
from tinsmith import types

ADAM = types.AdamParams(learning_rate=1e-2)
PROMPT = types.ModelInput.from_ints([4088, 4094, 10, 301])
DRAW = types.SamplingParams(max_tokens=6, seed=5, stop=[])


def test_a_client_in_a_forked_child_fails_at_once(service: Service) -> None:
    client = tinsmith.ServiceClient(base_url=service.endpoint)
    sampler = client.create_sampling_client(base_model=BASE).result(60)
    model = client.create_lora_training_client(BASE, rank=2).result(60)
    long = types.SamplingParams(max_tokens=3000, stop=[])
    waiting = sampler.sample(PROMPT, 1, long)

    def child(send: Any) -> None:
        said = []
        calls: list[Callable[[], Any]] = [
            lambda: sampler.sample(PROMPT, 1, DRAW).result(20),
            lambda: model.optim_step(ADAM).result(20),
            lambda: client.create_rest_client().ping().result(20),
            lambda: client.create_sampling_client(base_model=BASE).result(20),
            lambda: client.create_lora_training_client(BASE).result(20),
            lambda: waiting.result(20),
        ]
        for call in calls:
            try:
                said.append(f"answered {call()}")
            except tinsmith.FailedPreconditionError as error:
                said.append(error.message)
            except BaseException as error:
                said.append(repr(error))
        client.close().result(20)
        # One of its own works.
        with tinsmith.ServiceClient(base_url=service.endpoint) as own:
            said.append(own.create_rest_client().ping(b"own").result(60).decode())
        send.send(said)

    receive, send = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=child, args=(send,))
    process.start()
    assert receive.poll(120), "the child says nothing"
    said = receive.recv()
    process.join(60)
    assert said[-1] == "own"
    for words in said[:-1]:
        assert f"made in process {os.getpid()}, before a fork" in words
    # Nothing of that has harmed this process.
    assert sampler.sample(PROMPT, 1, DRAW).result(60).sequences
    waiting.cancel()
    client.close().result(60)


READER = """
import pickle, sys, tinsmith
from tinsmith import types
data = sys.stdin.buffer.read()
if sys.argv[1] == "pickle":
    client = pickle.loads(data)
else:
    client = tinsmith.SamplingClient.from_sampler_handle(data.decode())
params = types.SamplingParams(max_tokens=6, seed=5, stop=[])
prompt = types.ModelInput.from_ints([4088, 4094, 10, 301])
print(list(client.sample(prompt, 1, params).result(60).sequences[0].tokens))
"""


@pytest.mark.parametrize("how", ["pickle", "handle"])
@pytest.mark.parametrize("named", [True, False])
def test_a_sampling_client_goes_to_another_process(
    client: tinsmith.ServiceClient, examples: Examples, how: str, named: bool
) -> None:
    model = client.create_lora_training_client(BASE, rank=4, seed=3)
    model.forward_backward(examples(0), "cross_entropy")
    model.optim_step(ADAM)
    sampler = model.save_weights_and_get_sampling_client("sent" if named else None)
    expected = list(sampler.sample(PROMPT, 1, DRAW).result(60).sequences[0].tokens)
    data = pickle.dumps(sampler) if how == "pickle" else sampler.get_sampler_handle().encode()
    output = subprocess.run(
        [sys.executable, "-c", READER, how], input=data, capture_output=True, timeout=120
    )
    assert output.stdout.decode().strip() == str(expected), output.stderr.decode()
    # In this process too, and side by side with the original.
    again = pickle.loads(pickle.dumps(sampler))
    for each in (again, sampler):
        assert list(each.sample(PROMPT, 1, DRAW).result(60).sequences[0].tokens) == expected


def test_handles_hold_no_secret_and_others_are_refused(client: tinsmith.ServiceClient) -> None:
    sampler = client.create_sampling_client(base_model=BASE)
    assert b'"token":""' in base64.urlsafe_b64decode(sampler.get_sampler_handle())
    for wrong in ("", "abc", "e30=", "bnVsbA=="):
        with pytest.raises(tinsmith.InvalidArgumentError, match="handle"):
            tinsmith.SamplingClient.from_sampler_handle(wrong)
