"""Requests per second: what the issue asks for, on two cores with the service beside it."""

from __future__ import annotations

import os
import time
from collections import deque

import pytest

import tinsmith

AHEAD = 256


def awaited(rest: tinsmith.RestClient, count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        rest.ping().result(30)
    return count / (time.perf_counter() - began)


def pipelined(rest: tinsmith.RestClient, count: int) -> float:
    under_way: deque[tinsmith.APIFuture[bytes]] = deque()
    began = time.perf_counter()
    for _ in range(count):
        under_way.append(rest.ping())
        if len(under_way) >= AHEAD:
            under_way.popleft().result(30)
    for future in under_way:
        future.result(30)
    return count / (time.perf_counter() - began)


def test_pings_per_second(client: tinsmith.ServiceClient) -> None:
    rest = client.create_rest_client()
    pipelined(rest, 2000)
    # The best of some runs: other work on the machine only ever slows them.
    one_by_one = max(awaited(rest, 1000) for _ in range(3))
    together = max(pipelined(rest, 30_000) for _ in range(5))
    print(f"awaited {one_by_one:.0f}/s, pipelined {together:.0f}/s")
    assert together >= 3 * one_by_one
    if together < 15_000 and os.getloadavg()[0] > 2.0:
        pytest.skip(f"others use this machine; {together:.0f} pings/s")
    assert together >= 15_000
