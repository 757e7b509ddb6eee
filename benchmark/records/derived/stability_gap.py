"""The depth of the stability gap, from the measurements of the probe `continual`."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from benchmark.records.continual import switches
from benchmark.records.derived import metric

if TYPE_CHECKING:
    from benchmark.records.schema import Record


@metric(
    "stability gap",
    source="this suite's measure of the phenomenon in De Lange, van de Ven and Tuytelaars, ICLR 2023; needs "
    "run --measure continual",
)
def stability_gap(run: Record) -> float | None:
    """Mean of min(before, after) - lowest over all phases p > 1 and all tasks i learned before p, a fraction.

    before, after: accuracy on task i at the end of phases p - 1 and p. lowest: the lowest accuracy measured between
    them, both included. The gap is the part of the drop that recovers within the phase. It is 0 if accuracy falls
    without recovery. Undefined for a single phase.
    """
    gaps = []
    for earlier, phase in switches(run):
        rows = [earlier.accuracy[-1], *(row[: phase.learned] for row in phase.accuracy)]
        for before, *during in zip(*rows, strict=True):
            gaps.append(min(before, during[-1]) - min(before, *during))
    return fmean(gaps) if gaps else None
