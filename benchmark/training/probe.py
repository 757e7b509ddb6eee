"""The interface of a probe. A probe measures networks during training and changes nothing.

Shape letters: S seeds that train together, P parameters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from benchmark.streams.build import Stream


@dataclass(frozen=True)
class View:
    """The networks at one moment of training."""

    net: Any  # the S networks; net.theta [S, P] has their parameters
    streams: Sequence[Stream]  # one per seed
    phases: Sequence[Sequence[int]]  # the tasks of each phase
    phase: int  # zero-based index of the current phase
    step: int  # number of steps taken in the whole run
    steps: Sequence[int]  # number of steps of each phase
    accuracy: Callable[[int, int, Tensor | None], float]
    """accuracy(index, task, rows): the accuracy of network `index` on rows of a task's test set, a fraction.

    rows: int64 [n] on the CPU; None takes the whole test set.
    """

    @property
    def met(self) -> int:
        """The number of tasks seen so far, including those of this phase. They are the tasks 0 to met - 1."""
        return sum(len(tasks) for tasks in self.phases[: self.phase + 1])

    def generators(self, label: str) -> list[torch.Generator]:
        """One generator per seed, on the CPU, independent of the run's generators. Each label gives other numbers."""
        import torch

        digests = [hashlib.sha256(f"{label} {stream.seed}".encode()).digest() for stream in self.streams]
        return [torch.Generator().manual_seed(int.from_bytes(digest[:7])) for digest in digests]


class Probe:
    """Measures S networks at the end of each phase, and with the option `every` also every that many steps.

    A subclass defines `name` and `measure`. A file with one such class is a probe: run --measure ./file.py.
    A probe draws from its own generators (View.generators), so that the numbers of a run do not depend on its probes. A
    probe that changes a parameter or draws from the run's generators ends the run.
    """

    name: str

    class Options(BaseModel):
        """Options by name, as in --measure NAME:every=10. Each has a default."""

        model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

        every: int = Field(0, ge=0, le=10**9)  # steps of a phase between measurements; 0: only at its end

    def __init__(self, options: Options, view: View) -> None:
        """Called before the first step. A resumed run calls it again with the same arguments."""
        self.options = options

    def measure(self, view: View) -> Mapping[str, Tensor | Sequence[object]]:
        """The measurements by name, each a tensor or nested lists of numbers [S, ...]. NaN means undefined."""
        raise NotImplementedError

    def state(self) -> Mapping[str, Tensor]:
        """The tensors that a resumed run needs, by name. The suite itself saves the measurements."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Restore a state that `state` returned."""
