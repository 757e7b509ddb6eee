"""What a probe is: it measures networks while they are trained, and changes nothing.

Shape letter: S seeds, trained side by side.
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
    """The networks at a moment of training."""

    net: Any  # the S networks; theta [S, P] are their parameters
    streams: Sequence[Stream]  # S
    phases: Sequence[Sequence[int]]  # the tasks that each phase trains
    phase: int  # the phase being trained, counted from 0
    step: int  # steps of the whole run taken so far
    steps: Sequence[int]  # steps of each phase
    accuracy: Callable[[int, int, Tensor | None], float]
    """accuracy(index, task, rows): of network `index` on these rows (int64 [n], on the CPU) of its task's test set, a
    fraction; None takes the whole test set."""

    @property
    def met(self) -> int:
        """How many tasks were met by now, those of this phase included; they are the tasks 0 to met - 1."""
        return sum(len(tasks) for tasks in self.phases[: self.phase + 1])

    def generators(self, label: str) -> list[torch.Generator]:
        """A generator for each seed, on the CPU, that shares nothing with the run's; another label, other numbers."""
        import torch

        digests = [hashlib.sha256(f"{label} {stream.seed}".encode()).digest() for stream in self.streams]
        return [torch.Generator().manual_seed(int.from_bytes(digest[:7])) for digest in digests]


class Probe:
    """Measures S networks at the end of every phase and, with the option `every`, every so many steps.

    A subclass has a `name` and a function `measure`; a file with one such class is a probe: run --measure ./file.py.
    What it draws comes from generators of its own (View.generators), so that a run's numbers do not depend on what is
    measured. A probe that changes a parameter or draws the run's random numbers ends the run.
    """

    name: str

    class Options(BaseModel):
        """Options by name, as in --measure NAME:every=10. Each has a default."""

        model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

        every: int = Field(0, ge=0, le=10**9)  # steps of a phase from one measurement to the next; 0: at its end only

    def __init__(self, options: Options, view: View) -> None:
        """Called before the first step; again, with the same arguments, where a run is taken up again."""
        self.options = options

    def measure(self, view: View) -> Mapping[str, Tensor | Sequence[object]]:
        """The measurements by name, each a tensor or nested lists of numbers, [S, ...]; NaN where undefined."""
        raise NotImplementedError

    def state(self) -> Mapping[str, Tensor]:
        """What must be saved for the measuring to go on exactly, besides what was measured so far."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` gave."""
