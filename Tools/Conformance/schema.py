"""The schema, compiled for Python; as a program: checks that all of it is described.

    python3 Tools/Conformance/schema.py         exit 1 naming what has no comment
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def compile_schema(*options: str) -> None:
    """Runs protoc over all files of the schema."""
    files = sorted(str(p) for p in (ROOT / "Proto/tinsmith/v1").glob("*.proto"))
    subprocess.run(["protoc", f"--proto_path={ROOT / 'Proto'}", *options, *files], check=True)


def generate(folder: str) -> None:
    """Compiles the schema for Python into a folder and makes it importable."""
    compile_schema(f"--python_out={folder}")
    sys.path.insert(0, folder)


def undocumented(file) -> list[str]:
    """What has no comment in a FileDescriptorProto with source information."""
    described = {
        tuple(place.path) for place in file.source_code_info.location
        if place.leading_comments.strip() or place.trailing_comments.strip()}
    # The numbers are those of the lists in descriptor.proto.
    lists = [(4, file.message_type, 2, "field"), (5, file.enum_type, 2, "value"),
             (6, file.service, 2, "method")]
    names = []
    for number, items, inner, attribute in lists:
        for i, item in enumerate(items):
            if (number, i) not in described:
                names.append(item.name)
            names += [f"{item.name}.{part.name}" for j, part in enumerate(getattr(item, attribute))
                      if (number, i, inner, j) not in described]
    return [f"{file.name}: {name} has no comment" for name in names]


def main() -> None:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    with tempfile.NamedTemporaryFile() as out:
        compile_schema("--include_source_info", f"--descriptor_set_out={out.name}")
        files = FileDescriptorSet.FromString(Path(out.name).read_bytes()).file
    missing = [line for file in files for line in undocumented(file)]
    if missing:
        raise SystemExit("\n".join(missing))
    print("all of the schema is described")


if __name__ == "__main__":
    main()
