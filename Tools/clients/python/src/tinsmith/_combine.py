"""How the data of one call are spread over requests, and their answers made one again."""

from __future__ import annotations

from collections.abc import Sequence

from tinsmith import types

MAX_DATUMS = 1024
MAX_BYTES = 5_000_000
"""Most estimated bytes of a request; a single datum may exceed it."""


def split(data: Sequence[types.Datum]) -> list[Sequence[types.Datum]]:
    """Parts that follow one another and cover all.

    Gradients add up and losses are sums, so a call in parts gives what one request would give; a
    request stays small enough to be scheduled among those of others.
    """
    parts: list[Sequence[types.Datum]] = []
    start = size = 0
    for index, datum in enumerate(data):
        bytes_of_datum = datum.byte_count
        if index > start and (index - start >= MAX_DATUMS or size + bytes_of_datum > MAX_BYTES):
            parts.append(data[start:index])
            start, size = index, 0
        size += bytes_of_datum
    if start < len(data):
        parts.append(data[start:])
    return parts


def combine(parts: Sequence[types.ForwardBackwardOutput]) -> types.ForwardBackwardOutput:
    """One answer for all parts.

    A metric's name says how, behind its colon: `mean` (weighted by the number of data), `sum`,
    `min`, `max`, `slack` (maximum minus mean), `hash2` (sum modulo 2^64) or `unique` (all values,
    the further ones as `name:unique_1` and so on). Others, and those that a part lacks, are left
    out.
    """
    if len(parts) == 1:
        return parts[0]
    weights = [len(part.loss_fn_outputs) for part in parts]
    metrics: dict[str, float] = {}
    for key in parts[0].metrics if parts else ():
        values = [part.metrics[key] for part in parts if key in part.metrics]
        if len(values) == len(parts):
            metrics.update(_reduce(key, values, weights))
    outputs = [output for part in parts for output in part.loss_fn_outputs]
    return types.ForwardBackwardOutput("ArrayRecord", outputs, metrics)


def _reduce(key: str, values: list[float], weights: list[int]) -> dict[str, float]:
    mean = sum(v * w for v, w in zip(values, weights, strict=True)) / max(1, sum(weights))
    match key.rpartition(":")[2]:
        case "sum":
            return {key: sum(values)}
        case "mean":
            return {key: mean}
        case "min":
            return {key: min(values)}
        case "max":
            return {key: max(values)}
        case "slack":
            return {key: max(values) - mean}
        case "hash2":
            return {key: float(sum(int(value) for value in values) % (1 << 64))}
        case "unique":
            return {key if i == 0 else f"{key}_{i}": value for i, value in enumerate(values)}
    return {}
