"""Log-probs of samples against transformers: those of softmax(logits / T) at any temperature T.

    Tools/clients/served.sh PYTHON Tools/verify/tempered.py [NAME=RUNNER ...]

8,192 tokens are drawn by the Python client at each temperature, with and without top-k and top-p.
Each log-prob is that of transformers' tempered distribution over the whole vocabulary, and as many
tokens of each are drawn as it says. Log-probs of the model itself (`model_logprobs`) and all at
temperatures 1 and 0 have the bits that `forward` gives, of a trained adapter, too. The other
clients draw the same and read the same bits: each RUNNER is a client's program that executes a
scenario of Tests/Conformance. (served.sh serves the embedded model.)
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch

from adapters import MINI
from against_transformers import load, patch

sys.path.insert(0, str(MINI.parents[3] / "Tools/clients/python/src"))
import tinsmith  # noqa: E402
from tinsmith import types  # noqa: E402

BASE = "tinsmith/mini"
PROMPT = [4088, 4094, 10, 478, 3760, 2553, 3280, 3636, 1508, 2109, 1787]
SAMPLES, LENGTH, SEED = 1024, 8, 17
# Temperature, top_k, top_p.
SETTINGS = [
    *[(t, -1, 1.0) for t in (0.3, 0.5, 0.7, 1.0, 1.3, 1.6, 2.0)],
    *[(0.3, 20, 1.0), (1.0, 50, 0.9), (1.6, -1, 0.8)],
    (0.0, -1, 1.0),
]
TOLERANCE = 1e-3
# Standard deviations by which the mean log-prob of the draws may differ from what is expected.
DEVIATIONS = 5


def draw(sampler, temperature, top_k, top_p):
    params = types.SamplingParams(
        max_tokens=LENGTH, seed=SEED, temperature=temperature, top_k=top_k, top_p=top_p, stop=[]
    )
    prompt = types.ModelInput.from_ints(PROMPT)
    answer = sampler.sample(prompt, SAMPLES, params, include_model_logprobs=True).result()
    tokens = np.stack([s.tokens_np for s in answer.sequences])
    logprobs = np.stack([s.logprobs_np for s in answer.sequences])
    model = np.stack([s.model_logprobs_np for s in answer.sequences])
    assert tokens.shape == (SAMPLES, LENGTH)
    return tokens, logprobs, model


def distributions(model, tokens, temperature):
    """Log-probs of the whole vocabulary at each draw, float64 (samples, length, vocabulary)."""
    prompts = torch.tensor(PROMPT).expand(SAMPLES, -1)
    inputs = torch.cat([prompts, torch.from_numpy(tokens[:, :-1].astype(np.int64))], dim=1)
    with torch.no_grad():
        logits = torch.cat([model(part).logits[:, -LENGTH:] for part in inputs.split(64)])
    return torch.log_softmax(logits / temperature, dim=-1)


def picked(logprobs, tokens):
    index = torch.from_numpy(tokens.astype(np.int64))[..., None]
    return logprobs.gather(-1, index)[..., 0].numpy()


def deviation(logprobs, tokens):
    """Standard deviations between the log-prob of all draws and what it should be on average."""
    p = logprobs.exp()
    mean = (p * logprobs).sum(-1)
    variance = (p * (logprobs - mean[..., None]) ** 2).sum(-1)
    return float((picked(logprobs, tokens) - mean.numpy()).sum() / variance.sum().sqrt())


def forward(training, tokens):
    """What a training forward gives for each drawn token."""
    data = []
    for row in tokens.tolist():
        text = [*PROMPT, *row]
        weights = np.zeros(len(text) - 1, np.float32)
        inputs = {"target_tokens": text[1:], "weights": weights}
        data.append(types.Datum(types.ModelInput.from_ints(text[:-1]), inputs))
    outputs = training.forward(data, "cross_entropy").result().loss_fn_outputs
    return np.stack([o["logprobs"].to_numpy()[-LENGTH:] for o in outputs])


def train(training):
    """A few steps, after which the adapter answers otherwise than the base."""
    text = [*PROMPT, *range(100, 130)]
    datum = types.Datum(
        types.ModelInput.from_ints(text[:-1]),
        {"target_tokens": text[1:], "weights": np.ones(len(text) - 1, np.float32)},
    )
    for _ in range(4):
        training.forward_backward([datum], "cross_entropy")
        training.optim_step(types.AdamParams(learning_rate=2e-3)).result()


def scenario():
    """What the other clients are to draw: as `draw`, for all settings."""
    head = {"on": "a", "session": "one"}
    sampler = {
        "name": "sampler",
        "method": "Sampling.CreateSamplingSession",
        "body": {"base_model": BASE},
    }
    steps = [
        {"do": "connect", "connection": "a"},
        {
            "do": "send",
            "name": "one",
            "on": "a",
            "method": "Sessions.Create",
            "stream": "",
            "seq": 0,
        },
        {"do": "final", "name": "one", "show": [], "bind": "one"},
        {"do": "send", **head, "stream": "${one}:sample:0", "seq": 0, **sampler},
        {"do": "final", "name": "sampler", "show": ["status"]},
    ]
    for index, (temperature, top_k, top_p) in enumerate(SETTINGS):
        params = {
            "max_tokens": LENGTH,
            "seed": SEED,
            "temperature": temperature,
            "top_k": top_k,
            "top_p": top_p,
            "stop_tokens": [],
        }
        body = {
            "prompt": PROMPT,
            "num_samples": SAMPLES,
            "sampling_params": params,
            "model_logprobs": True,
        }
        request = {"name": f"t{index}", "method": "Sampling.Sample", "body": body}
        steps += [
            {"do": "send", **head, "stream": "${one}:sample:0", "seq": index + 1, **request},
            {"do": "final", "name": f"t{index}", "show": ["samples", "model_logprobs"]},
        ]
    return {"format": 1, "data": {}, "steps": steps}


def lines(index, tokens, logprobs, own):
    """What a runner prints of one setting's draws."""
    for row, (sequence, values) in enumerate(zip(tokens.tolist(), logprobs, strict=True)):
        yield f"sample t{index} {row} length {','.join(map(str, sequence))}"
        yield f"sample_logprobs t{index} {row} sha256:{digest(values)}"
    yield f"model_logprobs t{index} sha256:{digest(own)}"


def digest(values):
    return hashlib.sha256(np.ascontiguousarray(values, "<f4").tobytes()).hexdigest()


def same_bits(a, b):
    return np.array_equal(a.view(np.int32), b.view(np.int32))


def check(name, ok):
    if not ok:
        raise SystemExit(f"tempered: {name} FAILED")


def main():
    patch()
    service = tinsmith.ServiceClient(base_url=os.environ["TINSMITH_ENDPOINT"])
    model = load(MINI)
    base = service.create_lora_training_client(BASE, rank=4, seed=1)  # B is 0: the base as it is
    sampler = service.create_sampling_client(base_model=BASE)
    drawn = ["status sampler OK -"]
    for index, (temperature, top_k, top_p) in enumerate(SETTINGS):
        name = f"T {temperature}, top_k {top_k}, top_p {top_p}"
        tokens, logprobs, own = draw(sampler, temperature, top_k, top_p)
        expected = distributions(model, tokens, temperature or 1.0)
        error = np.abs(logprobs - picked(expected, tokens)).max()
        check(f"{name}: {error:.1e} from transformers", error <= TOLERANCE)
        check(f"{name}: model_logprobs against forward", same_bits(own, forward(base, tokens)))
        check(
            f"{name}: the tempered distribution is the model's at 1 and 0 alone",
            same_bits(logprobs, own) == (temperature in (0, 1)),
        )
        if temperature > 0 and top_k < 0 and top_p == 1:
            z = deviation(expected, tokens)
            check(f"{name}: {z:.1f} standard deviations", abs(z) < DEVIATIONS)
        if temperature == 0:
            check(f"{name}: the likeliest tokens", (expected.argmax(-1).numpy() == tokens).all())
        print(f"{name}: {tokens.size} draws, {error:.1e} from transformers")
        drawn += lines(index, tokens, logprobs, own)

    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "scenario.json"
        file.write_text(json.dumps(scenario()))
        for runner in sys.argv[1:]:
            client, command = runner.split("=", 1)
            words = [*command.split(), os.environ["TINSMITH_ENDPOINT"], str(file)]
            seen = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
            check(f"the draws of {client}", seen.splitlines()[:-1] == drawn)
            print(f"{client}: the same draws and bits")

    train(base)
    sampler = base.save_weights_and_get_sampling_client()
    for temperature in (1.0, 0.4):
        tokens, logprobs, own = draw(sampler, temperature, -1, 1.0)
        seen = forward(base, tokens)
        check(f"adapter, T {temperature}: model_logprobs", same_bits(own, seen))
        check("adapter, T 1: forward", same_bits(logprobs, seen) == (temperature == 1))
    print("a trained adapter: the bits of forward")
    service.close()


if __name__ == "__main__":
    main()
