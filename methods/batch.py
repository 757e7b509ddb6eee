"""A minibatch for all seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """The examples on which S seeds train in one step: B for each seed.

    images: float32 [S, B, *shape], pixels in [0, 1].
    labels: int64 [S, B], the class within its head, 0..C-1.
    heads: int64 [S, B], the head (group of outputs) that scores each example; all 0 on a one-head stream.
    task: zero-based index of the task; None if the phase mixes tasks (multi-task training).
    steps_left: the number of steps that follow this one in the phase.
    """

    images: Tensor
    labels: Tensor
    heads: Tensor
    task: int | None = None
    steps_left: int = 0

    def join(self, other: Batch) -> Batch:
        """This batch followed by `other`, [S, B + B', ...]."""
        pairs = ((self.images, other.images), (self.labels, other.labels), (self.heads, other.heads))
        images, labels, heads = (torch.cat(pair, 1) for pair in pairs)
        return replace(self, images=images, labels=labels, heads=heads)
