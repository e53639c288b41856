"""The generated modules are those of the schema."""

import pathlib
import shutil
import subprocess
import sys

import pytest

PACKAGE = pathlib.Path(__file__).resolve().parents[1]


def test_no_drift() -> None:
    if shutil.which("protoc") is None:
        pytest.skip("there is no protoc here")
    version = subprocess.run(["protoc", "--version"], capture_output=True, text=True).stdout
    if "3.21." not in version:
        pytest.skip(f"{version.strip()}, but the modules are written by protoc 3.21")
    subprocess.run([sys.executable, PACKAGE / "generate.py", "--check"], check=True)
