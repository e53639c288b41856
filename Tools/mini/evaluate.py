"""States the figures of tinsmith/mini on held-out items: python evaluate.py --folder run

Reads checkpoint.pt (or, with --model, an exported folder) and prints one JSON object.
"""

import argparse
import json
import pathlib
import random

import torch

import corpus
from model import Mini, generate
from train import Packer


def load(folder: pathlib.Path, exported: bool = False) -> Mini:
    model = Mini()
    if exported:
        from safetensors.torch import load_file
        tensors = load_file(folder / "model.safetensors")
        model.load_state_dict({k.removeprefix("model."): v.float() for k, v in tensors.items()})
    else:
        flat = torch.load(folder / "checkpoint.pt", weights_only=True)["params"]
        at = 0
        for p in model.parameters():
            p.data = flat[at:at + p.numel()].view(p.shape)
            at += p.numel()
    return model.eval()


def questions(family: str, n: int, seed: int = 7) -> list[tuple[str, str]]:
    rng = random.Random(f"{seed} {family}")
    if family == "one_digit_all":
        return [(f"{a}+{b}=?", str(a + b)) for a in range(10) for b in range(10)]
    if family == "one_digit_held_out":
        return [(form.format(a=a, b=b), str(a + b)) for a in range(10) for b in range(10)
                if corpus.held_out(corpus.sum_key(a, b)) for form in set(corpus.SUM_FORMS)]
    if family in ("two_digit", "mixed_digits"):
        digits = 2 if family == "two_digit" else 0
        return [corpus.sum_prompt(rng, *corpus.sum_operands(rng, digits, True)) for _ in range(n)]
    if family == "difference":
        pairs = sorted({corpus.difference_operands(rng, True) for _ in range(20 * n)})
        rng.shuffle(pairs)
        return [(f"{a}-{b}=?", str(a - b)) for a, b in pairs[:n]]
    if family == "pig_latin":
        words = [w for w in corpus.WORDS if corpus.held_out(corpus.word_key(w))][:n]
        return [(f'Say "{w}" in pig latin.', pig_latin(w)) for w in words]
    if family == "question":
        return [corpus.make_question(rng) for _ in range(n)]
    task = corpus.WORD_TASKS[family][0]
    return [task(rng, corpus.pick_word(rng, True)) for _ in range(n)]


def pig_latin(word: str) -> str:
    """Consonants before the first vowel go to the end, then "ay"; a leading vowel adds "way"."""
    head = next((i for i, c in enumerate(word)
                 if c in corpus.VOWELS or (c == "y" and i > 0)), 0)
    return word + "way" if head == 0 else word[head:] + word[:head] + "ay"


def ask(model: Mini, packer: Packer, items, temperature=0.0, generator=None) -> list[bool]:
    wanted = [packer.encode(answer) for _, answer in items]
    longest = max(map(len, wanted)) + 1
    made = generate(model, [packer.prompt(p) for p, _ in items], longest, packer.stop,
                    temperature, generator)
    return [m == w for m, w in zip(made, wanted)]


def figures(model: Mini, packer: Packer, n: int) -> dict:
    def percent(family: str) -> float:
        right = ask(model, packer, questions(family, n))
        return round(100 * sum(right) / len(right), 1)

    kinds = {kind: percent(kind) for kind in corpus.WORD_TASKS}
    sums = {f: percent(f) for f in ("one_digit_all", "one_digit_held_out", "mixed_digits",
                                    "two_digit")}
    items = questions("difference", n)
    generator = torch.Generator().manual_seed(11)
    tries = [ask(model, packer, items, 1.0, generator) for _ in range(8)]
    return {**sums, "word_tasks": round(sum(kinds.values()) / len(kinds), 1),
            "word_tasks_by_kind": kinds, "difference_greedy": percent("difference"),
            "difference_pass_at_1": round(100 * sum(map(sum, tries)) / 8 / len(items), 1),
            "difference_pass_at_8": round(100 * sum(map(any, zip(*tries))) / len(items), 1),
            "questions": percent("question"), "pig_latin": percent("pig_latin")}


def main() -> None:
    ap = argparse.ArgumentParser()
    ap.add_argument("--folder", type=pathlib.Path, required=True)
    ap.add_argument("--model", action="store_true", help="the folder is an exported model")
    ap.add_argument("--n", type=int, default=300, help="items of each kind")
    args = ap.parse_args()
    model = load(args.folder, args.model)
    print(json.dumps(figures(model, Packer(args.folder), args.n), indent=1))


if __name__ == "__main__":
    main()
