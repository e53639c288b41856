"""What the examples share: the command line, chat prompts, progress bars and plots."""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import tinsmith
from tinsmith import types

BASE = "tinsmith/mini"


def arguments(description: str | None, plot: str, **numbers: float) -> argparse.Namespace:
    """The options that every example has, and numbers of its own with their defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--url", default=None, help="endpoint of the service, e.g. tcp://host:7410")
    parser.add_argument("--plot", type=pathlib.Path, default=pathlib.Path(plot), help="plot file")
    for name, value in numbers.items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=type(value), default=value, help=f"{value} if not given")
    return parser.parse_args()


class Chat:
    """Text to tokens and back, for questions with short answers."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.end: int = tokenizer.convert_tokens_to_ids("<|im_end|>")

    def prompt(self, question: str) -> list[int]:
        """A question, up to where the answer begins."""
        text = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False
        )
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def answer(self, text: str) -> list[int]:
        """An answer with its end."""
        return [*self._tokenizer.encode(text, add_special_tokens=False), self.end]

    def text(self, tokens: Sequence[int]) -> str:
        """A sampled answer without its end."""
        return str(self._tokenizer.decode([t for t in tokens if t != self.end])).strip()


def accuracy(sampler: tinsmith.SamplingClient, chat: Chat, questions: dict[str, str]) -> float:
    """Share of the questions that are answered right at temperature 0."""
    params = types.SamplingParams(max_tokens=24, temperature=0)
    futures = {
        question: sampler.sample(types.ModelInput.from_ints(chat.prompt(question)), 1, params)
        for question in questions
    }
    right = sum(
        chat.text(future.result().sequences[0].tokens) == questions[question]
        for question, future in futures.items()
    )
    return right / len(questions)


Curve = tuple[str, Sequence[float], Sequence[float]]
"""Label, x and y."""


def plot(path: pathlib.Path, title: str, x: str, y: str, curves: Sequence[Curve]) -> None:
    """Writes curves to a file whose format its name says."""
    figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
    for label, xs, ys in curves:
        axes.plot(xs, ys, label=label, marker="o" if len(xs) < 20 else None, markersize=4)
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    if len(curves) > 1:
        axes.legend()
    figure.savefig(path, dpi=120)
    print(f"wrote {path}")
