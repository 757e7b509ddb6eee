"""What a method is: the few decisions that tell one row of the table from another.

The engine owns the step, theta <- theta - lr * direction, with momentum or by another optimizer, for all seeds at
once; a method says which direction. Shape letters: S seeds, P parameters, B batch, T tasks, C classes of a head.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from methods.batch import Batch
from methods.catalogue import StreamSettings
from methods.clock import Clock
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


Loss = Callable[[Tensor, Batch], Tensor]
"""loss(outputs, batch) -> [S]: one number a seed, any function of the outputs that autograd can differentiate.

outputs: float32 [S, B, C], or [S, B, H, C] with every_head. A seed's number depends on that seed's outputs alone.
"""


class Network(Protocol):
    """S networks side by side. `theta` [S, P] holds all their parameters; zeros that fill a row's last cache line are
    among the P, and in gradients too. H: the heads, 1 on a one-head stream."""

    theta: Tensor

    def gradient(self, batch: Batch, loss: Loss | None = None, every_head: bool = False) -> Gradient:
        """Gradient of each seed's loss over its batch, in training mode; without a loss, of its mean cross-entropy.

        Each call draws new dropout masks and updates the running statistics of batch norm. It calls the loss once,
        with the outputs [S, B, C] of each example's own head, or with every_head with those of all heads,
        [S, B, H, C]. Raises ValueError if the loss does not return [S] numbers that depend on the outputs.
        On a GPU, passes with a loss are not captured as a CUDA graph: a loss may do something else at each call.
        """

    def outputs(self, batch: Batch, snapshot: Snapshot | None = None, every_head: bool = False) -> Tensor:
        """Outputs [S, B, C] of each example's own head, or [S, B, H, C] of all heads; no gradient flows into them.

        Without a snapshot: of the network as it is, in training mode. The call draws new dropout masks. Batch norm uses
        the batch's mean and variance, and its running statistics stay as they are.
        With a snapshot: of the network as it was, in evaluation mode. There is no dropout, batch norm uses the
        running statistics of the snapshot, and nothing is drawn.
        """

    def snapshot(self) -> Snapshot:
        """A copy of the parameters and of the running statistics of batch norm, for `outputs`."""


Snapshot = dict[str, Tensor]
"""A network at one moment, as tensors by name, which a method's `state` can give and `restore` take back."""


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
    """One row of the table. Subclasses override what differs from plain SGD.

    `id` names its rows and the folder of its records. A built-in method also gives `title`, `memoryless` and
    `reference`, all as literals; an external one may. `memoryless`: whether it keeps no example of past tasks, None
    where the question does not apply.
    """

    id: str
    title: str
    memoryless: bool | None
    reference: str
    order: float  # among the built-in methods of the table: smaller numbers stand higher
    stream_settings: StreamSettings = {}  # {stream: {setting: (value, source)}}: its own values; "*": on all others
    Settings: type[Settings] = Settings  # one with settings of its own has a class Settings(Method.Settings)
    schedule: Callable[[Clock], float] | None = None
    """The factor of a step's rate, where a method defines `schedule(self, clock)`; None: the setting `schedule`."""

    def __init_subclass__(cls) -> None:
        if "step_kind" not in cls.__dict__:
            cls.step_kind = Method.step_kind  # never inherited: a subclass may do other things in its steps

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

    def step_kind(self) -> Hashable | None:
        """The kind of the coming step; steps of one kind are recorded once, as a CUDA graph, and replayed.

        Two steps are of one kind if `direction` does the same operations in both and what differs is only the numbers
        in tensors that stay in their places, the batch, and numbers from the problem's `random`. It must name all
        else that decides what a step does, such as how many examples a memory holds. None: steps are not recorded,
        which is always right. It is not inherited. On a CPU nothing is recorded, and it is not asked.
        """
        return None

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
