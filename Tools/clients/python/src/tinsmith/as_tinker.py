"""Lets programs that were written for the tinker SDK run with this one.

After `import tinsmith.as_tinker`, `import tinker` and `from tinker import types` give this package,
in this process, whether or not the SDK is installed. As a program it runs another one that way:

    python -m tinsmith.as_tinker -m tinker_cookbook.recipes.sl_loop base_url=tcp://127.0.0.1:7410
    python -m tinsmith.as_tinker train.py
"""

from __future__ import annotations

import runpy
import sys
import types as python

import tinsmith
import tinsmith.rest_client
import tinsmith.types
import tinsmith.types.tensor_data


def install() -> None:
    """Puts this package in the place of `tinker`."""
    library = python.ModuleType("tinker.lib")
    interfaces = python.ModuleType("tinker.lib.public_interfaces")
    for name in ("APIFuture", "RestClient", "SamplingClient", "ServiceClient", "TrainingClient"):
        setattr(interfaces, name, getattr(tinsmith, name))
    sys.modules.update(
        {
            "tinker": tinsmith,
            "tinker.types": tinsmith.types,
            "tinker.types.tensor_data": tinsmith.types.tensor_data,
            "tinker.lib": library,
            "tinker.lib.public_interfaces": interfaces,
            "tinker.lib.public_interfaces.rest_client": tinsmith.rest_client,
        }
    )


install()

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1:] == ["-m"]:
        sys.exit("usage: python -m tinsmith.as_tinker (-m MODULE | FILE) [ARGUMENT...]")
    del sys.argv[0]
    if sys.argv[0] == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")
