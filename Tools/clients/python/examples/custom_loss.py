"""A loss of one's own: cross-entropy that stops caring about tokens that are known well enough.

The focal loss, -(1 - p)^gamma log p, is no built-in of the service. It runs here, in torch, on the
log-probs that a forward pass gives; the service gets its gradient.
"""

from __future__ import annotations

import random

import torch
from common import BASE, Chat, arguments, plot
from pig_latin import WORDS, datum, example, questions
from tqdm import tqdm

import tinsmith
from tinsmith import types


def focal_loss(
    data: list[types.Datum], logprobs: list[torch.Tensor], gamma: float = 2.0
) -> tuple[torch.Tensor, dict[str, float]]:
    """Mean focal loss over the answers, and the mean probability of their tokens."""
    weights = torch.cat([each.loss_fn_inputs["weights"].to_torch() for each in data])
    logp = torch.cat(logprobs)
    losses = -((1 - logp.exp()) ** gamma) * logp * weights
    metrics = {"probability:mean": float((logp.detach().exp() * weights).sum() / weights.sum())}
    return losses.sum() / weights.sum(), metrics


def main() -> None:
    """Trains for some steps."""
    options = arguments(__doc__, "custom_loss.png", steps=40, batch=32, learning_rate=2e-3)
    shuffled = random.Random(5)
    with tinsmith.ServiceClient(base_url=options.url) as service:
        training = service.create_lora_training_client(BASE, rank=32, seed=1)
        chat = Chat(training.get_tokenizer())
        examples = [example(chat, q, a) for q, a in questions(WORDS.read_text().split()).items()]
        losses, probabilities = [], []
        with tqdm(total=options.steps, desc="focal loss") as bar:
            for _ in range(options.steps):
                batch = [datum(*each, 1.0) for each in shuffled.sample(examples, options.batch)]
                passed = training.forward_backward_custom(batch, focal_loss)
                stepped = training.optim_step(
                    types.AdamParams(learning_rate=options.learning_rate, grad_clip_norm=1.0)
                )
                metrics = passed.result().metrics
                stepped.result()
                losses.append(metrics["loss:sum"])
                probabilities.append(metrics["probability:mean"])
                bar.set_postfix(loss=f"{losses[-1]:.3f}", probability=f"{probabilities[-1]:.2f}")
                bar.update()
    steps = list(range(1, len(losses) + 1))
    plot(
        options.plot,
        "Focal loss, computed in the client",
        "step",
        "",
        [("loss", steps, losses), ("mean probability of the answer", steps, probabilities)],
    )


if __name__ == "__main__":
    main()
