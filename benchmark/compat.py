"""Make `import torchvision` and `import avalanche` work, quietly; import this module before either of them.

Where torch is a CPU build and torchvision was built for CUDA, torchvision's compiled operators do not load
and its import fails with "operator torchvision::nms does not exist". Nothing here uses those operators:
declaring the two schemas that the import looks up is enough.
"""

import importlib.util
import sys
import warnings
from pathlib import Path

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


def _operators_load() -> bool:
    """Whether torchvision's compiled operators load into this torch (loading them twice does no harm)."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return True  # no torchvision at all: its own import will say so
    folder = Path(spec.origin).parent
    binaries = [*folder.glob("_C*.so"), *folder.glob("_C*.pyd")]
    try:
        for binary in binaries:
            torch.ops.load_library(str(binary))
    except (ImportError, OSError):
        return False
    return bool(binaries)


def _stand_in() -> torch.library.Library | None:
    """Declare the schemas where the import would fail; they live only as long as the object returned."""
    if "torchvision" in sys.modules or _operators_load():
        return None
    library = torch.library.Library("torchvision", "DEF")
    for schema in _SCHEMAS:
        library.define(schema)
    return library


_LIBRARY = _stand_in()
# Avalanche imports a solver front end for a strategy that is not used here, and the front end warns.
warnings.filterwarnings("ignore", message="no QP solver found", category=UserWarning)
