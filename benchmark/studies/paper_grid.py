"""The search over the paper's grid: the trials (paper_grid.toml) and the rule that takes one of them.

The rule was written before any trial was run. On a stream, every method has the same number of trials. Trials were
added in rounds, and the results of earlier rounds were known when a round was chosen (docs/reproduction.md).
A trial states every searched setting. It therefore stays the same trial when the protocol changes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from statistics import fmean

from benchmark.records.schema import Record
from benchmark.tables.published import PUBLISHED, Figure
from benchmark.tables.verdict import ACCURACY_POINTS, FORGETTING

SEED = 100
"""The seed of the search. The table reports the seeds 0 to 4."""
MORE_SEEDS = (101, 102, 103, 104)
"""Further seeds for the trials that SEED alone cannot tell apart."""

Changes = Mapping[str, float | int]

_GRID = tomllib.loads((files("benchmark.studies") / "paper_grid.toml").read_text(encoding="utf-8"))

SEARCHED: dict[str, list[str]] = _GRID["searched"]
"""The settings that are searched, by method."""

_TRIALS: dict[str, dict[str, list[list[float]]]] = {
    "permuted-mnist": _GRID["mnist"] | _GRID["permuted-mnist"],
    "rotated-mnist": _GRID["mnist"] | _GRID["rotated-mnist"],
    "split-cifar100": _GRID["split-cifar100"],
}
"""Values of the settings in SEARCHED, by stream and method."""


def trials(method: str, stream: str) -> list[dict[str, float | int]]:
    """The settings tried for a method on a stream, the published code's first.

    Empty for a method or stream that is not in the paper's table.
    """
    return [dict(zip(SEARCHED[method], values, strict=True)) for values in _TRIALS.get(stream, {}).get(method, ())]


CONFIRMED = {("stable-sgd", "split-cifar100")}
"""Cells whose first trial is taken at any distance.

The published code (tests/oracles/published_cifar.py) gives the published figures under this trial.
"""


@dataclass(frozen=True)
class Trial:
    """A trial that has been run with SEED and, if it is a near trial, with MORE_SEEDS."""

    changes: Changes
    records: tuple[Record, ...]  # one a seed, SEED first
    first: float  # distance of SEED's run from the published figures; infinite if it diverged
    distance: float  # distance of the means over all records; infinite if a run diverged

    @classmethod
    def of(cls, changes: Changes, records: Sequence[Record]) -> Trial:
        """The trial with these changes, from its records: at least one, SEED's first."""
        paper = PUBLISHED[records[0].method, records[0].stream]
        return cls(changes, tuple(records), distance(records[:1], paper), distance(records, paper))

    @property
    def settles(self) -> bool:
        """Whether the rule takes this trial if it is the first one."""
        return self.first <= 1 or (self.records[0].method, self.records[0].stream) in CONFIRMED


def distance(records: Sequence[Record], paper: Figure) -> float:
    """The larger of |accuracy - paper| / 3 points and |forgetting - paper| / 0.05.

    Accuracy and forgetting are means over the records. Infinite if a run diverged.
    """
    figures = means(records)
    if figures is None:
        return float("inf")
    accuracy, forgetting = figures
    return max(abs(accuracy - paper.accuracy) / ACCURACY_POINTS, abs(forgetting - paper.forgetting) / FORGETTING)


def means(records: Sequence[Record]) -> tuple[float, float] | None:
    """Mean accuracy in percent and mean forgetting (a fraction). None if a run diverged."""
    if any(record.status != "complete" for record in records):
        return None
    metrics = [record.metrics for record in records]
    accuracy = fmean(m.average_accuracy for m in metrics)  # type: ignore[misc]  # complete: not None
    return 100 * accuracy, fmean(m.average_forgetting for m in metrics)  # type: ignore[misc]


def near(run: Sequence[Trial]) -> list[Trial]:
    """The near trials: those at a distance of at most 1 with SEED.

    Empty if the rule takes the first trial, or if only one trial is that near: then SEED is enough to decide.
    """
    within = [] if run[0].settles else [trial for trial in run if trial.first <= 1]
    return within if len(within) > 1 else []


def chosen(run: Sequence[Trial]) -> int | None:
    """The index of the trial that the rule takes.

    The rule takes the first trial, the published code's, if its distance is at most 1 or its cell is CONFIRMED.
    Otherwise it takes the nearest trial. If there are near trials, it takes the nearest of them by the means over
    all five seeds. None until every near trial has been run with MORE_SEEDS.
    """
    close = near(run)
    if any(len(trial.records) < 1 + len(MORE_SEEDS) for trial in close):
        return None
    candidates = run[:1] if run[0].settles else close or run
    return run.index(min(candidates, key=lambda trial: trial.distance))
