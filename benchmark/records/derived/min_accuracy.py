"""Min-ACC, measured at the end of each task."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from benchmark.records.derived import metric

if TYPE_CHECKING:
    from benchmark.records.schema import Record


@metric(
    "min-ACC",
    unit="%",
    source="De Lange, van de Ven and Tuytelaars, Continual evaluation for lifelong learning: Identifying the "
    "stability gap, ICLR 2023; here evaluated at the end of each task",
)
def min_accuracy(run: Record) -> float | None:
    """Mean over all tasks i but the last of min over t > i of a[t, i], the lowest accuracy after learning task i.

    Undefined for a single task.
    """
    a, tasks = run.accuracy_matrix, len(run.accuracy_matrix)
    return fmean(min(a[t][i] for t in range(i + 1, tasks)) for i in range(tasks - 1)) if tasks > 1 else None
