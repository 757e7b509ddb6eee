"""A minibatch of every seed at once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """The examples that S seeds train on in one step.

    images: float32 [S, B, *shape], pixels in [0, 1].
    labels: int64 [S, B], the class inside its head, 0..C-1.
    heads: int64 [S, B], the head (output group) that scores each example; all 0 on one-head streams.
    task: the task being learned, counted from 0; None where a phase mixes tasks (multi-task training).
    steps_left: how many steps of this phase follow this one.
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
