"""Holds the reference model of the goldens against transformers and PEFT, in float64.

    python Tools/verify/against_transformers.py [FIXTURES]

transformers computes norms, RoPE tables and softmax in float32 whatever the model's type; those
three are patched to float64 here, so that what remains must agree to about 1e-12.
"""

import json
import sys
from pathlib import Path

import torch
from peft import PeftModel
from safetensors import safe_open
from transformers import AutoModelForCausalLM
from transformers.models.llama import modeling_llama
from transformers.models.qwen3 import modeling_qwen3

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-12


def _norm(self, x):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon) * self.weight


def _rope(self, x, position_ids):
    angles = position_ids[..., None].float() * self.inv_freq[None, None, :].float()
    angles = torch.cat([angles, angles], dim=-1).double()
    return angles.cos(), angles.sin()


def patch():
    """Takes the float32 steps out of transformers' Llama and Qwen3."""
    modeling_llama.LlamaRMSNorm.forward = modeling_qwen3.Qwen3RMSNorm.forward = _norm
    modeling_llama.LlamaRotaryEmbedding.forward = _rope
    modeling_qwen3.Qwen3RotaryEmbedding.forward = _rope


def relative(ours, theirs):
    return ((ours - theirs).norm() / theirs.norm()).item()


def load(folder, adapter=None):
    """The model of `folder` in float64, with RoPE's own frequencies kept in float32."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    frequencies = model.model.rotary_emb.inv_freq.clone()
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter).eval()
    model = model.double()
    base = model if adapter is None else model.get_base_model()
    base.model.rotary_emb.inv_freq = frequencies
    return model


def compare(fixtures, name):
    """The worst relative difference over a model's sequences, for the base and each adapter."""
    forward = json.loads((fixtures / f"forward-{name}.json").read_text())
    worst = {}
    with safe_open(fixtures / f"forward-{name}.safetensors", "pt") as golden, torch.no_grad():
        for label in dict.fromkeys(entry["adapter"] for entry in forward["results"]):
            adapter = None if label is None else fixtures / "adapters" / f"{name}-{label}"
            model = load(fixtures / "models" / name, adapter)
            for entry in forward["results"]:
                if entry["adapter"] != label:
                    continue
                sequence = forward["sequences"][entry["sequence"]]
                logits = model(torch.tensor([sequence["tokens"]])).logits[0]
                targets = torch.tensor(sequence["targets"])[:, None]
                theirs = logits.log_softmax(-1).gather(1, targets)[:, 0]
                error = relative(golden.get_tensor(f"{entry['key']}/logprobs"), theirs)
                rows = golden.get_tensor(f"{entry['key']}/logits").double()
                rows_error = relative(rows, logits[entry["logits_positions"]])
                assert rows_error < 1e-7, (entry["key"], rows_error)
                worst[label] = max(worst.get(label, 0.0), error)
    return worst


def main():
    fixtures = ROOT / "Tests" / "EngineTests" / "Fixtures"
    fixtures = Path(sys.argv[1]) if len(sys.argv) > 1 else fixtures
    patch()
    failed = False
    for name in json.loads((fixtures / "index.json").read_text())["models"]:
        for label, error in compare(fixtures, name).items():
            failed |= not error < TOLERANCE
            print(f"{name:10} {label or 'base':12} {error:.1e}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
