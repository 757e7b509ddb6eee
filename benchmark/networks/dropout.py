"""Dropout masks."""

from __future__ import annotations

import torch
from torch import Tensor


def mask(draws: Tensor, share: float) -> Tensor:
    """The factor of each unit: 0 with probability `share` (the unit is dropped), else 1 / (1 - share).

    draws: float32, uniform in [0, 1), one number per unit.
    """
    # float32, because a product with a bool tensor takes twice as long
    return torch.ge(draws, share, out=torch.empty_like(draws)).mul_(1 / (1 - share))
