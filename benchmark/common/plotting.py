"""Make `import matplotlib` work whatever MPLBACKEND says; import this module before matplotlib.

Matplotlib refuses to be imported where the variable names no backend that it knows. Nothing here draws on a screen.
"""

import importlib
import os
import sys

try:
    importlib.import_module("matplotlib")
except ValueError:
    _named = os.environ.pop("MPLBACKEND", None)
    if _named is None:
        raise
    for _half_loaded in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        del sys.modules[_half_loaded]
    try:
        importlib.import_module("matplotlib")
    finally:
        os.environ["MPLBACKEND"] = _named
