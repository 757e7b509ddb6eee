"""The interface of a method: the decisions in which the rows of the table differ.

The engine takes the steps, theta <- theta - lr * direction, for all seeds at once, with momentum or another optimizer.
A method gives the direction. Shape letters: S seeds, P parameters, B batch, T tasks, C classes of a head, H heads.
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
    """The gradients of the losses of S seeds. The representation may be factored; `dense` gives the numbers."""

    def dot(self, other: Gradient) -> Tensor:
        """Inner product of the two gradients of each seed, [S]."""

    def minus(self, scale: Tensor, other: Gradient) -> Gradient:
        """self - scale * other. scale: [S], one number per seed."""

    def dense(self) -> Tensor:
        """The gradients as a tensor [S, P]."""


Loss = Callable[[Tensor, Batch], Tensor]
"""loss(outputs, batch) -> [S], one number per seed. It may be any function that autograd can differentiate.

outputs: float32 [S, B, C], or [S, B, H, C] with every_head. The number of a seed depends on its own outputs only.
"""


class Network(Protocol):
    """S networks that train together.

    theta: [S, P], all parameters of each network. P may include padding that is always 0, in theta and in gradients.
    H is 1 on a one-head stream.
    """

    theta: Tensor

    def gradient(self, batch: Batch, loss: Loss | None = None, every_head: bool = False) -> Gradient:
        """Gradient of each seed's loss over its batch, in training mode. The default loss is the mean cross-entropy.

        Each call draws new dropout masks and updates the running statistics of batch norm. It calls the loss once,
        with the outputs [S, B, C] of each example's own head; with every_head, with the outputs [S, B, H, C] of all
        heads. Raises ValueError if the loss does not return [S] numbers that depend on the outputs.
        On a GPU, a pass with a loss is not recorded as a CUDA graph, because its operations may differ between calls.
        """

    def outputs(self, batch: Batch, snapshot: Snapshot | None = None, every_head: bool = False) -> Tensor:
        """Outputs [S, B, C] of each example's own head, or [S, B, H, C] of all heads, detached from autograd.

        Without a snapshot, the current network computes them in training mode. The call draws new dropout masks. Batch
        norm uses the mean and variance of the batch and does not update its running statistics.
        With a snapshot, the network of the snapshot computes them in evaluation mode: without dropout, and with the
        running statistics of the snapshot. The call draws no random numbers.
        """

    def snapshot(self) -> Snapshot:
        """A copy of the parameters and of the running statistics of batch norm, for `outputs`."""


Snapshot = dict[str, Tensor]
"""The tensors of a network at one moment, by name. A method may save them in `state`."""


class Randomness(Protocol):
    """The random generators, one per seed. The draws of a seed do not depend on the other seeds."""

    def uniform(self, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1), float64 [S, *shape]."""


@dataclass(frozen=True)
class Problem:
    """What a method may know before it sees data: sizes, the device and the random generators.

    seeds: S. classes: C. shape: of one example.
    """

    seeds: int
    tasks: int
    classes: int
    shape: tuple[int, ...]
    device: torch.device
    random: Randomness


@dataclass(frozen=True)
class Penalty:
    """A quadratic penalty sum_p strength[s, p] * (theta[s, p] - anchor[s, p])^2. strength, anchor: [S, P].

    The engine adds its gradient, 2 * strength * (theta - anchor), in closed form.
    """

    strength: Tensor
    anchor: Tensor


class Method:
    """A method, one row of the table. A subclass overrides what differs from plain SGD.

    id: names the method in tables and the folder of its records. title, memoryless, reference: what tables and lists
    show; optional for an external method, required as literals for a built-in one. memoryless: True if the method
    stores no examples of past tasks, None if not applicable.
    """

    id: str
    title: str
    memoryless: bool | None
    reference: str
    order: float  # position among the built-in methods: the table lists smaller numbers first
    stream_settings: StreamSettings = {}  # {stream: {setting: (value, source)}}: its own values; "*": all other streams
    Settings: type[Settings] = Settings  # a method with own settings defines a class Settings(Method.Settings)
    schedule: Callable[[Clock], float] | None = None
    """A method may define `schedule(self, clock)`, the factor of a step's learning rate. None: use the setting."""

    def __init_subclass__(cls) -> None:
        if "step_kind" not in cls.__dict__:
            cls.step_kind = Method.step_kind  # not inherited: the steps of a subclass may do different operations

    def __init__(self, settings: Settings, problem: Problem) -> None:
        self.settings, self.problem = settings, problem

    @classmethod
    def phases(cls, tasks: int) -> list[tuple[int, ...]]:
        """The tasks of each phase, in training order. The engine shuffles the data of a phase as one data set."""
        return [(task,) for task in range(tasks)]

    def learning_rate(self, phase: int) -> float:
        """max(lr * decay^k, 5e-5) with k = phase + 1. phase: zero-based; so the first phase has a decayed rate too.

        Source: the published code, stable_sgd/main.py. A learning rate lr below 5e-5 is its own floor.
        """
        base = self.settings.learning_rate
        return max(base * self.settings.learning_rate_decay ** (phase + 1), min(base, LOWEST_LEARNING_RATE))

    def direction(self, net: Network, batch: Batch) -> Gradient | Tensor:
        """The direction that a step subtracts from theta: a gradient, or any dense tensor [S, P]."""
        return net.gradient(batch)

    def step_kind(self) -> Hashable | None:
        """The kind of the coming step. A GPU records steps of one kind once, as a CUDA graph, and replays them.

        Two steps are of one kind if `direction` does the same operations in both. Only three things may differ: the
        batch, the numbers from the problem's `random`, and the values of tensors that keep their memory. Anything else
        that decides what a step does belongs to its kind, such as the number of examples in a memory. None means that
        the step is not recorded, which is always correct. Subclasses do not inherit it. A CPU does not call it.
        """
        return None

    def penalty(self) -> Penalty | None:
        """The quadratic penalty of the coming phase, or None. The engine calls it once, at the start of the phase."""
        return None

    def after_phase(self, net: Network, recent: Recent) -> None:
        """Called after a phase is trained and before it is evaluated."""

    def state(self) -> dict[str, Tensor]:
        """All tensors that later phases need, by name. A resumed run gives them to `restore`."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Restore a state that `state` returned."""


class Recent(Protocol):
    """The N examples of the phase that has just ended, in the order of each seed's last epoch."""

    labels: Tensor  # int64 [S, N], the class within its head

    def take(self, positions: Tensor) -> Batch:
        """The examples at these positions (int64 [S, n], zero-based) of the order, as a batch [S, n, ...]."""
