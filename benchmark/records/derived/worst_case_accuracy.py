"""WC-ACC, from the measurements of the probe `continual`."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from benchmark.records.continual import phases
from benchmark.records.derived import metric

if TYPE_CHECKING:
    from benchmark.records.schema import Record


@metric(
    "WC-ACC",
    unit="%",
    source="De Lange, van de Ven and Tuytelaars, Continual evaluation for lifelong learning: Identifying the "
    "stability gap, ICLR 2023; needs run --measure continual",
)
def worst_case_accuracy(run: Record) -> float | None:
    """1/T times the final accuracy on the last task, plus (1 - 1/T) times min-ACC over all measured steps.

    min-ACC: mean over all earlier tasks of the lowest accuracy measured after the phase that learned the task. WC-ACC
    is thus a mean over all T tasks, with the final accuracy for the tasks of the last phase.
    """
    measured = phases(run)
    if not measured:
        return None
    least = list(measured[-1].accuracy[-1])
    for phase in measured:
        for task in range(phase.learned):
            least[task] = min(least[task], *(row[task] for row in phase.accuracy))
    return fmean(least)
