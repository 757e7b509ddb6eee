"""Print the peak resident memory, in MiB, of a cell with whole data: `peak_memory.py METHOD STREAM SEEDS`.

All that a run holds is there (streams, network, penalty or memory, an epoch's order, an evaluation), but each
of two phases stops after a few steps.
"""

from __future__ import annotations

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from benchmark.streams.build import build
from benchmark.training.engine import Cell
from benchmark.training.phases import PhaseData, RecentData
from methods.batch import Batch
from methods.registry import METHODS
from methods.settings import settings_for

STEPS = 60


class Short(PhaseData):
    """A phase that ends after its first steps, as a whole phase ends."""

    def batches(self, order: Tensor, size: int, later: int) -> Iterator[Batch]:
        """As PhaseData.batches."""
        return islice(super().batches(order, size, later - order.shape[1] // size + STEPS), STEPS)


@torch.no_grad()
def main(method: str, stream_id: str, seeds: str) -> None:
    """Train, evaluate, print."""
    torch.set_num_threads(1)
    settings = settings_for(method, stream_id)
    streams = [build(stream_id, seed, settings.tasks) for seed in range(int(seeds))]
    cell = Cell(METHODS[method], streams, settings, "cpu")
    for phase, tasks in enumerate(cell.method.phases(settings.tasks)[:2]):
        part = Short(streams, tasks, torch.device("cpu"))
        order = cell._train_phase(phase, part, lambda step: None)
        cell.method.after_phase(cell.net, RecentData(part, order))
    cell.accuracy(0, 0)
    print(peak())


def peak() -> float:
    """High-water mark of this process's resident memory, in MiB (Linux)."""
    # not getrusage: its maximum survives exec, so that a child of a large process reports its parent's
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
