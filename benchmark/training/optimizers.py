"""The step that all methods share: gradient descent on S networks, in place."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.networks.gradients import Dense
from methods.method import Gradient, Penalty


class Step:
    """theta <- theta - lr * direction, with momentum and the gradient of a quadratic penalty, in place.

    The penalty's part of a plain step, theta - lr * 2 strength (theta - anchor), is keep * theta + pull with
    fixed keep and pull [S, P]: one pass over the parameters.
    """

    def __init__(self, theta: Tensor, rate: float, momentum: float, penalty: Penalty | None) -> None:
        self.theta, self.rate, self.momentum = theta, rate, momentum
        self.velocity = torch.zeros_like(theta) if momentum else None
        self.slope = self.keep = None
        if penalty is not None:
            self.slope = 2 * penalty.strength
            self.offset = self.slope * penalty.anchor
            if not momentum:
                self.keep, self.pull = 1 - rate * self.slope, rate * self.offset

    def __call__(self, direction: Gradient | Tensor) -> None:
        """Take one step along a gradient or a dense [S, P] direction."""
        if isinstance(direction, Tensor):
            direction = Dense(direction)
        if self.velocity is None:
            if self.keep is not None:
                torch.addcmul(self.pull, self.keep, self.theta, out=self.theta)
            direction.add_to(self.theta, -self.rate)
            return
        direction.add_to(self.velocity, 1.0, keep=self.momentum)
        if self.slope is not None:
            self.velocity.addcmul_(self.slope, self.theta).sub_(self.offset)
        self.theta.sub_(self.velocity, alpha=self.rate)
