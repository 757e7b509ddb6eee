"""Checks the directions that an external method returns at each step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from methods.batch import Batch
from methods.errors import UnitError
from methods.method import Gradient, Method, Network


def wrong_direction(given: object, theta: Tensor) -> str | None:
    """Why the engine cannot use what a method returned, and what to return instead; None if it can.

    A direction is a gradient from `net.gradient`, or a tensor with the shape, dtype and device of theta [S, P].
    """
    if not isinstance(given, Tensor):
        if all(callable(getattr(given, name, None)) for name in ("dense", "add_to")):
            return None
        return f"direction() returns a {type(given).__name__}; return net.gradient(batch) or a tensor [S, P]"
    if given.layout is not torch.strided:
        return f"direction() returns a tensor of layout {given.layout}; return a dense one: value.to_dense()"
    if (given.shape, given.dtype, given.device) != (theta.shape, theta.dtype, theta.device):
        return (
            f"direction() returns {given.dtype} {list(given.shape)} on {given.device}; return {theta.dtype} "
            f"{list(theta.shape)} on {theta.device}, one row per seed, as net.gradient(batch).dense()"
        )
    return None


def guarded(method: Method, shown: str) -> Callable[[Network, Batch], Gradient | Tensor]:
    """The direction of an external method, checked at every step.

    shown: the method's file, for messages. Raises UnitError if the engine cannot use the direction, or if the method
    changed the batch in place: other methods and later epochs use the same examples.
    """
    inner = method.direction

    def direction(net: Network, batch: Batch) -> Gradient | Tensor:
        parts = {name: getattr(batch, name) for name in ("images", "labels", "heads")}
        versions = {name: value._version for name, value in parts.items()}
        given = inner(net, batch)
        wrong = wrong_direction(given, net.theta)
        for name, value in parts.items():
            if value._version != versions[name]:
                wrong = f"direction() changes batch.{name} in place; change a copy: batch.{name}.clone()"
        if wrong:
            raise UnitError(f"{shown}: {wrong}")
        return given

    return direction
