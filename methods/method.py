"""What a method is: the few decisions that tell one row of the table from another.

The engine owns the step, theta <- theta - lr * direction, with momentum, for all seeds at once; a method says
which direction. Shape letters: S seeds, P parameters, B batch, T tasks, C classes of a head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from methods.batch import Batch
from methods.catalogue import METHOD_ROWS
from methods.settings import Settings

LOWEST_LEARNING_RATE = 5e-5
"""Floor of the decayed learning rate in the published code (stable_sgd/main.py)."""


class Gradient(Protocol):
    """A gradient of the loss of S seeds, one row a seed; possibly kept as factors, never as a matrix."""

    def dot(self, other: Gradient) -> Tensor:
        """Inner products of the two gradients, [S]."""

    def minus(self, scale: Tensor, other: Gradient) -> Gradient:
        """self - scale * other, with scale [S]: one number a seed."""

    def dense(self) -> Tensor:
        """The gradient as numbers, [S, P]."""


class Network(Protocol):
    """S networks side by side. `theta` [S, P] holds all their parameters; zeros that fill a row's last cache line are
    among the P, and in gradients too."""

    theta: Tensor

    def gradient(self, batch: Batch) -> Gradient:
        """Gradient of each seed's mean cross-entropy over its batch."""


class Randomness(Protocol):
    """One generator a seed: what a seed draws depends on that seed alone."""

    def uniform(self, *shape: int) -> Tensor:
        """Float64 in [0, 1), [S, *shape]."""


@dataclass(frozen=True)
class Problem:
    """What a method may know before it sees data: sizes, the device and the generators of its S seeds."""

    seeds: int
    tasks: int
    classes: int
    shape: tuple[int, ...]
    device: torch.device
    random: Randomness


@dataclass(frozen=True)
class Penalty:
    """A quadratic penalty sum_p strength[s, p] * (theta[s, p] - anchor[s, p])^2; both [S, P].

    The engine adds its gradient, 2 * strength * (theta - anchor), in closed form.
    """

    strength: Tensor
    anchor: Tensor


class Method:
    """One row of the table. Subclasses override what differs from plain SGD."""

    id: str
    title: str
    memoryless: bool | None
    reference: str
    Settings: type[Settings] = Settings  # one with settings of its own has a class Settings(Method.Settings)

    def __init_subclass__(cls) -> None:
        if cls.__dict__.get("id") in METHOD_ROWS:
            cls.title, cls.memoryless, cls.reference = METHOD_ROWS[cls.id]

    def __init__(self, settings: Settings, problem: Problem) -> None:
        self.settings, self.problem = settings, problem

    @classmethod
    def phases(cls, tasks: int) -> list[tuple[int, ...]]:
        """The tasks trained on together, phase after phase; each phase is shuffled as one data set."""
        return [(task,) for task in range(tasks)]

    def learning_rate(self, phase: int) -> float:
        """max(lr * decay^k, 5e-5) at the k-th phase, k = phase + 1: as published, the first is decayed too."""
        base = self.settings.learning_rate
        return max(base * self.settings.learning_rate_decay ** (phase + 1), min(base, LOWEST_LEARNING_RATE))

    def direction(self, net: Network, batch: Batch) -> Gradient | Tensor:
        """The direction of descent for each seed: a gradient, or any dense [S, P] tensor."""
        return net.gradient(batch)

    def penalty(self) -> Penalty | None:
        """The quadratic penalty of the coming phase, if any; asked once, at the phase's start."""
        return None

    def after_phase(self, net: Network, recent: Recent) -> None:
        """Called when a phase has been trained, before the evaluation."""

    def state(self) -> dict[str, Tensor]:
        """Everything that must outlive a phase, as tensors; `restore` takes it back."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""


class Recent(Protocol):
    """The examples of the phase that has just ended, in the order in which each seed met them last."""

    labels: Tensor  # int64 [S, N], class inside its head

    def take(self, positions: Tensor) -> Batch:
        """The examples at positions [S, n] of that order, as a batch [S, n, ...]."""
