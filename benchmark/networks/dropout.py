"""Dropout: what the units of a layer are multiplied by."""

from __future__ import annotations

import torch
from torch import Tensor


def mask(draws: Tensor, share: float) -> Tensor:
    """0 for each unit that is dropped, a `share` of them, else 1 / (1 - share), which makes up for those.

    draws: float32, uniform in [0, 1), one for each unit.
    """
    # numbers, not bools: a product with a bool takes twice as long
    return torch.ge(draws, share, out=torch.empty_like(draws)).mul_(1 / (1 - share))
