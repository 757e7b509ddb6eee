"""What the report says of further metrics, and of accuracy during training where the probe `continual` measured it."""

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
"""Of a line; of more measurements the least and the greatest of each stretch are drawn, so that no dip is lost."""
TICKS = (0, 20, 40, 60, 80, 100)

Value = tuple[float | None, float | None, int]
"""Mean and sample standard deviation over the seeds where the metric is defined, and how many these are."""


@dataclass(frozen=True)
class Table:
    """The further metrics of a stream's rows; those that are defined for a row at least."""

    title: str
    metrics: list[Metric]
    rows: list[tuple[str, list[Value]]]


def tables(records: Sequence[Record]) -> list[Table]:
    """A table a stream, in the table's order; none where no metric is defined."""
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
    """Accuracy on the tasks learned earlier while later ones are trained: a line a row of the table."""

    title: str
    up: list[tuple[float, str]]
    across: list[tuple[float, str]]  # steps of the run
    starts: list[float]  # where a phase begins
    lines: list[tuple[Style, str]]


def figures(records: Sequence[Record], looks: Mapping[Row, Style]) -> list[Figure]:
    """A figure a stream with measured runs of several phases, in the order of the records."""
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
    """Steps and the mean over the seeds of the mean accuracy on earlier tasks; None for runs of unlike steps."""
    curves = [_earlier(run) for run in runs]
    steps = curves[0][0]
    if any(other != steps for other, _ in curves):
        return None
    return steps, np.mean([values for _, values in curves], axis=0)


def _earlier(run: Record) -> tuple[list[int], list[float]]:
    """From the end of the first phase: the accuracy on the tasks learned by then, whose number grows by phases."""
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
