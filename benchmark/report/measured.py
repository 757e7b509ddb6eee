"""The report's further metrics, and accuracy during training as measured by the probe `continual`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.records.continual import phases
from benchmark.records.derived import Metric, metrics
from benchmark.records.schema import Record
from benchmark.report.drawing import BOTTOM, LEFT, RIGHT, TOP, Row, Scale, Style
from benchmark.tables.labels import row_label, stream_label
from benchmark.tables.table import frame, variants

MOST_POINTS = 600
"""Points of a line at most. A longer line shows the minimum and the maximum of each stretch, so that no dip is lost."""
TICKS = (0, 20, 40, 60, 80, 100)

Value = tuple[float | None, float | None, int]
"""Mean and sample standard deviation over the seeds for which the metric is defined, and the number of these seeds."""


@dataclass(frozen=True)
class Table:
    """The further metrics of a stream's rows. A metric is listed if it is defined for at least one row."""

    title: str
    metrics: list[Metric]
    rows: list[tuple[str, list[Value]]]


def tables(records: Sequence[Record]) -> list[Table]:
    """One table for each stream with a defined metric, in the order of the main table."""
    known = list(metrics().values())
    cells = frame(records, known)
    found = []
    for stream in dict.fromkeys(cells["stream"]):
        part = cells[cells["stream"] == stream].to_dict("records")
        shown = [metric for metric in known if any(row[f"{metric.name}_seeds"] for row in part)]
        rows = [
            (row_label(row["method"], row["variant"]), [_value(row, metric) for metric in shown])
            for row in part
            if row["seeds"]
        ]
        if shown:
            found.append(Table(stream_label(stream), shown, rows))
    return found


def _value(row: Mapping[str, object], metric: Metric) -> Value:
    mean, std = (
        None if np.isnan(row[f"{metric.name}_{part}"]) else row[f"{metric.name}_{part}"] for part in ("mean", "std")
    )
    return mean, std, row[f"{metric.name}_seeds"]


@dataclass(frozen=True)
class Figure:
    """Accuracy on earlier tasks while later tasks are trained, one line for each row of the table.

    up, across: ticks as (coordinate, label).
    """

    title: str
    up: list[tuple[float, str]]
    across: list[tuple[float, str]]  # steps of the run
    starts: list[float]  # coordinates at which phases begin
    lines: list[tuple[Style, str]]  # style and SVG path


def figures(records: Sequence[Record], looks: Mapping[Row, Style]) -> list[Figure]:
    """One figure for each stream that has measured runs of several phases, in the order of the records."""
    found: dict[str, dict[Row, list[Record]]] = {}
    for record, variant in zip(records, variants(records), strict=True):
        if record.status == "complete" and len(phases(record)) > 1:
            row = record.method, row_label(record.method, variant)
            found.setdefault(record.stream, {}).setdefault(row, []).append(record)
    return [_figure(stream_label(stream), rows, looks) for stream, rows in found.items()]


def _figure(title: str, rows: Mapping[Row, Sequence[Record]], looks: Mapping[Row, Style]) -> Figure:
    curves = {row: curve for row in looks if row in rows and (curve := _mean(rows[row])) is not None}
    ends = [phase.steps[-1] for phase in phases(next(iter(rows.values()))[0])]
    last = max([ends[-1], *(steps[-1] for steps, _ in curves.values())])
    across, up = Scale(0, last, LEFT + 8, RIGHT - 8), Scale(0, 100, BOTTOM, TOP)
    lines = [
        (looks[row], "M" + "L".join(f"{across(x):.4g} {up(100 * y):.4g}" for x, y in _thinned(steps, values)))
        for row, (steps, values) in curves.items()
    ]
    ticks = [(across(step), f"{step:,}") for step in (0, last // 2, last)]
    return Figure(title, [(up(tick), str(tick)) for tick in TICKS], ticks, [across(end) for end in ends[:-1]], lines)


def _mean(runs: Sequence[Record]) -> tuple[list[int], np.ndarray] | None:
    """Steps, and the mean over seeds of the accuracy on earlier tasks at each step.

    None if the runs were measured at different steps.
    """
    curves = [_earlier(run) for run in runs]
    steps = curves[0][0]
    if any(other != steps for other, _ in curves):
        return None
    return steps, np.mean([values for _, values in curves], axis=0)


def _earlier(run: Record) -> tuple[list[int], list[float]]:
    """Steps and the mean accuracy on all tasks learned before the current phase, from the end of the first phase."""
    steps, values = [], []
    for phase in phases(run):
        if phase.learned:
            steps += phase.steps
            values += [float(np.mean(row[: phase.learned])) for row in phase.accuracy]
        else:
            steps.append(phase.steps[-1])
            values.append(float(np.mean(phase.accuracy[-1])))
    return steps, values


def _thinned(steps: Sequence[int], values: np.ndarray) -> list[tuple[int, float]]:
    points = list(zip(steps, values, strict=True))
    if len(points) <= MOST_POINTS:
        return points
    parts = np.array_split(np.arange(len(points)), MOST_POINTS // 2)
    chosen = {int(part[pick(values[part])]) for part in parts for pick in (np.argmin, np.argmax)}
    return [points[n] for n in sorted(chosen)]
