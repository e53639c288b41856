"""Reinforcement learning: two-digit subtraction, rewarded when it is right.

Each step samples 16 answers to each of 48 problems from the current weights. An answer's advantage
is its reward minus the mean of its group; groups that agree teach nothing and are dropped. Equal
answers have equal gradients, so they are one datum with the sum of their advantages. The loss is
importance_sampling against the log-probs that the answers were sampled with.
"""

from __future__ import annotations

import hashlib
import random
import time

from common import BASE, Chat, accuracy, arguments, plot
from tqdm import tqdm

import tinsmith
from tinsmith import types

PARAMS = types.SamplingParams(max_tokens=6, temperature=1.0)


def problems() -> tuple[dict[str, str], dict[str, str]]:
    """(to train on, held out): question to answer. What mini has never seen is held out."""
    train, held_out = {}, {}
    for a in range(10, 100):
        for b in range(10, a + 1):
            is_held_out = hashlib.sha256(f"sub:{a}-{b}".encode()).digest()[0] % 10 == 0
            (held_out if is_held_out else train)[f"{a}-{b}=?"] = str(a - b)
    return train, held_out


def datum(prompt: list[int], answer: types.SampledSequence, advantage: float) -> types.Datum:
    """The loss is on the answer only."""
    silent = [0.0] * (len(prompt) - 1)
    return types.Datum(
        types.ModelInput.from_ints([*prompt, *answer.tokens[:-1]]),
        {
            "target_tokens": [*prompt[1:], *answer.tokens],
            "logprobs": [*silent, *answer.logprobs],
            "advantages": [*silent, *([advantage] * len(answer.tokens))],
        },
    )


def rollouts(
    sampler: tinsmith.SamplingClient, chat: Chat, batch: list[tuple[str, str]], group: int
) -> tuple[list[types.Datum], float]:
    """Data of one step, and the mean reward."""
    prompts = [chat.prompt(question) for question, _ in batch]
    futures = [sampler.sample(types.ModelInput.from_ints(p), group, PARAMS) for p in prompts]
    data, total = [], 0.0
    for prompt, (_, right), future in zip(prompts, batch, futures, strict=True):
        answers = future.result().sequences
        rewards = [float(chat.text(answer.tokens) == right) for answer in answers]
        mean = sum(rewards) / group
        total += mean
        if 0 < mean < 1:
            distinct = {tuple(answer.tokens): answer for answer in answers}
            advantages = dict.fromkeys(distinct, 0.0)
            for answer, reward in zip(answers, rewards, strict=True):
                advantages[tuple(answer.tokens)] += reward - mean
            data += [datum(prompt, distinct[key], advantages[key]) for key in distinct]
    return data, total / len(batch)


def main() -> None:
    """Trains until the steps or the minutes are over."""
    options = arguments(
        __doc__,
        "arithmetic_rl.png",
        steps=300,
        minutes=14.0,
        problems=48,
        group=16,
        learning_rate=1e-3,
        warm_up=10,
        every=30,
        seed=1,
    )
    train, held_out = problems()
    order = random.Random(options.seed)
    with tinsmith.ServiceClient(base_url=options.url) as service:
        training = service.create_lora_training_client(BASE, rank=32, seed=options.seed)
        chat = Chat(training.get_tokenizer())
        began = time.monotonic()
        minutes, accuracies, rewards = [], [], []

        def evaluate(sampler: tinsmith.SamplingClient) -> None:
            accuracies.append(100 * accuracy(sampler, chat, held_out))
            minutes.append((time.monotonic() - began) / 60)
            bar.write(f"{minutes[-1]:5.1f} min: {accuracies[-1]:.1f} % of {len(held_out)} right")

        with tqdm(total=options.steps, desc="arithmetic RL") as bar:
            for step in range(options.steps):
                sampler = training.save_weights_and_get_sampling_client()
                if step % options.every == 0:
                    evaluate(sampler)
                done = max(step / options.steps, (time.monotonic() - began) / 60 / options.minutes)
                if done >= 1:
                    break
                batch = order.sample(list(train.items()), options.problems)
                data, reward = rollouts(sampler, chat, batch, options.group)
                rewards.append(reward)
                if data:
                    training.forward_backward(data, "importance_sampling")
                    # Adam's first steps are as long as any, in whatever direction chance took;
                    # at the end smaller ones average over more samples.
                    rate = options.learning_rate * min((step + 1) / options.warm_up, 1 - done)
                    training.optim_step(types.AdamParams(learning_rate=rate))
                bar.set_postfix(reward=f"{reward:.2f}", data=len(data))
                bar.update()
            evaluate(training.save_weights_and_get_sampling_client())
    print(f"held out: {accuracies[0]:.1f} % -> {accuracies[-1]:.1f} % in {minutes[-1]:.1f} min")
    plot(
        options.plot,
        "Two-digit subtraction, RL from Python on 2 cores",
        "minutes",
        "held-out problems right, %",
        [("greedy", minutes, accuracies)],
    )


if __name__ == "__main__":
    main()
