"""Gradients of S networks, as numbers or as the factors of the gradients of linear layers.

The gradient of a linear layer is inputs^T errors, a product of two thin matrices with the batch as inner dimension. The
factored form avoids computing this product. An inner product of two gradients needs only the B x B products of their
factors, a difference concatenates the batches, and a step adds the product to the weights in one call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

Views = Callable[[Tensor], list[tuple[Tensor, Tensor]]]


@dataclass(frozen=True)
class Factored:
    """Gradient of a stack of linear layers. Layer l has the factors inputs[l] [S, B, in] and errors[l] [S, B, out]."""

    inputs: list[Tensor]
    errors: list[Tensor]
    views: Views  # cuts a tensor [S, P] into each layer's weight [S, in, out] and bias [S, 1, out]
    parameters: int  # P

    def dot(self, other: Factored) -> Tensor:
        """Inner products, [S]: sum_l sum_bc (x_b.x'_c + 1)(d_b.d'_c). The 1 accounts for the bias."""
        total = 0
        for x, d, x2, d2 in zip(self.inputs, self.errors, other.inputs, other.errors, strict=True):
            products = torch.bmm(x, x2.transpose(1, 2)).add_(1) * torch.bmm(d, d2.transpose(1, 2))
            total = total + products.sum((1, 2))
        return total

    def minus(self, scale: Tensor, other: Factored) -> Factored:
        """self - scale * other, by concatenation of the factors along the batch. scale: [S]."""
        inputs = [torch.cat(pair, 1) for pair in zip(self.inputs, other.inputs, strict=True)]
        errors = [
            torch.cat((mine, theirs * -scale[:, None, None]), 1)
            for mine, theirs in zip(self.errors, other.errors, strict=True)
        ]
        return Factored(inputs, errors, self.views, self.parameters)

    def dense(self) -> Tensor:
        """The gradient as a tensor [S, P]."""
        flat = self.inputs[0].new_zeros(self.inputs[0].shape[0], self.parameters)
        self.add_to(flat, 1.0, keep=0.0)
        return flat

    def add_to(self, flat: Tensor, scale: float, keep: float = 1.0) -> None:
        """flat <- keep * flat + scale * gradient, in place; flat [S, P]."""
        for (weight, bias), x, d in zip(self.views(flat), self.inputs, self.errors, strict=True):
            weight.baddbmm_(x.transpose(1, 2), d, beta=keep, alpha=scale)
            total = d.sum(1, keepdim=True)
            if keep == 0:
                torch.mul(total, scale, out=bias)
            else:
                bias.mul_(keep).add_(total, alpha=scale) if keep != 1 else bias.add_(total, alpha=scale)


class Parts:
    """A gradient as one tensor [S, *shape] per parameter. A step adds these without copying them into one row.

    views: cuts a tensor [S, P] into the parameters.
    """

    def __init__(self, values: list[Tensor], views: Callable[[Tensor], list[Tensor]]) -> None:
        self.values, self.views = values, views

    def dot(self, other: Parts) -> Tensor:
        """Inner products, [S]."""
        return self._row.dot(other._row)

    def minus(self, scale: Tensor, other: Parts) -> Dense:
        """self - scale * other, scale [S]."""
        return self._row.minus(scale, other._row)

    def dense(self) -> Tensor:
        """The gradient as a tensor [S, P]."""
        return self._row.dense()

    def add_to(self, flat: Tensor, scale: float, keep: float = 1.0) -> None:
        """flat <- keep * flat + scale * gradient, in place; flat [S, P]."""
        if keep != 1:
            flat.mul_(keep)
        torch._foreach_add_(self.views(flat), self.values, alpha=scale)

    @cached_property
    def _row(self) -> Dense:
        seeds, count = len(self.values[0]), sum(value[0].numel() for value in self.values)
        flat = self.values[0].new_empty(seeds, count)
        torch._foreach_copy_(self.views(flat), self.values)
        return Dense(flat)


@dataclass(frozen=True)
class Dense:
    """A gradient as one tensor [S, P]."""

    values: Tensor

    def dot(self, other: Dense) -> Tensor:
        """Inner products, [S]."""
        return (self.values * other.values).sum(1)

    def minus(self, scale: Tensor, other: Dense) -> Dense:
        """self - scale * other, scale [S]."""
        return Dense(torch.addcmul(self.values, other.values, scale[:, None], value=-1))

    def dense(self) -> Tensor:
        """A copy of the values, [S, P]."""
        return self.values.clone()

    def add_to(self, flat: Tensor, scale: float, keep: float = 1.0) -> None:
        """flat <- keep * flat + scale * gradient, in place; flat [S, P]."""
        if keep != 1:
            flat.mul_(keep)
        flat.add_(self.values, alpha=scale)
