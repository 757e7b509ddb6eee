"""The depth of the stability gap, from what the probe `continual` measured."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from benchmark.records.continual import switches
from benchmark.records.derived import metric

if TYPE_CHECKING:
    from benchmark.records.schema import Record


@metric(
    "stability gap",
    source="this suite's number for the phenomenon of De Lange, van de Ven and Tuytelaars, ICLR 2023; needs "
    "run --measure continual",
)
def stability_gap(run: Record) -> float | None:
    """Mean over phases p > 1 and the tasks i learned before p of min(before, after) - least, a fraction.

    before, after: accuracy on task i at the end of phase p - 1 and of phase p; least: the least accuracy measured from
    the one to the other, both included. It is the part of the drop that the phase itself made good: 0 where accuracy
    falls without recovery. Undefined for a single phase.
    """
    gaps = []
    for earlier, phase in switches(run):
        rows = [earlier.accuracy[-1], *(row[: phase.learned] for row in phase.accuracy)]
        for before, *during in zip(*rows, strict=True):
            gaps.append(min(before, during[-1]) - min(before, *during))
    return fmean(gaps) if gaps else None
