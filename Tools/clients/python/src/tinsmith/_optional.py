"""Packages that only some calls need."""

from __future__ import annotations

import importlib
from typing import Any


def optional(package: str, user: str) -> Any:
    """A package that need not be installed.

    Args:
        package: its name.
        user: what needs it, for the error.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise  # It is there, and lacks something itself.
        raise ImportError(
            f"{user} needs {package}, which is not installed: pip install {package}", name=package
        ) from error
