"""The suite's own side of the comparison: a cell of the engine, part of the way through a paper-scale run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from benchmark.streams.build import Stream, build
from benchmark.training.engine import Cell
from benchmark.training.phases import PhaseData, RecentData
from methods.batch import Batch
from methods.registry import METHODS
from methods.settings import Settings, settings_for

BATCH = 10
TASKS = 20
STEPS_A_TASK = {"permuted-mnist": 6000, "split-cifar100": 250}
PRIMED = {"permuted-mnist": 1, "split-cifar100": 2}
"""Tasks trained before the timed one: then the penalty holds, and the memories fill a memory batch of 10."""


@dataclass(frozen=True)
class Slice(PhaseData):
    """A few steps of a phase: of its beginning, with `left_out` steps after them, or of its end."""

    left_out: int = 0

    def batches(self, order: Tensor, size: int, later: int) -> Iterator[Batch]:
        """As PhaseData.batches."""
        return super().batches(order, size, later + self.left_out)


def settings_of(method: str, stream_id: str, memory_batch: int = BATCH) -> Settings:
    """The method's own, but with the paper's batches and without dropout where it has none: the floors are of those."""
    dropped = {} if method == "stable-sgd" else {"dropout": 0}
    return settings_for(method, stream_id, {"batch_size": BATCH, "memory_batch": memory_batch} | dropped)


@cache
def streams(stream_id: str, seeds: int, examples: int) -> list[Stream]:
    """Streams of TASKS tasks with `examples` training examples each, drawn from all classes."""
    return [build(stream_id, seed, TASKS, examples) for seed in range(seeds)]


@cache  # made once, timed in every turn
def ours(method: str, stream_id: str, seeds: int, count: int, at_end: bool = False, memory_batch: int = BATCH) -> Ours:
    """The one cell of this description."""
    return Ours(method, stream_id, seeds, count, at_end, memory_batch=memory_batch)


class Ours:
    """A method in the middle of a run: `steps()` takes the next `count` steps of every seed."""

    def __init__(
        self,
        method: str,
        stream_id: str,
        seeds: int,
        count: int,
        at_end: bool = False,
        device: str = "cpu",
        memory_batch: int = BATCH,
    ) -> None:
        examples = count * BATCH // (TASKS if method == "multitask" else 1)
        chosen = streams(stream_id, seeds, examples)
        self.cell = Cell(METHODS[method], chosen, settings_of(method, stream_id, memory_batch), device)
        self.at_end, self.count = at_end, count
        phases = self.cell.method.phases(TASKS)
        self.phase = min(PRIMED[stream_id], len(phases) - 1)
        self._slices = [Slice(self.cell.streams, tasks, self.cell.device) for tasks in phases[: self.phase + 1]]
        for phase in range(self.phase):
            self._train(phase, self._slices[phase])
        taken = len(self._slices[-1]) / self.cell.settings.batch_size
        assert taken == count, f"{taken} steps are not the {count} that the time is divided by"
        self._beginning = replace(self._slices[-1], left_out=STEPS_A_TASK[stream_id] - count)

    def steps(self) -> None:
        """The engine's own loop over the slice, data included; at a task's end, what follows it too."""
        if self.at_end:
            self._train(self.phase, self._slices[-1])
        else:
            with torch.no_grad():
                self.cell._train_phase(self.phase, self._beginning, lambda step: None)

    @torch.no_grad()
    def _train(self, phase: int, part: Slice) -> None:
        order = self.cell._train_phase(phase, part, lambda step: None)
        self.cell.method.after_phase(self.cell.net, RecentData(part, order))
