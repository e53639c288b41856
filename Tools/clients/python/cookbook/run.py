"""Runs recipes of the tinker cookbook against a service, and checks that they end and learn.

    python run.py ENDPOINT FOLDER [RECIPE...]

Each recipe runs as a program of its own (`launch.py`), for a few minutes in all; its output and
metrics are in FOLDER. Prints a line for each; the status says whether all are well.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import IO

from launch import MODEL, conversation, sums

LIMIT = 1200
"""Seconds for one recipe."""


@dataclass(frozen=True)
class Recipe:
    """One run.

    Attributes:
        module: of `tinker_cookbook.recipes`.
        arguments: its options; `{state}` and `{sampler}` are the checkpoints of `sl_loop`.
        metric: what it learns by.
        rises: whether that is to rise; it is to fall otherwise.
        steps: how many lines of metrics it is to write.
        killed_after: lines of metrics after which it is killed, to go on where it was.
    """

    module: str
    arguments: str
    metric: str
    steps: int
    rises: bool = False
    killed_after: int = 0


RECIPES = {
    "sl_loop": Recipe(
        "sl_loop",
        "batch_size=16 lora_rank=16 learning_rate=1e-3 max_steps=80",
        "train_mean_nll",
        80,
    ),
    "sl_basic": Recipe(
        "sl_basic", "max_steps=4 lora_rank=16 learning_rate=2e-3", "train_mean_nll", 4
    ),
    "chat_sl": Recipe(
        "chat_sl.train",
        "batch_size=16 lora_rank=16 learning_rate=1e-3 save_every=5 eval_every=10 "
        "max_steps=20 behavior_if_log_dir_exists=resume",
        "train_mean_nll",
        20,
        killed_after=8,
    ),
    "prompt_distillation": Recipe(
        "prompt_distillation.train",
        "file_path={data} batch_size=16 lora_rank=16 learning_rate=1e-3 max_steps=10",
        "train_mean_nll",
        10,
    ),
    "dpo": Recipe(
        "preference.dpo.train", "batch_size=16 learning_rate=2e-4 max_steps=12", "dpo_loss", 12
    ),
    "rl_loop": Recipe(
        "rl_loop",
        "batch_size=16 group_size=16 max_tokens=10 lora_rank=16 learning_rate=3e-4 max_steps=30",
        "reward/total",
        30,
        rises=True,
    ),
    "math_rl": Recipe(
        "math_rl.train",
        "env=arithmetic groups_per_batch=16 group_size=16 max_tokens=8 lora_rank=16 "
        "learning_rate=3e-4 max_steps=30 eval_every=0 save_every=10",
        "env/all/reward/total",
        30,
        rises=True,
    ),
    "math_rl_async": Recipe(
        "math_rl.train",
        "env=arithmetic groups_per_batch=16 group_size=16 max_tokens=8 lora_rank=16 "
        "learning_rate=3e-4 max_steps=60 eval_every=0 save_every=10 max_steps_off_policy=1",
        "env/all/reward/total",
        10,  # How many of its batches are too old, and left out, is up to time.
        rises=True,
    ),
    "on_policy_distillation": Recipe(
        "distillation.on_policy_distillation",
        "teacher_model=tinsmith/mini teacher_checkpoint={sampler} groups_per_batch=16 group_size=4 "
        "max_tokens=12 lora_rank=16 learning_rate=3e-4 max_steps=12 eval_every=0",
        "teacher_kl",
        12,
    ),
}


def run(name: str, recipe: Recipe, endpoint: str, folder: pathlib.Path) -> str:
    """Runs a recipe; what is wrong with how it ended, or how it learned."""
    place = folder / name
    values = {"data": str(folder / "conversations.jsonl")}
    if name in ("rl_loop", "on_policy_distillation"):
        record = json.loads((folder / "sl_loop/checkpoints.jsonl").read_text().splitlines()[-1])
        values |= {"state": record["state_path"], "sampler": record["sampler_path"]}
        if name == "rl_loop":
            # It has no option to begin with a checkpoint, but goes on from one of its own.
            place.mkdir()
            first = {"name": "start", "batch": 0, "state_path": record["state_path"]}
            (place / "checkpoints.jsonl").write_text(json.dumps(first) + "\n")
    command = [sys.executable, str(pathlib.Path(__file__).with_name("launch.py")), endpoint]
    command += [f"tinker_cookbook.recipes.{recipe.module}", f"base_url={endpoint}"]
    command += [f"model_name={MODEL}", f"log_path={place}"]
    command += recipe.arguments.format(**values).split()
    with open(folder / f"{name}.log", "a") as log:
        if recipe.killed_after:
            process = start(command, log)
            deadline = time.monotonic() + LIMIT
            while len(metrics(place)) < recipe.killed_after and time.monotonic() < deadline:
                time.sleep(0.05)
            process.kill()
            process.wait()
        process = start(command, log)
        try:
            status = process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            return f"did not end within {LIMIT} s"
    return f"ended with status {status}" if status else judge(recipe, place)


def start(command: list[str], log: IO[str]) -> subprocess.Popen[bytes]:
    """A recipe as a process."""
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)


def metrics(place: pathlib.Path) -> list[dict[str, float]]:
    """What a recipe has written of each step; the last word on those that it ran twice."""
    file = place / "metrics.jsonl"
    text = file.read_text() if file.exists() else ""
    whole = text[: text.rfind("\n") + 1].splitlines()
    return list(
        {line.get("step", n): line for n, line in enumerate(map(json.loads, whole))}.values()
    )


def judge(recipe: Recipe, place: pathlib.Path) -> str:
    """What is wrong with the metrics: the last third is compared with the first."""
    values = [line[recipe.metric] for line in metrics(place) if recipe.metric in line]
    if len(values) < recipe.steps:
        return f"{len(values)} steps instead of {recipe.steps}"
    third = max(1, len(values) // 3)
    before, after = sum(values[:third]) / third, sum(values[-third:]) / third
    change = f"{recipe.metric} {before:.3f} -> {after:.3f}"
    print(f"  {change}", flush=True)
    return "" if (after > before) == recipe.rises else f"did not learn: {change}"


def main(endpoint: str, folder: pathlib.Path, names: list[str]) -> int:
    """Runs the recipes; the number of those that failed."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "conversations.jsonl", "w") as file:
        for question, answer in sums()[:512]:
            file.write(json.dumps({"messages": conversation(question, answer)}) + "\n")
    failed = 0
    for name in names or RECIPES:
        began = time.monotonic()
        wrong = run(name, RECIPES[name], endpoint, folder)
        failed += bool(wrong)
        print(f"{'FAIL' if wrong else 'ok  '} {name} {time.monotonic() - began:.0f} s {wrong}")
    return failed


if __name__ == "__main__":
    sys.exit(min(1, main(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:])))
