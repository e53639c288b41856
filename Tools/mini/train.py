"""Trains tinsmith/mini from scratch on the CPU, resumable, for a stretch of wall clock.

    python train.py --folder run --minutes 90

Loss on answers only (and on plain text); rows of 256 tokens packed without padding. Muon
(orthogonalised momentum) for the matrices of the blocks, AdamW for embeddings and norms. The
learning rate follows the share of the time budget used so far, so a loaded machine trains fewer
steps and still ends at the bottom of the schedule. The text of a step depends on the seed and
the step only. A checkpoint replaces the old one atomically every --save steps; the same command
goes on from it.
"""

import argparse
import json
import math
import os
import pathlib
import random
import time

import torch
import torch.multiprocessing as multiprocessing
import torch.nn.functional as F
from tokenizers import Tokenizer

import corpus
from model import Mini

ROW = 256
MICRO_ROWS = 2


class Packer:
    """Turns corpus items into rows of tokens and the mask of the tokens to learn."""

    def __init__(self, folder: pathlib.Path):
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.encode = lambda text: tokenizer.encode(text).ids
        self.cache: dict[str, list[int]] = {}
        self.ask = self.encode("<|im_start|>user\n")
        self.reply = self.encode("<|im_end|>\n<|im_start|>assistant\n")
        self.end = self.encode("<|im_end|>\n")
        self.stop = self.end[0]
        self.document_end = self.encode("<|endoftext|>")

    def prompt(self, text: str) -> list[int]:
        return self.ask + self.encode(text) + self.reply

    def item(self, rng: random.Random, mix: dict) -> tuple[list[int], list[int]]:
        """Token ids and, for each, 1 if it is a target."""
        prompt, answer = corpus.make_item(rng, mix)
        if prompt is None and isinstance(answer, str):
            ids = self.encode(answer) + self.document_end
            return ids, [0] + [1] * (len(ids) - 1)
        if prompt is None:
            parts = [(self.encode(text), int(learn)) for text, learn in answer]
            ids = [token for part, _ in parts for token in part] + self.document_end
            return ids, [learn for part, learn in parts for _ in part] + [0]
        ask, say = self.prompt(prompt), self.encode(answer) + self.end
        return ask + say, [0] * len(ask) + [1] * (len(say) - 1) + [0]

    def row(self, rng: random.Random, mix: dict, pool: list) -> tuple[list[int], list[int]]:
        ids: list[int] = []
        mask: list[int] = []
        while len(ids) < ROW + 1:
            while len(pool) < 24:
                pool.append(self.item(rng, mix))
            room = ROW + 1 - len(ids)
            index = 0
            if len(pool[0][0]) > room:  # the longest that still fits closes the row
                fitting = [i for i, x in enumerate(pool) if len(x[0]) <= room]
                index = max(fitting, key=lambda i: len(pool[i][0]), default=0)
            more, targets = pool.pop(index)
            ids += more
            mask += targets
        return ids[:ROW + 1], mask[:ROW + 1]

    def batch(self, seed: tuple, mix: dict):
        """One micro-batch: inputs (MICRO_ROWS, ROW), the flat positions that predict a target,
        and those targets."""
        rng = random.Random(repr(seed))
        pool: list = []
        made = [self.row(rng, mix, pool) for _ in range(MICRO_ROWS)]
        ids = torch.tensor([r[0] for r in made])
        mask = torch.tensor([r[1] for r in made])[:, 1:].reshape(-1)
        keep = mask.nonzero().flatten()
        return ids[:, :-1].contiguous(), keep, ids[:, 1:].reshape(-1)[keep]


def orthogonalise(g: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Newton-Schulz iteration of Muon on a stack of matrices (n, rows, columns).

    All factors are polynomials of one Gram matrix and commute, so a long matrix is touched only
    at the start and at the end.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = g.shape[1] > g.shape[2]
    x = g.transpose(1, 2) if tall else g
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    gram, product = x @ x.transpose(1, 2), None
    for step in range(steps):
        factor = torch.baddbmm(b * gram, gram, gram, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        product = factor if product is None else factor @ product
        if step < steps - 1:
            gram = factor @ gram @ factor
    x = product @ x
    return x.transpose(1, 2) if tall else x


class Shared:
    """All state of the run as flat tensors in shared memory, one slice per parameter."""

    def __init__(self, model: Mini, workers: int):
        size = sum(p.numel() for p in model.parameters())
        self.params, self.first, self.second = (torch.zeros(size).share_memory_()
                                                for _ in range(3))
        self.grads = torch.zeros(workers, size).share_memory_()
        # step, stop, rate, sum of losses, targets, share of the budget used
        self.scalars = torch.zeros(6, dtype=torch.float64).share_memory_()
        self.params.copy_(torch.cat([p.detach().reshape(-1) for p in model.parameters()]))

    def adopt(self, model: Mini) -> list[tuple[str, slice, torch.Size]]:
        """Makes the model's parameters views of the shared ones; their names and slices."""
        table, at = [], 0
        for name, p in model.named_parameters():
            part = slice(at, at + p.numel())
            p.data = self.params[part].view(p.shape)
            table.append((name, part, p.shape))
            at += p.numel()
        return table


class Optimizer:
    """Muon for the blocks' matrices, Adam for the rest, over one worker's share of both."""

    def __init__(self, shared: Shared, table: list, worker: int, workers: int):
        self.shared, self.groups, self.plain = shared, {}, []
        for i, (name, part, shape) in enumerate(table):
            if "_proj" in name:
                if int(name.split(".")[1]) % workers == worker:
                    self.groups.setdefault(tuple(shape), []).append(part)
            elif i % workers == worker:
                self.plain.append(part)

    @torch.no_grad()
    def step(self, number: int, lr: float, adam_lr: float, momentum=0.95, decay=0.02) -> None:
        s = self.shared
        for shape, parts in self.groups.items():
            grads = []
            for part in parts:
                grad, buffer = s.grads[:, part].sum(0), s.first[part]
                buffer.lerp_(grad, 1 - momentum)
                grads.append(grad.lerp(buffer, momentum).view(shape))
            scale = lr * max(1.0, shape[0] / shape[1]) ** 0.5
            for part, update in zip(parts, orthogonalise(torch.stack(grads))):
                s.params[part].mul_(1 - lr * decay).sub_(update.reshape(-1), alpha=scale)
        b1, b2 = 0.9, 0.95
        for part in self.plain:
            grad, m, v = s.grads[:, part].sum(0), s.first[part], s.second[part]
            m.lerp_(grad, 1 - b1)
            v.lerp_(grad * grad, 1 - b2)
            hat = v.div(1 - b2 ** number).sqrt_().add_(1e-10)
            s.params[part].addcdiv_(m, hat, value=-adam_lr / (1 - b1 ** number))


def schedule(progress: float, step: int, warmup: int) -> float:
    """Warm-up by steps, flat for 30 % of the budget, then a cosine to 2 %."""
    if step < warmup:
        return (step + 1) / warmup
    x = min(1.0, max(0.0, (progress - 0.3) / 0.7))
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * x))


def save(path: pathlib.Path, state: dict) -> None:
    aside = path.with_suffix(".tmp")
    with open(aside, "wb") as f:
        torch.save(state, f)
        f.flush()
        os.fsync(f.fileno())
    aside.rename(path)


def work(worker: int, args, shared: Shared, barrier, counter) -> None:
    """One worker, one thread: takes micro-batches from the common counter until the step is done.

    Workers meet twice a step only, so that other load on the machine delays a step little.
    """
    torch.set_num_threads(1)
    model, packer = Mini(), Packer(args.folder)
    table = shared.adopt(model)
    params = list(model.parameters())
    optimizer = Optimizer(shared, table, worker, args.workers)
    micro = args.rows // MICRO_ROWS
    while True:
        barrier.wait()
        if shared.scalars[1]:
            return
        step, rate = int(shared.scalars[0]), float(shared.scalars[2])
        mix = {**corpus.mix_at(float(shared.scalars[5])), **args.mix}
        shared.grads[worker].zero_()
        while True:
            with counter.get_lock():
                index = counter.value
                counter.value += 1
            if index >= micro:
                break
            ids, keep, targets = packer.batch((args.seed, step, index), mix)
            loss = F.cross_entropy(model(ids, keep), targets, reduction="sum")
            grads = torch.autograd.grad(loss / (args.rows * ROW / 4), params)
            for (_, part, _), grad in zip(table, grads):
                shared.grads[worker, part] += grad.reshape(-1)
            with counter.get_lock():
                shared.scalars[3] += loss.item()
                shared.scalars[4] += len(targets)
        barrier.wait()
        optimizer.step(step + 1, args.lr * rate, args.adam_lr * rate)
        barrier.wait()


def lead(args, shared: Shared, barrier, counter) -> None:
    """The clock, the log and the checkpoints; the workers wait while it writes."""
    path = args.folder / "checkpoint.pt"
    step, used = 0, 0.0
    if path.exists():
        state = torch.load(path, weights_only=True)
        for name in ("params", "first", "second"):
            getattr(shared, name).copy_(state[name])
        step, used = state["step"], state["used"]
    budget = args.minutes * 60
    if args.deadline:
        hour, minute = map(int, args.deadline.split(":"))
        budget = used + (hour * 3600 + minute * 60) - time.time() % 86400
    last, tokens, loss, targets = time.time(), 0, 0.0, 0
    clock = last

    def checkpoint() -> None:
        save(path, {"params": shared.params, "first": shared.first, "second": shared.second,
                    "step": step, "used": used})

    while used < budget:
        progress = used / budget
        rate = schedule(progress, step, 60)
        shared.scalars.copy_(torch.tensor([step, 0, rate, 0, 0, progress], dtype=torch.float64))
        counter.value = 0
        barrier.wait()
        barrier.wait()
        barrier.wait()
        step += 1
        now = time.time()
        used, last = used + now - last, now
        tokens += args.rows * ROW
        loss += float(shared.scalars[3])
        targets += int(shared.scalars[4])
        if step % 20 == 0:
            print(f"{time.strftime('%H:%M:%S', time.gmtime())} step {step} "
                  f"loss {loss / targets:.4f} rate {rate:.3f} "
                  f"used {used / 60:.1f}/{budget / 60:.1f} min "
                  f"{tokens / (now - clock):.0f} tokens/s", flush=True)
            clock, tokens, loss, targets = now, 0, 0.0, 0
        if step % args.save == 0:
            checkpoint()
    checkpoint()
    shared.scalars[1] = 1
    barrier.wait()
    print("done", flush=True)


def main() -> None:
    ap = argparse.ArgumentParser()
    ap.add_argument("--folder", type=pathlib.Path, required=True, help="tokenizer and checkpoints")
    ap.add_argument("--minutes", type=float, default=120, help="wall clock over all resumptions")
    ap.add_argument("--deadline", help="HH:MM UTC today: overrides --minutes for this run")
    ap.add_argument("--rows", type=int, default=24, help="rows of 256 tokens a step")
    ap.add_argument("--lr", type=float, default=0.02, help="Muon")
    ap.add_argument("--adam-lr", type=float, default=0.004)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--workers", type=int, default=2)
    ap.add_argument("--save", type=int, default=200)
    ap.add_argument("--mix", type=json.loads, default={}, help='e.g. \'{"difference": 2}\'')
    args = ap.parse_args()
    torch.manual_seed(args.seed)
    shared = Shared(Mini(), args.workers)
    context = multiprocessing.get_context("spawn")
    barrier, counter = context.Barrier(args.workers + 1), context.Value("i", 0)
    workers = [context.Process(target=work, args=(w, args, shared, barrier, counter), daemon=True)
               for w in range(args.workers)]
    for worker in workers:
        worker.start()
    lead(args, shared, barrier, counter)
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main()
