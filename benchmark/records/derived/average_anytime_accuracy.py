"""Anytime average accuracy (AAA)."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from benchmark.records.derived import metric

if TYPE_CHECKING:
    from benchmark.records.schema import Record


@metric(
    "anytime average accuracy",
    unit="%",
    source="Caccia et al., New Insights on Reducing Abrupt Representation Change in Online Continual Learning, "
    "ICLR 2022; here evaluated at the end of each task",
)
def average_anytime_accuracy(run: Record) -> float:
    """Mean of A_t over all tasks t. A_t is the mean of a[t, i] over the tasks i <= t."""
    return fmean(fmean(row[: task + 1]) for task, row in enumerate(run.accuracy_matrix))
