"""How the time of whole runs grows with tasks and with seeds: naive SGD on permuted digits."""

import time

import pytest
import torch

from benchmark.streams.build import build
from benchmark.training.engine import Cell
from methods.registry import METHODS
from methods.settings import settings_for

STREAM = "permuted-digits"


class TimedCell(Cell):
    """A cell that knows how long it evaluated."""

    evaluating = 0.0

    def _evaluate(self, rows: int) -> None:
        started = time.perf_counter()
        super()._evaluate(rows)
        self.evaluating += time.perf_counter() - started


@pytest.mark.parametrize("tasks", [5, 10, 20, 40])
def bench_tasks(timed, tasks):
    whole_run(timed, f"{tasks} tasks", tasks, seeds=2)


@pytest.mark.parametrize("seeds", [1, 5, 10, 20])
def bench_seeds(timed, seeds):
    whole_run(timed, f"{seeds} seed{'s' * (seeds > 1)}", 5, seeds)


def whole_run(timed, row, tasks, seeds):
    settings = settings_for("naive", STREAM, {"tasks": tasks})
    streams = [build(STREAM, seed, tasks) for seed in range(seeds)]
    shares = []

    @torch.no_grad()
    def work():
        cell = TimedCell(METHODS["naive"], streams, settings, "cpu")
        started = time.perf_counter()
        cell.train(lambda step, steps, phase: None)
        shares.append(cell.evaluating / (time.perf_counter() - started))

    info = timed("scaling", row, "ours", work)
    info["evaluation_share"] = shares[-1]
