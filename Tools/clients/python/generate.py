"""Writes src/tinsmith/v1 from the schema in Proto/; with --check, compares instead.

Uses `protoc` 3.21 (Debian 12's): what it writes runs with every protobuf runtime from 4.21 on.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SCHEMA = HERE.parents[2] / "Proto"
TARGET = HERE / "src" / "tinsmith" / "v1"
# worker.proto is between router and workers.
FILES = sorted(p for p in (SCHEMA / "tinsmith" / "v1").glob("*.proto") if p.stem != "worker")


def generate(folder: pathlib.Path) -> dict[str, bytes]:
    """Runs protoc into a folder and returns the files it wrote, by name."""
    subprocess.run(
        ["protoc", f"--proto_path={SCHEMA}", f"--python_out={folder}", f"--pyi_out={folder}"]
        + [str(f) for f in FILES],
        check=True,
    )
    return {p.name: p.read_bytes() for p in (folder / "tinsmith" / "v1").iterdir() if p.is_file()}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail on a difference")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        wanted = generate(pathlib.Path(folder))
    committed = {p.name: p.read_bytes() for p in TARGET.glob("*_pb2.py*")}
    if check:
        different = sorted(n for n in wanted | committed if wanted.get(n) != committed.get(n))
        if different:
            print("differs from the schema, run generate.py:", *different, file=sys.stderr)
        return 1 if different else 0
    for name in committed.keys() - wanted.keys():
        (TARGET / name).unlink()
    for name, content in wanted.items():
        (TARGET / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
