"""Heads: the groups of C outputs of which one scores an example, so that other heads' outputs take no part."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.batch import Batch


def own_logits(outputs: Tensor, head: int, classes: int) -> Tensor:
    """The outputs [N, C] of one head, out of outputs [N, heads * C]."""
    return outputs[:, head * classes : (head + 1) * classes]


def chosen_logits(outputs: Tensor, batch: Batch, heads: int) -> Tensor:
    """Each example's own head: outputs [S, B, heads * C] -> [S, B, C]."""
    if heads == 1:
        return outputs
    return outputs.unflatten(2, (heads, -1)).gather(2, _columns(outputs, batch, heads)).squeeze(2)


def output_errors(outputs: Tensor, batch: Batch, heads: int) -> Tensor:
    """Derivative of the mean cross-entropy by the outputs [S, B, heads * C]: (softmax - one-hot) / B, 0 elsewhere."""
    errors = torch.softmax(chosen_logits(outputs, batch, heads), 2)
    minus_one = errors.new_full((), -1.0).expand(*batch.labels.shape, 1)
    errors.scatter_add_(2, batch.labels[:, :, None], minus_one).mul_(1 / batch.labels.shape[1])
    if heads == 1:
        return errors
    spread = torch.zeros_like(outputs).unflatten(2, (heads, -1))
    return spread.scatter_(2, _columns(outputs, batch, heads), errors[:, :, None]).flatten(2)


def _columns(outputs: Tensor, batch: Batch, heads: int) -> Tensor:
    return batch.heads[:, :, None, None].expand(-1, -1, 1, outputs.shape[2] // heads)
