"""Compares two folders of golden files: same names, same structure, values within rounding.

    python Tools/verify/compare_golden.py COMMITTED REGENERATED

Weights, adapters and inputs must be equal bit for bit; what was computed may differ by the last
bits of another machine's float64 (or by one rounding to F32).
"""

import json
import sys
from pathlib import Path

import torch
from safetensors import safe_open

SUFFIXES = {".json", ".safetensors"}
TOLERANCE = {torch.float64: 1e-11, torch.float32: 2e-7}


def files(folder):
    return sorted(p.relative_to(folder) for p in folder.rglob("*") if p.suffix in SUFFIXES)


def compare_tensors(one, two, exact):
    with safe_open(one, "pt") as a, safe_open(two, "pt") as b:
        if sorted(a.keys()) != sorted(b.keys()):
            return "other tensor names"
        for name in a.keys():
            x, y = a.get_tensor(name), b.get_tensor(name)
            if x.dtype != y.dtype or x.shape != y.shape:
                return f"{name}: other type or shape"
            if torch.equal(x, y):
                continue
            difference = (x.double() - y.double()).norm() / y.double().norm()
            if exact or not difference <= TOLERANCE.get(x.dtype, 0):
                return f"{name}: relative difference {difference:.1e}"
    return None


def compare_values(x, y, where=""):
    """JSON values; numbers may differ by one rounding to f32, as inputs are rounded."""
    if isinstance(x, dict) and isinstance(y, dict) and x.keys() == y.keys():
        found = (compare_values(x[key], y[key], f"{where}/{key}") for key in x)
        return next((f for f in found if f), None)
    if isinstance(x, list) and isinstance(y, list) and len(x) == len(y):
        found = (compare_values(a, b, f"{where}[{i}]") for i, (a, b) in enumerate(zip(x, y)))
        return next((f for f in found if f), None)
    if isinstance(x, float) and isinstance(y, float):
        limit = 2e-7 * max(abs(x), abs(y), 1e-3)
        return None if abs(x - y) <= limit else f"{where}: {x} and {y}"
    return None if x == y else f"{where}: {x} and {y}"


def main():
    committed, again = Path(sys.argv[1]), Path(sys.argv[2])
    if files(committed) != files(again):
        print("other files:", set(map(str, files(committed))) ^ set(map(str, files(again))))
        return 1
    problems = []
    for file in files(committed):
        exact = file.parts[0] in ("models", "adapters", "peft")
        if file.suffix == ".json":
            one, two = (json.loads((folder / file).read_text()) for folder in (committed, again))
            problem = compare_values(one, two)
        else:
            problem = compare_tensors(committed / file, again / file, exact)
        if problem:
            problems.append(f"{file}: {problem}")
    print(f"{len(files(committed))} files, {len(problems)} differ", *problems, sep="\n  ")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
