"""What the probe `continual` measured during a run, read phase by phase."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.records.schema import Record

NAME = "continual"


@dataclass(frozen=True)
class Phase:
    """The measurements of one phase of training, n of them, the last at its end."""

    learned: int  # tasks learned before the phase
    steps: list[int]  # [n], of the whole run, counted from 1
    accuracy: list[list[float]]  # [n][i]: fraction, of each task met, those of this phase included


def phases(run: Record) -> list[Phase]:
    """The phases in order; none where `continual` was not measured or the values are no measurement of it."""
    measured = (run.measurements or {}).get(NAME)
    if measured is None:
        return []
    columns = [measured.values.get(name) for name in ("phase", "step", "accuracy")]
    if not all(isinstance(column, list) for column in columns) or len({len(column) for column in columns}) > 1:
        return []
    found: list[Phase] = []
    for _, rows in groupby(zip(*columns, strict=True), key=lambda row: row[0]):
        _, steps, accuracy = zip(*rows, strict=True)
        learned = len(found[-1].accuracy[-1]) if found else 0
        if not all(_sound(row, len(accuracy[0]), learned) for row in accuracy):
            return []
        found.append(Phase(learned, list(steps), list(accuracy)))
    return found


def _sound(row: object, tasks: int, learned: int) -> bool:
    return isinstance(row, list) and len(row) == tasks > learned and all(isinstance(n, int | float) for n in row)


def switches(run: Record) -> list[tuple[Phase, Phase]]:
    """Each phase with the one after it."""
    return list(pairwise(phases(run)))
