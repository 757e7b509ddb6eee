"""Building blocks for losses, one number per seed. See `methods.method.Loss`."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from methods.batch import Batch


def cross_entropy(outputs: Tensor, batch: Batch) -> Tensor:
    """Mean cross-entropy over the batch of each seed, [S]. outputs: [S, B, C]."""
    losses = F.cross_entropy(outputs.flatten(0, 1), batch.labels.flatten(), reduction="none")
    return losses.view_as(batch.labels).mean(1)


def own_head(outputs: Tensor, batch: Batch) -> Tensor:
    """The outputs [S, B, C] of each example's own head, from the outputs [S, B, H, C] of all heads."""
    if outputs.shape[2] == 1:
        return outputs[:, :, 0]
    columns = batch.heads[:, :, None, None].expand(-1, -1, 1, outputs.shape[3])
    return outputs.gather(2, columns).squeeze(2)
