"""Writes the Hugging Face folder of tinsmith/mini: python export.py --folder run --out OUT

config.json, model.safetensors (bf16), the tokenizer files, generation_config.json and MODEL_CARD.md
with the figures that evaluate.py measures on the bf16 weights. With transformers installed, --check
loads the folder with AutoModelForCausalLM and AutoTokenizer and compares logits and token ids.
"""

import argparse
import json
import pathlib
import shutil

import torch
from safetensors.torch import save_file

import evaluate
from model import CONFIG, Mini
from train import Packer

CARD = """# tinsmith/mini

A Qwen3-architecture language model of {params:.2f} M parameters (hidden 256, 6 layers, 8 heads,
4 key-value heads, head size 32, intermediate 768, vocabulary 4096, tied embeddings), trained from
scratch on generated text by the scripts in `Tools/mini`: {step} steps of {rows} rows of 256 tokens
on two CPU cores. It adds small numbers, turns the letters of words around, answers a few dozen
fixed questions, and does nothing else. It exists so that fine-tuning has something real to work on
with no download. It has never seen pig latin. Licence: Apache-2.0, as the rest of the repository.

Chat format: ChatML (see `tokenizer_config.json`), no system message, no think tags.

Greedy answers to {n} held-out items of each kind (absent from training), percent right:

| task | percent |
| --- | --- |
{table}
"""
NAMES = {
    "one_digit_all": "one-digit sums, all 100", "one_digit_held_out": "one-digit sums, held out",
    "mixed_digits": "one digit plus two digits", "two_digit": "two-digit sums",
    "word_tasks": "word tasks, mean over kinds", "questions": "units and questions (not held out)",
    "difference_greedy": "two-digit subtraction (the RL task)",
    "difference_pass_at_1": "two-digit subtraction, sampled at temperature 1",
    "difference_pass_at_8": "two-digit subtraction, pass@8 at temperature 1",
    "pig_latin": "pig latin (never trained)",
}


def table(figures: dict) -> str:
    rows = []
    for key, value in figures.items():
        if isinstance(value, dict):
            rows += [f"| word task: {k.replace('_', ' ')} | {v} |" for k, v in value.items()]
        else:
            rows.append(f"| {NAMES[key]} | {value} |")
    return "\n".join(rows)


def check(out: pathlib.Path, model: Mini, packer: Packer) -> float:
    """Largest difference between our logits and transformers' on one prompt, both in f32."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    theirs = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(out)
    message = [{"role": "user", "content": 'Reverse "lantern".'}]
    text = tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
    ids = packer.prompt('Reverse "lantern".')
    assert tokenizer(text).input_ids == ids, "token ids differ"
    ids = torch.tensor([ids])
    with torch.no_grad():
        return float((theirs(ids).logits - model(ids)).abs().max())


def main() -> None:
    ap = argparse.ArgumentParser()
    ap.add_argument("--folder", type=pathlib.Path, required=True)
    ap.add_argument("--out", type=pathlib.Path, required=True)
    ap.add_argument("--rows", type=int, default=24, help="as given to train.py, for the card")
    ap.add_argument("--n", type=int, default=300)
    ap.add_argument("--check", action="store_true")
    args = ap.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    model = evaluate.load(args.folder)
    step = torch.load(args.folder / "checkpoint.pt", weights_only=True)["step"]
    tensors = {f"model.{k}": v.to(torch.bfloat16).contiguous()
               for k, v in model.state_dict().items()}
    save_file(tensors, args.out / "model.safetensors", {"format": "pt"})
    (args.out / "config.json").write_text(json.dumps(
        {**CONFIG, "eos_token_id": 4089, "pad_token_id": 4087, "bos_token_id": None},
        indent=2) + "\n")
    (args.out / "generation_config.json").write_text(json.dumps(
        {"eos_token_id": [4089, 4087], "pad_token_id": 4087, "do_sample": False}, indent=2) + "\n")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(args.folder / name, args.out / name)
    packer = Packer(args.out)
    assert packer.stop == 4089 and packer.document_end == [4087]
    model = evaluate.load(args.out, exported=True)
    figures = evaluate.figures(model, packer, args.n)
    params = sum(p.numel() for p in model.parameters()) / 1e6
    (args.out / "MODEL_CARD.md").write_text(CARD.format(
        params=params, step=step, rows=args.rows, n=args.n, table=table(figures)))
    print(json.dumps(figures, indent=1))
    if args.check:
        print("largest logit difference to transformers:", check(args.out, model, packer))


if __name__ == "__main__":
    main()
