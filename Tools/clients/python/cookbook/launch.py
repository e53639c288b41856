"""Runs a recipe of the tinker cookbook with this package in the place of the SDK.

    python launch.py ENDPOINT MODULE [ARGUMENT...]

The recipes know the models of another service and load data sets from the network. Here
`tinsmith/mini` stands in for the models, with the tokenizer that the service names, and sums for
the data. Nothing of a recipe's own code is changed.
"""

from __future__ import annotations

import random
import runpy
import sys
from typing import Any

import datasets
from tinker_cookbook import model_info, tokenizer_utils

import tinsmith.as_tinker

MODEL = "tinsmith/mini"
ROWS = 4096
HINT = " Provide a numerical answer without units, written inside \\boxed{}."
STRAWBERRY = [
    {"role": "user", "content": "How many r's are in strawberry?" + HINT},
    {
        "role": "assistant",
        "content": "Let's spell the word out and number all the letters: 1) s 2) t 3) r 4) a 5) w "
        "6) b 7) e 8) r 9) r 10) y. We have r's at positions 3, 8, and 9. \\boxed{3}",
    },
]


def sums() -> list[tuple[str, int]]:
    """Questions and answers, always the same."""
    chance = random.Random(7)
    pairs = [(chance.randrange(10), chance.randrange(10)) for _ in range(ROWS)]
    return [(f"What is {a} + {b}?", a + b) for a, b in pairs]


def rows(name: str) -> list[dict[str, Any]]:
    """Rows of the form that a data set of this name has."""
    if name == "openai/gsm8k":
        return [{"question": q, "answer": f"We add.\n#### {n}"} for q, n in sums()]
    if name == "zwhe99/DeepMath-103K":
        return [{"question": q + HINT, "final_answer": str(n)} for q, n in sums()]
    if name == "Anthropic/hh-rlhf":
        start = [(f"\n\nHuman: {q}\n\nAssistant: ", n) for q, n in sums()]
        return [{"chosen": f"{s}{n}", "rejected": f"{s}{n + 3}"} for s, n in start]
    if name in ("HuggingFaceH4/no_robots", "allenai/tulu-3-sft-mixture"):
        return [{"messages": conversation(q, n)} for q, n in sums()]
    raise ValueError(f"no stand-in for the data set {name}")


def conversation(question: str, answer: int) -> list[dict[str, str]]:
    """A sum behind the few shots of `rl_loop`."""
    asked = {"role": "user", "content": question + HINT}
    return [*STRAWBERRY, asked, {"role": "assistant", "content": f"\\boxed{{{answer}}}"}]


def load_dataset(path: str, *_: Any, split: str | None = None, **__: Any) -> Any:
    """In the place of `datasets.load_dataset`."""
    every = datasets.Dataset.from_list(rows(path))
    parts = datasets.DatasetDict(train=every.skip(256), test=every.take(256))
    return parts if split is None else parts[split]


def main(endpoint: str, module: str) -> None:
    """Runs the recipe as a program; its arguments are in `sys.argv`."""
    client = tinsmith.ServiceClient(base_url=endpoint)
    tokenizer = client.create_sampling_client(base_model=MODEL).get_tokenizer()
    client.close().result()
    tokenizer_utils.register_tokenizer(MODEL, lambda: tokenizer)

    known = model_info.get_model_attributes
    mini = model_info.ModelAttributes("tinsmith", "1", "6M", True, ("qwen3_instruct",))
    model_info.get_model_attributes = lambda name: mini if name == MODEL else known(name)
    datasets.load_dataset = load_dataset
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    endpoint, module = sys.argv[1:3]
    sys.argv[1:3] = []
    main(endpoint, module)
