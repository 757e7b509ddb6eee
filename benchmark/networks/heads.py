"""Heads: groups of C outputs. One head scores an example; the outputs of the other heads do not affect its loss."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.batch import Batch
from methods.method import Loss


def own_logits(outputs: Tensor, head: int, classes: int) -> Tensor:
    """The outputs [N, C] of one head, from outputs [N, heads * C]."""
    return outputs[:, head * classes : (head + 1) * classes]


def chosen_logits(outputs: Tensor, batch: Batch, heads: int) -> Tensor:
    """The outputs [S, B, C] of each example's own head, from outputs [S, B, heads * C]."""
    if heads == 1:
        return outputs
    return outputs.unflatten(2, (heads, -1)).gather(2, _columns(outputs, batch, heads)).squeeze(2)


def output_errors(outputs: Tensor, batch: Batch, heads: int) -> Tensor:
    """Derivative of the mean cross-entropy by the outputs [S, B, heads * C].

    It is (softmax - one-hot) / B on the own head of each example, and 0 on the other heads.
    """
    errors = torch.softmax(chosen_logits(outputs, batch, heads), 2)
    minus_one = errors.new_full((), -1.0).expand(*batch.labels.shape, 1)
    errors.scatter_add_(2, batch.labels[:, :, None], minus_one).mul_(1 / batch.labels.shape[1])
    if heads == 1:
        return errors
    spread = torch.zeros_like(outputs).unflatten(2, (heads, -1))
    return spread.scatter_(2, _columns(outputs, batch, heads), errors[:, :, None]).flatten(2)


def shown_outputs(outputs: Tensor, batch: Batch, heads: int, every_head: bool) -> Tensor:
    """The form of outputs [S, B, heads * C] that a method sees: [S, B, heads, C] with every_head, else [S, B, C]."""
    return outputs.unflatten(2, (heads, -1)) if every_head else chosen_logits(outputs, batch, heads)


def summed_loss(loss: Loss, outputs: Tensor, batch: Batch, heads: int, every_head: bool) -> Tensor:
    """The sum, [], of a method's losses over the seeds. Its derivative by a seed's outputs is that of the seed's loss.

    outputs: [S, B, heads * C]. Raises ValueError if the loss does not return one number per seed that depends on the
    outputs, see `methods.method.Loss`.
    """
    losses = loss(shown_outputs(outputs, batch, heads, every_head), batch)
    shape = list(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
    if shape != [len(outputs)]:
        raise ValueError(f"the loss returns {shape}; return a tensor [{len(outputs)}], one number per seed")
    if not losses.requires_grad:
        raise ValueError("the loss does not depend on the outputs; compute it from them without detach() or no_grad()")
    return losses.sum()


def loss_errors(loss: Loss, outputs: Tensor, batch: Batch, heads: int, every_head: bool) -> Tensor:
    """Derivative of each seed's loss by the outputs [S, B, heads * C]. Autograd runs on this small tensor only."""
    with torch.enable_grad():
        leaf = outputs.detach().requires_grad_()
        return torch.autograd.grad(summed_loss(loss, leaf, batch, heads, every_head), leaf)[0]


def _columns(outputs: Tensor, batch: Batch, heads: int) -> Tensor:
    return batch.heads[:, :, None, None].expand(-1, -1, 1, outputs.shape[2] // heads)
