"""Model folders with edited configs, indices and tensors: read as transformers reads them, or refused
by name.

    python Tools/verify/folders.py --tinsmith BINARY --work FOLDER [--only PART]

Tiny Llama and Qwen3 folders are changed in one way each, some 700 in all. With every one Tinsmith's
log-probs are transformers' within 1e-3, or it says no and names the key, tensor or file. What
transformers does not load Tinsmith does not serve, but for LENIENT, where the reason stands.
"""

import argparse
import concurrent.futures
import contextlib
import io
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen3Config
from transformers.utils import logging

TOLERANCE = 1e-3
TOKENS = [5, 40, 72, 101, 8, 100, 17, 99, 3, 50, 64, 8, 9, 110, 33, 2] * 3
ABSENT = object()

# What transformers 5.24 does not load, and Tinsmith serves.
LENIENT = {
    "index without metadata": "nothing in them is needed to find a tensor",
    "initializer_range 1.5": "it says how a training began",
}
# What transformers takes another way, and why it is not followed.
OTHERWISE = {
    "stale copy in a shard that sorts last": "transformers takes the last file's tensor, whatever "
    "the index says; right is what the folder gives without the copy",
}


def make(family, **changes):
    """A random model of about 100,000 weights."""
    torch.manual_seed(7)
    settings = dict(
        vocab_size=128, hidden_size=64, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16, max_position_embeddings=256,
        bos_token_id=None, eos_token_id=2, pad_token_id=None,
    ) | changes
    config = (LlamaConfig if family == "llama" else Qwen3Config)(**settings)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0 if parameter.dim() > 1 else 1, 0.25 if parameter.dim() > 1 else 0.1)
    model.tie_weights()
    return model.eval()


def read(path):
    return json.loads(path.read_text())


def write(path, value):
    path.write_text(json.dumps(value))


def setter(**changes):
    """Changes keys of config.json."""

    def change(folder):
        config = read(folder / "config.json")
        for key, value in changes.items():
            config.pop(key, None) if value is ABSENT else config.__setitem__(key, value)
        write(folder / "config.json", config)

    return change


def tensors(edit):
    """Changes the tensors of model.safetensors."""

    def change(folder):
        found = load_file(folder / "model.safetensors")
        edit(found)
        save_file(found, folder / "model.safetensors", metadata={"format": "pt"})

    return change


def header(edit):
    """Changes the header of model.safetensors."""

    def change(folder):
        data = (folder / "model.safetensors").read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        table = json.loads(data[8 : 8 + length])
        edit(table)
        text = json.dumps(table).encode()
        (folder / "model.safetensors").write_bytes(
            struct.pack("<Q", len(text)) + text + data[8 + length :]
        )

    return change


def shards(edit=None, names=("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")):
    """Cuts model.safetensors into two files with an index; `edit` gets index and shards."""

    def change(folder):
        found = load_file(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        keys = sorted(found)
        half = len(keys) // 2
        parts = [{k: found[k] for k in keys[:half]}, {k: found[k] for k in keys[half:]}]
        index = {
            "metadata": {"total_size": sum(t.nbytes for t in found.values())},
            "weight_map": {k: name for name, part in zip(names, parts) for k in part},
        }
        if edit:
            edit(index, parts)
        for name, part in zip(names, parts):
            (folder / name).parent.mkdir(exist_ok=True)
            save_file(part, folder / name, metadata={"format": "pt"})
        write(folder / "model.safetensors.index.json", index)

    return change


def configs(family):
    """Each key absent, null, of another type, and with values of its own."""
    odd = (ABSENT, None, "x", 1.5, True, [], {})
    more = {
        "vocab_size": (64, -1), "hidden_size": (32, 0), "intermediate_size": (48,),
        "num_hidden_layers": (1, 3, 0), "num_attention_heads": (2, 8, 3),
        "num_key_value_heads": (1, 4, 3), "head_dim": (8, 15, 32),
        "max_position_embeddings": (64, 100_000), "rms_norm_eps": (1e-3, 1, 0.0),
        "hidden_act": ("swish", "gelu", "relu"), "tie_word_embeddings": (False,),
        "attention_bias": (False,), "mlp_bias": (False,), "use_sliding_window": (False,),
        "sliding_window": (4,), "max_window_layers": (0, 1), "layer_types": (
            ["full_attention"] * 2, ["full_attention", "sliding_attention"], ["full_attention"],
            ["attention", "full_attention"],
        ),
        "quantization_config": ({"quant_method": "fp8"},), "eos_token_id": (7, [7, 8]),
        "attention_dropout": (0.5,), "initializer_range": (0.5,), "use_cache": (False,),
        "pretraining_tp": (2,), "model_type": ("mistral", "gpt2"), "architectures": (["Other"],),
        "dtype": ("bfloat16", "int4"), "torch_dtype": ("bfloat16",),
    }
    for key, values in more.items():
        for value in odd + values:
            shown = "absent" if value is ABSENT else json.dumps(value)
            yield f"{key} {shown}", setter(**{key: value})
    linear = {"rope_type": "linear", "factor": 2.0}
    llama3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=0.5, high_freq_factor=1.5)
    yarn = {"rope_type": "yarn", "factor": 4.0}
    ropes = [
        {}, linear, {"type": "linear", "factor": 2}, linear | {"rope_theta": 50.0},
        linear | {"factor": None}, linear | {"factor": "2"}, {"rope_type": "linear"},
        linear | {"foo": 1}, {"factor": 2.0}, {"rope_type": "default", "factor": 2.0},
        {"rope_type": None}, {"rope_type": "mrope"}, {"rope_type": "su"}, {"rope_type": "dynamic", "factor": 2.0},
        llama3, llama3 | {"original_max_position_embeddings": 16},
        llama3 | {"original_max_position_embeddings": 16.0}, llama3 | {"low_freq_factor": None},
        llama3 | {"high_freq_factor": 0.5}, llama3 | {"factor": 0.5},
        yarn, yarn | {"original_max_position_embeddings": 64}, yarn | {"factor": None},
        yarn | {"original_max_position_embeddings": 16, "beta_fast": 3.5, "beta_slow": 1},
        yarn | {"original_max_position_embeddings": 16, "beta_fast": 3.5, "truncate": False},
        yarn | {"original_max_position_embeddings": 16, "attention_factor": 0.7},
        yarn | {"original_max_position_embeddings": 16, "mscale": 1.0, "mscale_all_dim": 0.5},
        yarn | {"original_max_position_embeddings": 16, "mscale": 0.7},
        yarn | {"beta_fast": None, "beta_slow": 0}, yarn | {"truncate": "x"}, {"rope_type": "yarn"},
        yarn | {"partial_rotary_factor": 0.5}, linear | {"partial_rotary_factor": 0.5},
        {"rope_type": "default", "partial_rotary_factor": 0.5},
        {"rope_type": "longrope", "factor": 2.0, "short_factor": [1.0] * 8, "long_factor": [2.0] * 8},
        {"full_attention": linear}, {"rope_type": "linear", "type": "yarn", "factor": 2.0},
    ]
    for rope in ropes:
        yield f"rope_scaling {json.dumps(rope)}", setter(
            rope_parameters=ABSENT, rope_theta=100.0, rope_scaling=rope
        )
        yield f"rope_parameters {json.dumps(rope)}", setter(
            rope_theta=ABSENT, rope_parameters=rope | {"rope_theta": 100.0}
        )
    yield "both spellings", setter(rope_scaling=linear, rope_parameters=yarn, rope_theta=10.0)
    yield "empty rope_scaling", setter(rope_scaling={}, rope_parameters=linear)
    for value in (None, "x", 5, 5.5, True, 0, -1.0):
        yield f"rope_theta {value!r}", setter(rope_parameters=ABSENT, rope_theta=value)
    yield "original length outside", setter(
        rope_parameters=llama3 | {"rope_theta": 100.0}, original_max_position_embeddings=16
    )
    yield "partial rotation outside", setter(partial_rotary_factor=0.5)
    yield "window of a layer", setter(use_sliding_window=True, sliding_window=4, max_window_layers=1)
    yield "window of no layer", setter(use_sliding_window=True, sliding_window=4, max_window_layers=2)
    yield "big integer", setter(model_max_length=10**30, other=float("nan"))
    yield "other file of weights", setter(transformers_weights="x.safetensors")
    yield "config of a layer", setter(per_layer_config={"0": {"rms_norm_eps": 1e-3}})


def weights(family):
    """What stands in the files beside, instead of and under other names than the tensors."""
    layer = "model.layers.0.self_attn.q_proj"
    yield "unused tensor", tensors(lambda t: t.update(extra=torch.ones(3)))
    yield "unused bias", tensors(lambda t: t.update({f"{layer}.bias": torch.ones(64)}))
    yield "unused integers", tensors(lambda t: t.update(extra=torch.ones(3, dtype=torch.int16)))
    yield "unused float8", tensors(
        lambda t: t.update(extra=torch.ones(3).to(torch.float8_e4m3fn))
    )
    yield "missing tensor", tensors(lambda t: t.pop(f"{layer}.weight"))
    yield "transposed tensor", tensors(
        lambda t: t.update({"model.layers.0.mlp.up_proj.weight": torch.ones(64, 96)})
    )
    for kind in (torch.bfloat16, torch.float16, torch.float64, torch.float8_e4m3fn):
        yield f"weights of {kind}", tensors(
            lambda t, kind=kind: t.update({k: v.to(kind) for k, v in t.items()})
        )
    yield "two types", tensors(
        lambda t: t.update({f"{layer}.weight": t[f"{layer}.weight"].bfloat16()})
    )
    yield "no prefix", tensors(
        lambda t: [t.update({k.removeprefix("model."): t.pop(k)}) for k in list(t)]
    )
    yield "prefix of the head", tensors(
        lambda t: t.update({"model.lm_head.weight": t.pop("lm_head.weight")})
    )
    yield "other prefix", tensors(
        lambda t: [t.update({"transformer." + k: t.pop(k)}) for k in list(t)]
    )
    yield "no head", tensors(lambda t: t.pop("lm_head.weight"))
    yield "no embedding", tensors(lambda t: t.pop("model.embed_tokens.weight"))

    def both(*changes):
        return lambda folder: [change(folder) for change in changes]

    tie = setter(tie_word_embeddings=True)
    yield "tied, another head", tie
    yield "tied, no head", both(tie, tensors(lambda t: t.pop("lm_head.weight")))
    yield "tied, the same head", both(
        tie, tensors(lambda t: t.update({"lm_head.weight": t["model.embed_tokens.weight"].clone()}))
    )
    yield "tied, no embedding", both(tie, tensors(lambda t: t.pop("model.embed_tokens.weight")))
    yield "tied, neither", both(
        tie,
        tensors(lambda t: [t.pop(k) for k in ("lm_head.weight", "model.embed_tokens.weight")]),
    )
    yield "metadata null", header(lambda h: h.update(__metadata__=None))
    yield "no metadata", header(lambda h: h.pop("__metadata__"))
    yield "metadata of numbers", header(lambda h: h.update(__metadata__={"a": 1}))
    yield "unknown type", header(lambda h: h[f"{layer}.weight"].update(dtype="X9"))
    yield "offsets beyond", header(
        lambda h: h[f"{layer}.weight"].update(data_offsets=[0, 1 << 40])
    )
    yield "two shards", shards()
    yield "shards in folders", shards(names=("a/x.safetensors", "b/x.safetensors"))

    def stale(index, parts, to=1):
        key = sorted(parts[1 - to])[0]
        parts[to][key] = torch.full_like(parts[1 - to][key], 3)

    yield "stale copy in a shard that sorts first", shards(lambda i, p: stale(i, p, to=0))
    yield "stale copy in a shard that sorts last", shards(stale)
    yield "unnamed tensor in a shard", shards(lambda i, p: p[0].update(extra=torch.ones(3)))
    yield "named tensor nowhere", shards(
        lambda i, p: p[0].pop(sorted(p[0])[0])
    )
    yield "index without a tensor", shards(
        lambda i, p: [d.pop(f"{layer}.weight", None) for d in (i["weight_map"], *p)]
    )
    yield "index names no file", shards(
        lambda i, p: i["weight_map"].update({f"{layer}.weight": "none.safetensors"})
    )
    yield "index without metadata", shards(lambda i, p: i.pop("metadata"))
    yield "index without weight_map", shards(lambda i, p: i.pop("weight_map"))
    yield "index with null", shards(
        lambda i, p: i["weight_map"].update({f"{layer}.weight": None})
    )

    def beside(folder):
        whole = (folder / "model.safetensors").read_bytes()
        shards(lambda i, p: [v.zero_() for v in p[0].values()])(folder)
        (folder / "model.safetensors").write_bytes(whole)

    yield "one file beside an index", beside
    yield "no weights", lambda folder: (folder / "model.safetensors").unlink()
    yield "empty file", lambda folder: (folder / "model.safetensors").write_bytes(b"")


def theirs(folder):
    """transformers' log-probs, or None where it does not make the model of the files."""
    quiet = io.StringIO()
    try:
        with contextlib.redirect_stderr(quiet), contextlib.redirect_stdout(quiet):
            model, info = AutoModelForCausalLM.from_pretrained(
                folder, dtype=torch.float32, attn_implementation="eager",
                local_files_only=True, output_loading_info=True,
            )
            # What is missing it draws at random.
            if info["missing_keys"] or info["mismatched_keys"]:
                return None
            with torch.no_grad():
                rows = model.eval()(torch.tensor([TOKENS])).logits[0].double().log_softmax(-1)
    except Exception:
        return None
    return rows[:-1].gather(1, torch.tensor(TOKENS[1:])[:, None])[:, 0]


def ours(tinsmith, folder, work):
    """Tinsmith's log-probs, or the words of its refusal."""
    out = work / f"{folder.name}.out"
    command = [tinsmith, "logprobs", "--base", folder, "--tokens", work / "tokens.json", "--out", out]
    done = subprocess.run(
        [str(part) for part in [*command, "--threads", 1]], capture_output=True, text=True
    )
    if done.returncode < 0 or done.returncode > 128:
        return None, f"it was killed by signal {done.returncode}: {done.stderr[-200:]}"
    if done.returncode:
        return None, done.stderr.strip()
    return torch.tensor(read(out)[0][1:], dtype=torch.float64), ""


def names_the_cause(words):
    """Whether a refusal names a key, a tensor or a file."""
    return any(mark in words for mark in ("config.", ".weight", ".safetensors", "index.json"))


def judge(name, expected, found, words):
    """What is wrong with a case, or None."""
    if found is None:
        return None if names_the_cause(words) else f"refused without a name: {words[:200]}"
    if expected is None:
        return None if name in LENIENT else "served, though transformers does not load it"
    error = (found - expected).abs().max().item()
    return None if error <= TOLERANCE else f"log-probs differ by {error:.1e}"


def begin(description):
    """The options of a sweep, with its folder made and libraries quiet and on one thread."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--tinsmith", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    options.work.mkdir(parents=True, exist_ok=True)
    return options


def changed(options, start, parts):
    """Copies of a folder of each family, each changed in one way: its family, the change, it.

    `start` makes the folder of a family; `parts` yield names and changes for one.
    """
    cases = []
    for family in ("llama", "qwen3"):
        base = options.work / family
        start(family, base)
        for part in parts:
            for name, change in part(family):
                if options.only not in f"{family} {name}":
                    continue
                folder = options.work / f"case{len(cases)}"
                shutil.copytree(base, folder)
                change(folder)
                cases.append((family, name, folder))
    return cases


def main():
    options = begin(__doc__.splitlines()[0])
    write(options.work / "tokens.json", [TOKENS])
    cases = changed(
        options, lambda family, folder: make(family).save_pretrained(folder), (configs, weights)
    )
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = pool.map(lambda case: ours(options.tinsmith, case[2], options.work), cases)
        counts = {"equal": 0, "refused": 0, "refused by both": 0, "failed": 0}
        for (family, name, folder), (found, words) in zip(cases, answers):
            expected = theirs(options.work / family if name in OTHERWISE else folder)
            bad = judge(name, expected, found, words)
            outcome = (
                "failed" if bad
                else "equal" if found is not None
                else "refused" if expected is not None
                else "refused by both"
            )
            counts[outcome] += 1
            if bad or outcome == "refused":
                print(f"{family} {name}: {'FAILED: ' + bad if bad else words[:160]}")
            shutil.rmtree(folder)
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return int(counts["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
