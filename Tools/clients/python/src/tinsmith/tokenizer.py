"""Tokenizers, by the name that the service gives them."""

from __future__ import annotations

import functools
import os
import pathlib
from typing import Any

from tinsmith._optional import optional
from tinsmith.errors import NotFoundError


@functools.lru_cache(maxsize=8)
def load_tokenizer(base_model: str, tokenizer: str) -> Any:
    """The `transformers` tokenizer of a base model.

    The service names a folder or a Hugging Face id. A folder may be on the service's machine only;
    then copy it and say where it is: `TINSMITH_TOKENIZER=/folder`.

    Args:
        base_model: name of the base model.
        tokenizer: what the service names.

    Raises:
        NotFoundError: it is neither a folder here nor an id.
        ImportError: `transformers` is not installed.
    """
    transformers = optional("transformers", "get_tokenizer")
    name = os.environ.get("TINSMITH_TOKENIZER") or tokenizer or base_model
    path = pathlib.Path(name)
    if path.is_absolute() and not path.exists():
        raise NotFoundError(
            f"the tokenizer of {base_model} is in {name}, on the service's machine; copy that "
            "folder here and set TINSMITH_TOKENIZER to it"
        )
    return transformers.AutoTokenizer.from_pretrained(name)
