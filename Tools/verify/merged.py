"""Merged models: what Tinsmith writes loads in transformers and answers like base and adapter.

    python Tools/verify/merged.py --tinsmith BINARY --work FOLDER

For each golden model and a random PEFT adapter of all its linear layers: the merged folder's
weights are W + alpha / r · B·A rounded once, its other tensors the base's; transformers' log-probs
with it are those of PEFT with base and adapter within the type's rounding, and Tinsmith's with it
are transformers'.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoConfig

from adapters import FIXTURES, MINI, TOLERANCE, difference, make_peft_adapter
from adapters import peft_logprobs, tinsmith_logprobs
from against_transformers import patch

ROUNDING = {torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 5e-2}
RANK, ALPHA = 3, 7


def tensors(folder):
    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        found |= load_file(file)
    return found


def check_weights(base, adapter, merged):
    """The largest distance of a merged value from the exact one, in epsilons of its terms."""
    before, after, factors = tensors(base), tensors(merged), tensors(adapter)
    worst = 0.0
    assert not AutoConfig.from_pretrained(merged).tie_word_embeddings
    assert after.keys() == before.keys() | {"lm_head.weight"}
    for name, ours in after.items():
        key = f"base_model.model.{name.removesuffix('.weight')}"
        w = before.get(name, before["model.embed_tokens.weight"])
        assert ours.dtype == w.dtype, name
        if f"{key}.lora_A.weight" not in factors:
            assert torch.equal(ours, w), name
            continue
        a, b = (factors[f"{key}.lora_{x}.weight"].double() for x in "AB")
        exact = w.double() + (b @ a) * (ALPHA / RANK)
        size = w.double().abs() + (b.abs() @ a.abs()) * (ALPHA / RANK)
        units = (ours.double() - exact).abs() / (torch.finfo(w.dtype).eps * size)
        worst = max(worst, units.max().item())
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tinsmith", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    patch()
    options.work.mkdir(parents=True, exist_ok=True)
    bases = [FIXTURES / "models" / name for name in ("llama", "qwen3", "llama-kv1", "qwen3-mha")]
    failed = False
    for base in [*bases, MINI]:
        adapter = options.work / f"{base.name}-adapter"
        merged = options.work / f"{base.name}-merged"
        make_peft_adapter(base, adapter, "all", RANK, ALPHA)
        size = json.loads((base / "config.json").read_text())["vocab_size"]
        generator = torch.Generator().manual_seed(9)
        draw = lambda length: torch.randint(0, size, (length,), generator=generator).tolist()
        sequences, tokens = [draw(n) for n in (2, 17, 64)], options.work / "tokens.json"
        tokens.write_text(json.dumps(sequences))
        tinsmith_logprobs(options.tinsmith, base, adapter, tokens, options.work, merged=merged)
        units = check_weights(base, adapter, merged)
        theirs = peft_logprobs(merged, None, sequences)
        rounding = difference(theirs, peft_logprobs(base, adapter, sequences))
        ours = tinsmith_logprobs(options.tinsmith, merged, None, tokens, options.work)
        error = difference(ours, theirs)
        kind = tensors(base)["model.embed_tokens.weight"].dtype
        bad = units > 2 or not rounding <= ROUNDING[kind] or not error <= TOLERANCE
        failed |= bad
        figures = f"{units:.2f} epsilons, {rounding:.1e} by rounding, {error:.1e} in Tinsmith"
        print(f"{base.name:10} {kind!s:15} {figures} {'FAILED' if bad else 'ok'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
