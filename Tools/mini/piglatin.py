"""Reference run of the pig latin demo: LoRA on every linear layer, measured on held-out words.

    python piglatin.py --folder run [--model]

Rank 32, alpha 32, learning rate 2e-3, 64 examples a step, linear to 0, stopping early at 90 % on
a third set of words. The word list is split by a seeded shuffle: 300 held out, 100 for the early
stop, the rest for training.
"""

import argparse
import pathlib
import random
import time

import torch
import torch.nn.functional as F
from torch import nn

import corpus
import evaluate
from train import Packer


class Lora(nn.Module):
    """weight x + (alpha / rank) B A x, with PEFT's initialisation."""

    def __init__(self, weight: torch.Tensor, rank: int, alpha: int):
        super().__init__()
        self.weight, self.scale = nn.Parameter(weight, requires_grad=False), alpha / rank
        self.a = nn.Parameter(torch.empty(rank, weight.shape[1]))
        self.b = nn.Parameter(torch.zeros(weight.shape[0], rank))
        nn.init.kaiming_uniform_(self.a, a=5 ** 0.5)

    def forward(self, x):
        return F.linear(x, self.weight) + self.scale * F.linear(F.linear(x, self.a), self.b)


def adapt(model, rank: int, alpha: int) -> list[nn.Parameter]:
    for p in model.parameters():
        p.requires_grad_(False)
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, Lora(child.weight.data, rank, alpha))
    model.head = Lora(model.embed_tokens.weight.data, rank, alpha)
    return [p for p in model.parameters() if p.requires_grad]


def rows(packer: Packer, words: list[str]):
    """One padded batch, cut in two by length: lists of (ids, keep, targets)."""
    made = []
    for word in words:
        ask = packer.prompt(f'Say "{word}" in pig latin.')
        made.append((ask, packer.encode(evaluate.pig_latin(word)) + [packer.stop]))
    made.sort(key=lambda pair: len(pair[0]) + len(pair[1]))
    for half in (made[:len(made) // 2], made[len(made) // 2:]):
        longest = max(len(a) + len(s) for a, s in half) - 1
        ids, keep, targets = [], [], []
        for i, (ask, say) in enumerate(half):
            row = ask + say[:-1]
            ids.append(row + [0] * (longest - len(row)))
            keep += [i * longest + len(ask) - 1 + j for j in range(len(say))]
            targets += say
        yield torch.tensor(ids), torch.tensor(keep), torch.tensor(targets)


def main() -> None:
    ap = argparse.ArgumentParser()
    ap.add_argument("--folder", type=pathlib.Path, required=True)
    ap.add_argument("--model", action="store_true", help="the folder is an exported model")
    ap.add_argument("--steps", type=int, default=500)
    ap.add_argument("--lr", type=float, default=2e-3)
    ap.add_argument("--batch", type=int, default=64)
    ap.add_argument("--seed", type=int, default=5)
    args = ap.parse_args()
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    model, packer = evaluate.load(args.folder, args.model), Packer(args.folder)
    words = list(corpus.WORDS)
    rng.shuffle(words)
    held_out, stop_set, train_set = words[:300], words[300:400], words[400:]

    def percent(some: list[str]) -> float:
        items = [(f'Say "{w}" in pig latin.', evaluate.pig_latin(w)) for w in some]
        return 100 * sum(evaluate.ask(model, packer, items)) / len(items)

    print(f"{len(train_set)} training words; base on held-out words: {percent(held_out):.1f} %")
    params = adapt(model, 32, 32)
    optimizer = torch.optim.AdamW(params, lr=args.lr, betas=(0.9, 0.95), weight_decay=0.0)
    start, order = time.process_time(), []
    for step in range(args.steps):
        rate = min((step + 1) / 20, (args.steps - step) / args.steps)
        optimizer.param_groups[0]["lr"] = args.lr * rate
        if len(order) < args.batch:
            order = rng.sample(train_set, len(train_set))
        batch, order = order[:args.batch], order[args.batch:]
        optimizer.zero_grad()
        total = sum(len(evaluate.pig_latin(w)) + 1 for w in batch)
        mean = 0.0
        for ids, keep, targets in rows(packer, batch):
            loss = F.cross_entropy(model(ids, keep), targets, reduction="sum") / total
            loss.backward()
            mean += loss.item()
        nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        if (step + 1) % 50 == 0:
            now = percent(stop_set)
            print(f"step {step + 1} loss {mean:.3f} stop set {now:.0f} % "
                  f"cpu {time.process_time() - start:.0f} s", flush=True)
            if now >= 90:
                break
    print(f"held-out words right: {percent(held_out):.1f} %")


if __name__ == "__main__":
    main()
