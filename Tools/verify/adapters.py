"""Adapters between Tinsmith and PEFT, both ways, on the tiny golden models and on tinsmith/mini.

    python Tools/verify/adapters.py --tinsmith BINARY --work FOLDER

1. From PEFT: an adapter trained or drawn there and written by `save_pretrained` gives the same
   log-probs in Tinsmith.
2. Back: the adapter that Tinsmith writes loads in PEFT and gives the same log-probs there; its
   tensors are bit for bit those that came in.
3. Both with the adapters of the golden files that PEFT made: ranks and alphas per module,
   rank-stabilised, one block only, f16 and bf16.

    python Tools/verify/adapters.py --base DIR --adapter DIR --tokens FILE --logprobs FILE

holds any adapter that Tinsmith saved, and the log-probs that it gave with it, against PEFT.
Tokens are lists of lists of ids, log-probs lists of lists with null for each first token.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from against_transformers import ROOT, load, patch

FIXTURES = ROOT / "Tests" / "EngineTests" / "Fixtures"
MINI = ROOT / "Sources" / "Trainer" / "Resources" / "mini"
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
MLP = ["gate_proj", "up_proj", "down_proj"]
TARGETS = {"attn": ATTENTION, "unembed": ["lm_head"], "all": ATTENTION + MLP + ["lm_head"]}
ADAPTERS = ((None, 0, 0), ("attn", 4, 32), ("unembed", 8, 16), ("all", 3, 7))
TOLERANCE = 1e-5


def peft_logprobs(base, adapter, sequences):
    """Log-probs of each token after the first, in float64: one list of tensors."""
    model, out = load(base, adapter), []
    with torch.no_grad():
        for tokens in sequences:
            ids = torch.tensor([tokens])
            rows = model(ids).logits[0, :-1].log_softmax(-1)
            out.append(rows.gather(1, ids[0, 1:, None])[:, 0])
    return out


def tinsmith_logprobs(tinsmith, base, adapter, tokens, work, save=None, merged=None):
    out = work / "logprobs.json"
    command = [tinsmith, "logprobs", "--base", base, "--tokens", tokens, "--out", out]
    command += ["--adapter", adapter] if adapter else []
    command += ["--save", save] if save else []
    command += ["--merged", merged] if merged else []
    subprocess.run([str(part) for part in command], check=True)
    return read_logprobs(out)


def read_logprobs(path):
    rows = json.loads(Path(path).read_text())
    assert all(row[0] is None for row in rows if row), "a first token has a log-prob"
    return [torch.tensor(row[1:], dtype=torch.float64) for row in rows]


def difference(ours, theirs):
    """‖ours − theirs‖ / ‖theirs‖ over all sequences."""
    assert [x.shape for x in ours] == [x.shape for x in theirs], "other lengths"
    ours, theirs = torch.cat(ours), torch.cat(theirs)
    return ((ours - theirs).norm() / theirs.norm()).item()


def make_peft_adapter(base, folder, targets, rank, alpha):
    """Writes a random PEFT adapter of `base` (A and B both random) the way PEFT writes one."""
    torch.manual_seed(rank)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = LoraConfig(
        task_type="CAUSAL_LM", r=rank, lora_alpha=alpha, target_modules=TARGETS[targets]
    )
    model = get_peft_model(model, config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3 * rank**0.5 / alpha)
    model.save_pretrained(folder)


def same_tensors(one, two):
    """Whether the LoRA tensors of two adapter folders are equal bit for bit."""
    a, b = (load_file(folder / "adapter_model.safetensors") for folder in (one, two))
    a, b = ({k: v for k, v in x.items() if "lora_" in k} for x in (a, b))
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def round_trip(tinsmith, work):
    bases = {name: FIXTURES / "models" / name for name in ("llama", "qwen3", "qwen3-mha")}
    if (MINI / "config.json").exists():
        bases["mini"] = MINI
    failed = False
    for name, base in bases.items():
        size = json.loads((base / "config.json").read_text())["vocab_size"]
        generator = torch.Generator().manual_seed(5)
        draw = lambda length: torch.randint(0, size, (length,), generator=generator).tolist()
        sequences, tokens = [draw(n) for n in (2, 17, 64)], work / f"{name}.tokens.json"
        tokens.parent.mkdir(parents=True, exist_ok=True)
        tokens.write_text(json.dumps(sequences))
        for targets, rank, alpha in ADAPTERS:
            label = targets or "base"
            theirs = work / f"{name}-{label}" if targets else None
            back = work / f"{name}-{label}-back" if targets else None
            if theirs:
                make_peft_adapter(base, theirs, targets, rank, alpha)
            expected = peft_logprobs(base, theirs, sequences)
            ours = tinsmith_logprobs(tinsmith, base, theirs, tokens, work, back)
            errors, note = [difference(ours, expected)], ""
            if back:
                errors.append(difference(ours, peft_logprobs(base, back, sequences)))
                note = "" if same_tensors(theirs, back) else " other tensors came back"
            bad = bool(note) or not all(error <= TOLERANCE for error in errors)
            failed |= bad
            figures = " ".join(f"{error:.1e}" for error in errors)
            print(f"{name:10} {label:8} {figures} {'FAILED' if bad else 'ok'}{note}")
    return failed


def golden_adapters(tinsmith, work):
    failed = False
    for name, case in json.loads((FIXTURES / "peft.json").read_text()).items():
        base, theirs = FIXTURES / "models" / case["model"], FIXTURES / "peft" / name
        sequences = [sequence["tokens"] for sequence in case["sequences"]]
        tokens, back = work / f"{name}.tokens.json", work / f"{name}-back"
        tokens.write_text(json.dumps(sequences))
        ours = tinsmith_logprobs(tinsmith, base, theirs, tokens, work, back)
        pair = (peft_logprobs(base, folder, sequences) for folder in (theirs, back))
        errors = [difference(ours, expected) for expected in pair]
        bad = not all(error <= TOLERANCE for error in errors)
        failed |= bad
        figures = " ".join(f"{error:.1e}" for error in errors)
        print(f"{case['model']:10} {name:10} {figures} {'FAILED' if bad else 'ok'}")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option in ("tinsmith", "work", "base", "adapter", "tokens", "logprobs"):
        parser.add_argument(f"--{option}", type=Path)
    options = parser.parse_args()
    patch()
    if options.tinsmith:
        failed = round_trip(options.tinsmith, options.work)
        return int(golden_adapters(options.tinsmith, options.work) or failed)
    sequences = json.loads(options.tokens.read_text())
    ours = read_logprobs(options.logprobs)
    error = difference(ours, peft_logprobs(options.base, options.adapter, sequences))
    print(f"relative difference {error:.1e}")
    return int(not error <= TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
