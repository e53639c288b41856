"""The command: prints one line for each value that was observed."""

import argparse
import hashlib
import json
import pathlib
import sys

from tinsmith.conformance.runner import Runner, ScenarioError


def main() -> int:
    """Runs the scenario; 1 if a step cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m tinsmith.conformance", description=__doc__)
    parser.add_argument("endpoint", help="where the service listens")
    parser.add_argument("scenario", type=pathlib.Path, help="scenario.json")
    arguments = parser.parse_args()
    digest = hashlib.sha256()

    def show(line: str) -> None:
        digest.update(f"{line}\n".encode())
        print(line, flush=True)

    scenario = json.loads(arguments.scenario.read_text())
    try:
        Runner(arguments.endpoint, scenario["data"], show).run(scenario["steps"])
    except ScenarioError as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 1
    print(f"digest sha256:{digest.hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
