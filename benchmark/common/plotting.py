"""Makes `import matplotlib` work for every value of MPLBACKEND. Import this module before matplotlib.

Matplotlib cannot be imported if the variable names an unknown backend. The suite never draws on a screen.
"""

import importlib
import os
import sys


def _import_without_backend() -> None:
    named = os.environ.pop("MPLBACKEND", None)
    for half_loaded in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        del sys.modules[half_loaded]
    try:
        importlib.import_module("matplotlib")
    finally:
        if named is not None:
            os.environ["MPLBACKEND"] = named


if os.environ.get("MPLBACKEND"):  # else matplotlib is imported by whoever needs it
    try:
        importlib.import_module("matplotlib")
    except ValueError:
        _import_without_backend()
