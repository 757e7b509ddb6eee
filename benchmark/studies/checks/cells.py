"""The cells that `check` retrains: every method on small streams, with a few seeds each."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.records import schema, store
from benchmark.runs import plan
from benchmark.runs.executors.base import Where
from benchmark.runs.executors.base import run as train
from benchmark.runs.executors.local import Local
from benchmark.runs.progress import say_notices
from benchmark.streams.archives import ARCHIVES, find
from benchmark.streams.kinds import STREAMS
from methods.catalogue import METHOD_ROWS

METRICS = ("average_accuracy", "average_forgetting", "learning_accuracy")

Cell = tuple[str, str]  # method, stream
Measured = dict[Cell, dict[str, np.ndarray]]  # metric -> [S], one value a seed, NaN if the seed diverged


@dataclass(frozen=True)
class Probe:
    """A small version of a stream.

    changes: the settings that differ from the protocol; seeds: how many are trained, 0 to seeds - 1.
    """

    stream: str
    changes: Mapping[str, float]
    seeds: int


_DIGITS = {"train_examples": 300, "hidden": 64, "learning_rate": 0.3, "ewc_lambda": 3.0}
# Stated even where they equal the protocol: a new choice of these settings for the table must not move a cell.
_MNIST = {
    "train_examples": 1000,
    "tasks": 2,
    "learning_rate": 0.1,
    "batch_size": 10,
    "momentum": 0.0,
    "ewc_lambda": 3.0,
}
PROBES = (
    Probe("permuted-digits", {**_DIGITS, "tasks": 3, "epochs": 3}, 10),
    # The only probe with momentum. Momentum restarts with every epoch.
    Probe("rotated-digits", {**_DIGITS, "tasks": 6, "epochs": 2, "momentum": 0.8, "learning_rate": 0.06}, 10),
    Probe("split-digits", {**_DIGITS, "tasks": 5, "train_examples": 200}, 10),
    Probe("permuted-mnist", _MNIST, 3),
    Probe("rotated-mnist", _MNIST, 3),
)


def at_hand(data: Path | None) -> list[Probe]:
    """The probes whose data are on this machine. Raises InputError if `data` is not a directory."""
    return [
        probe
        for probe in PROBES
        if STREAMS[probe.stream].dataset == "digits" or find(ARCHIVES[STREAMS[probe.stream].dataset], data)
    ]


def measure(probes: Sequence[Probe], block: int, data: Path | None, jobs: int | None) -> Measured:
    """Train all methods on the probes on the CPU, in a temporary results directory, and return their metrics.

    block: which seeds to train. Block 0 holds the probe's own seeds, block 1 the same number after them, and so on.
    """
    with tempfile.TemporaryDirectory(prefix="clbench-check-") as folder:
        units = []
        for probe in probes:
            seeds = range(block * probe.seeds, (block + 1) * probe.seeds)
            units += plan.plan(list(METHOD_ROWS), [probe.stream], seeds, probe.changes, Path(folder), data, "cpu")
        train(Local(jobs), units, Where(Path(folder), data, "cpu", 1), say_notices)
        return _by_cell(store.load_all(Path(folder)))


def _by_cell(runs: Sequence[schema.Record]) -> Measured:
    measured: dict[Cell, dict[str, list[float]]] = {}
    for run in sorted(runs, key=lambda run: run.seed):
        values = measured.setdefault((run.method, run.stream), {metric: [] for metric in METRICS})
        for metric in METRICS:
            values[metric].append(getattr(run.metrics, metric))
    return {
        cell: {metric: np.array(numbers, dtype=float) for metric, numbers in values.items()}
        for cell, values in measured.items()
    }
