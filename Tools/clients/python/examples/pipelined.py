"""What it is worth not to wait: requests per second, by how many are under way at once.

The same calls are made with 1 (each is awaited) to 256 futures outstanding: pings, which cost the
service nothing, and small samples, which it decodes in one batch.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from common import BASE, arguments, plot
from tqdm import tqdm

import tinsmith
from tinsmith import types

DEPTHS = [1, 4, 16, 64, 256]


def rate(call: Callable[[], tinsmith.APIFuture[Any]], depth: int, seconds: float) -> float:
    """Calls per second with at most `depth` answers outstanding."""
    under_way: deque[tinsmith.APIFuture[Any]] = deque()
    began = time.perf_counter()
    count = 0
    while time.perf_counter() - began < seconds:
        under_way.append(call())
        count += 1
        if len(under_way) >= depth:
            under_way.popleft().result()
    for future in under_way:
        future.result()
    return count / (time.perf_counter() - began)


def main() -> None:
    """Measures and plots."""
    options = arguments(__doc__, "pipelined.png", seconds=3.0)
    with tinsmith.ServiceClient(base_url=options.url) as service:
        rest = service.create_rest_client()
        sampler = service.create_sampling_client(base_model=BASE).result()
        prompt = types.ModelInput.from_ints([4088, 4094, 10, 478, 3760])
        params = types.SamplingParams(max_tokens=4, stop=[])
        calls: dict[str, Callable[[], tinsmith.APIFuture[Any]]] = {
            "ping": rest.ping,
            "sample of 4 tokens": lambda: sampler.sample(prompt, 1, params),
        }
        curves = []
        with tqdm(total=len(calls) * len(DEPTHS), desc="pipelined") as bar:
            for name, call in calls.items():
                rate(call, 16, 0.5)
                rates = []
                for depth in DEPTHS:
                    rates.append(rate(call, depth, options.seconds))
                    bar.update()
                gain = max(rates) / rates[0]
                bar.write(
                    f"{name}: {rates[0]:.0f}/s awaited, {max(rates):.0f}/s pipelined, {gain:.1f} x"
                )
                curves.append((name, DEPTHS, [r / rates[0] for r in rates]))
    plot(
        options.plot,
        "Requests per second by futures outstanding",
        "futures outstanding",
        "gain over awaiting each",
        curves,
    )


if __name__ == "__main__":
    main()
