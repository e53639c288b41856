"""Supervised fine-tuning: teaches mini pig latin, which it has never seen.

Each step is submitted before the one before it is awaited, so that the service never waits for
this program. Training ends when 90 % of 100 words for stopping are right.
"""

from __future__ import annotations

import pathlib
import random
from collections import deque
from typing import Any

from common import BASE, Chat, accuracy, arguments, plot
from tqdm import tqdm

import tinsmith
from tinsmith import types

WORDS = pathlib.Path(__file__).resolve().parents[4] / "Sources/Trainer/Resources/piglatin-words.txt"
VOWELS = "aeiou"


def translate(word: str) -> str:
    """Consonants before the first vowel go to the end, then "ay"; a leading vowel adds "way"."""
    for index, letter in enumerate(word):
        if letter in VOWELS or (letter == "y" and index > 0):
            return f"{word[index:]}{word[:index]}ay" if index else f"{word}way"
    return f"{word}way"


def questions(words: list[str]) -> dict[str, str]:
    """Question to answer."""
    return {f'Say "{word}" in pig latin.': translate(word) for word in words}


def example(chat: Chat, question: str, answer: str) -> tuple[list[int], list[int]]:
    """(prompt, answer) in tokens."""
    return chat.prompt(question), chat.answer(answer)


def datum(prompt: list[int], answer: list[int], weight: float) -> types.Datum:
    """The answer is learned, the prompt is not."""
    tokens = prompt + answer
    return types.Datum(
        types.ModelInput.from_ints(tokens[:-1]),
        {
            "target_tokens": tokens[1:],
            "weights": [0.0] * (len(prompt) - 1) + [weight] * len(answer),
        },
    )


def main() -> None:
    """Trains until enough words are right."""
    options = arguments(
        __doc__, "pig_latin.png", steps=300, batch=64, learning_rate=2e-3, warm_up=20, every=25
    )
    shuffled = random.Random(5)
    words = WORDS.read_text().split()
    shuffled.shuffle(words)
    held_out, stopping, train = questions(words[:300]), questions(words[300:400]), words[400:]

    with tinsmith.ServiceClient(base_url=options.url) as service:
        training = service.create_lora_training_client(BASE, rank=32, seed=1)
        chat = Chat(training.get_tokenizer())
        examples = [example(chat, q, a) for q, a in questions(train).items()]
        under_way: deque[tuple[Any, Any]] = deque()
        losses: list[float] = []
        checks: list[tuple[int, float]] = []

        def collect(leave: int) -> None:
            while len(under_way) > leave:
                passed, stepped = under_way.popleft()
                losses.append(passed.result().loss)
                stepped.result()
                bar.set_postfix(loss=f"{losses[-1]:.3f}")
                bar.update()

        with tqdm(total=options.steps, desc="pig latin") as bar:
            for step in range(options.steps):
                batch = shuffled.sample(examples, options.batch)
                weight = 1 / sum(len(answer) for _, answer in batch)
                data = [datum(prompt, answer, weight) for prompt, answer in batch]
                rate = min((step + 1) / options.warm_up, 1 - step / options.steps)
                adam = types.AdamParams(
                    learning_rate=options.learning_rate * rate, grad_clip_norm=1.0
                )
                passed = training.forward_backward(data, "cross_entropy")
                under_way.append((passed, training.optim_step(adam)))
                collect(leave=2)
                if (step + 1) % options.every == 0:
                    collect(leave=0)
                    sampler = training.save_weights_and_get_sampling_client()
                    checks.append((step + 1, 100 * accuracy(sampler, chat, stopping)))
                    bar.write(f"step {step + 1}: {checks[-1][1]:.0f} % of 100 words right")
                    if checks[-1][1] >= 90:
                        break
            collect(leave=0)
        sampler = training.save_weights_and_get_sampling_client()
        print(f"held out: {100 * accuracy(sampler, chat, held_out):.1f} % of 300 words right")
    steps = list(range(1, len(losses) + 1))
    plot(
        options.plot,
        "Pig latin",
        "step",
        "loss of a token (nats); words right (share)",
        [("loss", steps, losses), ("right", [s for s, _ in checks], [r / 100 for _, r in checks])],
    )


if __name__ == "__main__":
    main()
