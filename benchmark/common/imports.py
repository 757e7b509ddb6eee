"""Makes `import torchvision` and `import avalanche` work without warnings. Import this module before either of them.

If torch is a CPU build and torchvision was built for CUDA, torchvision's compiled operators do not load, and its import
fails with "operator torchvision::nms does not exist". The suite does not use these operators. Declaring the two schemas
that the import looks up is enough.

Avalanche reads ~/.avalanche/config.json when it is imported, and creates the file if it is missing. Creating it fails
if the home directory is not writable, or if two processes create it at the same time. So if the file is missing or
damaged, this module imports Avalanche with a temporary home directory. Avalanche imports matplotlib too.
"""

import benchmark.common.plotting  # noqa: F401  (before matplotlib)

import importlib
import importlib.util
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

import torch

from methods.errors import InputError

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def _operators_load() -> bool:
    """Whether torchvision's compiled operators load into this torch (loading them twice does no harm)."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True  # torchvision is not installed, and its import will say so
    folder = Path(spec.origin).parent
    binaries = [*folder.glob("_C*.so"), *folder.glob("_C*.pyd")]
    try:
        for binary in binaries:
            torch.ops.load_library(str(binary))
    except (ImportError, OSError):
        return False
    return bool(binaries)


def _stand_in() -> torch.library.Library | None:
    """Declare the schemas if the import would fail. They exist only as long as the returned object."""
    if "torchvision" in sys.modules or _operators_load():
        return None
    library = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS:
        library.define(schema)
    return library


def _has_config() -> bool:
    """Whether the home directory has a config.json that Avalanche can read."""
    try:
        text = Path(os.path.expanduser("~"), ".avalanche/config.json").read_text(encoding="utf-8")
        return isinstance(json.loads(text)["dataset_location"], str)
    except (OSError, ValueError, TypeError, KeyError):
        return False


def _import_with_temporary_home() -> None:
    """Import Avalanche with a temporary home directory. Its data sets stay below the real one."""
    location, before = os.path.expanduser("~/.avalanche/data"), os.environ.get("HOME")
    try:
        with tempfile.TemporaryDirectory(prefix="home-") as home:
            os.environ["HOME"] = home
            importlib.import_module("avalanche.benchmarks.datasets.dataset_utils").set_dataset_root(location)
    except OSError as error:
        raise InputError(f"no directory for temporary files ({error}); make room, or name one by TMPDIR") from None
    finally:
        if before is None:
            del os.environ["HOME"]
        else:
            os.environ["HOME"] = before


_LIBRARY = _stand_in()
# Avalanche imports qpsolvers for a strategy that the suite does not use, and qpsolvers warns if it has no solver.
warnings.filterwarnings("ignore", message="no QP solver found", category=UserWarning)
if "avalanche" not in sys.modules and not _has_config():
    _import_with_temporary_home()
