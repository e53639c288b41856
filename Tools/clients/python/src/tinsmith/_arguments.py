"""Checks of what callers give: what does not fit is refused at once, by its field.

They take what means the same (numpy's and torch's numbers), and nothing that would have to be
guessed: None is no number, and 9.7 no token.
"""

from __future__ import annotations

import operator
import reprlib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from tinsmith.errors import InvalidArgumentError

T = TypeVar("T")


def refused(what: str, value: Any, field: str) -> InvalidArgumentError:
    """The error for a value that is not `what`."""
    return InvalidArgumentError(f"must be {what}, not {reprlib.repr(value)}", field)


def number(value: Any, field: str, least: float | None = None) -> float:
    """A real number; also a tensor of one, without its gradient.

    Args:
        value: what was given.
        field: its name.
        least: the smallest that is allowed.

    Raises:
        InvalidArgumentError: it is none, or too small.
    """
    try:
        if isinstance(value, (str, bytes, bytearray)):
            raise TypeError("float would read it")
        result = float(value.detach() if hasattr(value, "detach") else value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise refused("a number", value, field) from None
    if least is not None and not result >= least:
        raise refused(f"at least {least}", result, field)
    return result


def whole(value: Any, field: str, least: int | None = None, bits: int | None = None) -> int:
    """A whole number; floats are none, also where nothing is behind their point.

    Args:
        value: what was given.
        field: its name.
        least: the smallest that is allowed.
        bits: as many as it may have; it is not negative then.

    Raises:
        InvalidArgumentError: it is none, or out of range.
    """
    try:
        result = operator.index(value)
    except (TypeError, ValueError, RuntimeError):
        raise refused("a whole number", value, field) from None
    if least is not None and result < least:
        raise refused(f"at least {least}", result, field)
    if bits is not None and not 0 <= result < 1 << bits:
        raise refused(f"a number of {bits} bits", result, field)
    return result


def flag(value: Any, field: str) -> bool:
    """True or False, or 1 or 0.

    Raises:
        InvalidArgumentError: it is neither.
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    try:
        return (False, True)[whole(value, field, 0)]
    except (InvalidArgumentError, IndexError):
        raise refused("True or False", value, field) from None


def text(value: Any, field: str) -> str:
    """A text.

    Raises:
        InvalidArgumentError: it is none.
    """
    return instance(value, str, field, "a text")


def filled(value: Any, field: str) -> str:
    """A text with something in it.

    Raises:
        InvalidArgumentError: it has nothing, or is no text.
    """
    if text(value, field) == "":
        raise InvalidArgumentError("must not be empty", field)
    return str(value)


def optional(check: Callable[..., T], value: Any, *arguments: Any) -> T | None:
    """None, or what `check` makes of the value."""
    return None if value is None else check(value, *arguments)


def text_by_key(value: Any, field: str) -> dict[str, str]:
    """A copy of texts by name; None is none.

    Raises:
        InvalidArgumentError: it is something else.
    """
    if value is None:
        return {}
    pairs = mapping(value, field)
    return {text(key, field): text(item, f"{field}[{key}]") for key, item in pairs.items()}


def texts(value: Any, field: str) -> list[str]:
    """A copy of a list of texts.

    Raises:
        InvalidArgumentError: it is something else, e.g. one text, which is a list of letters.
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise refused("a list of texts", value, field)
    return [text(item, f"{field}[{index}]") for index, item in enumerate(value)]


def mapping(value: Any, field: str) -> Mapping[Any, Any]:
    """Values by name.

    Raises:
        InvalidArgumentError: it is something else.
    """
    if not isinstance(value, Mapping):
        raise refused("a dictionary", value, field)
    return value


def instance(value: Any, kind: type[T], field: str, what: str | None = None) -> T:
    """A value of a class.

    Raises:
        InvalidArgumentError: it is of another.
    """
    if not isinstance(value, kind):
        raise refused(what or f"of type {kind.__name__}", value, field)
    return value


def choice(value: str, choices: Collection[str], field: str) -> str:
    """One of some texts.

    Raises:
        InvalidArgumentError: it is none of them.
    """
    if not isinstance(value, str) or value not in choices:
        raise refused(f"one of {', '.join(map(repr, choices))}", value, field)
    return value


def only(expected: T, value: Any, field: str, reason: str) -> T:
    """The one value that a parameter of the tinker SDK can have here.

    Raises:
        InvalidArgumentError: another one was given, and why it means nothing.
    """
    if not isinstance(value, type(expected)) or value != expected:
        raise InvalidArgumentError(
            f"must be {expected!r}, not {reprlib.repr(value)}: {reason}", field
        )
    return expected


def no_access_token(value: Any) -> None:
    """Checks the `weights_access_token` of the tinker SDK.

    Raises:
        InvalidArgumentError: there is one.
    """
    only(
        None,
        value,
        "weights_access_token",
        "here a checkpoint is read by its owner, and by all once it is published",
    )
