"""Setting up the streams, evaluating all tasks, and the peak memory of a paper-scale cell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmark.streams.build import build
from tests.speed.ours import TASKS, ours

pytestmark = pytest.mark.usefixtures("real_data")

COUNTS = {"permuted-mnist": 200, "split-cifar100": 10}


@pytest.mark.parametrize("row", ["permuted-mnist", "rotated-mnist", "split-cifar100"])
def bench_set_up(timed, row):
    """20 tasks x 5 seeds; the data set itself is loaded before."""
    build(row, 0, TASKS)
    timed("set-up", row, "ours", lambda: [build(row, seed, TASKS) for seed in range(5)])


@pytest.mark.parametrize("row, tasks", [("permuted-mnist", 5), ("split-cifar100", 1)])
def bench_evaluation(timed, row, tasks):
    """One seed on the first tasks' test sets; the report scales it to 20."""
    count = COUNTS[row]
    cell = ours("naive", row, 1, count).cell

    @torch.no_grad()
    def work():
        for task in range(tasks):
            cell.accuracy(0, task)

    timed("evaluation", row, "ours", work, tasks / TASKS)


@pytest.mark.parametrize(
    "method, stream_id, seeds",
    [
        ("naive", "permuted-mnist", 5),
        ("ewc", "permuted-mnist", 5),
        ("multitask", "permuted-mnist", 5),
        ("naive", "split-cifar100", 1),
    ],
)
def bench_peak_memory(labelled, method, stream_id, seeds):
    """A process of its own, as a worker is."""
    script = Path(__file__).with_name("peak_memory.py")
    command = [sys.executable, str(script), method, stream_id, str(seeds)]
    environment = os.environ | {"PYTHONPATH": str(script.parents[2])}
    peaks = []

    def work():
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        peaks.append(float(done.stdout))

    info = labelled("memory", f"{method} on {stream_id}, {seeds} seed{'s' * (seeds > 1)}", "ours", work)
    info["peak_mib"] = max(peaks)
