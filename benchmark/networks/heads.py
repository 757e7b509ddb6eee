"""Heads: the groups of C outputs of which one scores an example, so that other heads' outputs take no part."""

from __future__ import annotations

import torch
from torch import Tensor

from methods.batch import Batch
from methods.method import Loss


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


def shown_outputs(outputs: Tensor, batch: Batch, heads: int, every_head: bool) -> Tensor:
    """What a method sees of outputs [S, B, heads * C]: [S, B, heads, C] with every_head, else [S, B, C]."""
    return outputs.unflatten(2, (heads, -1)) if every_head else chosen_logits(outputs, batch, heads)


def summed_loss(loss: Loss, outputs: Tensor, batch: Batch, heads: int, every_head: bool) -> Tensor:
    """The sum over the seeds, [], of a method's loss of outputs [S, B, heads * C], whose derivative by a seed's outputs
    is that of the seed's own loss. Raises ValueError where the loss is none, see `methods.method.Loss`."""
    losses = loss(shown_outputs(outputs, batch, heads, every_head), batch)
    shape = list(losses.shape) if isinstance(losses, Tensor) else type(losses).__name__
    if shape != [len(outputs)]:
        raise ValueError(f"the loss gives {shape}; give a tensor [{len(outputs)}], one number a seed")
    if not losses.requires_grad:
        raise ValueError("the loss does not depend on the outputs; compute it from them without detach() or no_grad()")
    return losses.sum()


def loss_errors(loss: Loss, outputs: Tensor, batch: Batch, heads: int, every_head: bool) -> Tensor:
    """Derivative of each seed's loss by the outputs [S, B, heads * C], from autograd on that small tensor."""
    with torch.enable_grad():
        leaf = outputs.detach().requires_grad_()
        return torch.autograd.grad(summed_loss(loss, leaf, batch, heads, every_head), leaf)[0]


def _columns(outputs: Tensor, batch: Batch, heads: int) -> Tensor:
    return batch.heads[:, :, None, None].expand(-1, -1, 1, outputs.shape[2] // heads)
