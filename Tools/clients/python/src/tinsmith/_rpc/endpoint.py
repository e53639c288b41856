"""Addresses of services."""

from __future__ import annotations

import os
import re

from tinsmith._arguments import optional, text
from tinsmith.errors import InvalidArgumentError

DEFAULT_BASE_URL = "tcp://127.0.0.1:7410"
"""Where `tinsmith serve` listens unless told otherwise."""

_TCP = re.compile(r"tcp://(\[[0-9A-Fa-f:.%]+\]|[^\s/:\[\]]+):(\d{1,5})", re.ASCII)
_HOST_AND_PORT = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?([^\s/:]+|\[[^\]]+\]):(\d{1,5})(/.*)?")


def endpoint_of(base_url: str | None) -> str:
    """The endpoint that a client was given, else that of the environment, else the usual one."""
    given = optional(text, base_url, "base_url")
    return given or os.environ.get("TINSMITH_BASE_URL") or DEFAULT_BASE_URL


def check_endpoint(endpoint: str) -> str:
    """The endpoint, if it is one.

    Raises:
        InvalidArgumentError: it is none; the message says what may be meant.
    """
    if endpoint.startswith(("ipc://", "inproc://")) and not endpoint.endswith("://"):
        return endpoint
    found = _TCP.fullmatch(endpoint)
    if found is not None and 0 < int(found[2]) < 1 << 16:
        return endpoint
    hint = "as tcp://host:7410, or ipc:///path for a socket of this machine"
    meant = _HOST_AND_PORT.fullmatch(endpoint)
    if meant is not None and 0 < int(meant[2]) < 1 << 16:
        hint = f"and tcp://{meant[1]}:{meant[2]} may be meant"
    raise InvalidArgumentError(
        f"{endpoint!r} is no address of a service: it is reached over ZeroMQ, {hint}", "base_url"
    )
