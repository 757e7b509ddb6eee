"""The content of the report as plain data, computed from records and independent of HTML."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.records.metrics import average_accuracies, met, task_forgetting
from benchmark.records.schema import Record
from benchmark.report.settings import Grid, grid
from benchmark.streams.kinds import STREAMS
from benchmark.tables.labels import row_label, stream_label
from benchmark.tables.published import PUBLISHED, Figure
from benchmark.tables.statistics import Stream as Statistics
from benchmark.tables.table import frame, variants
from benchmark.tables.table import streams as statistics
from methods.catalogue import memoryless

Points = list[tuple[float, float | None]]
"""For each task: the mean over seeds and the sample standard deviation, None for a single seed."""


@dataclass(frozen=True)
class Cell:
    """A row of the table: the runs of a method on a stream under the same settings."""

    method: str
    label: str
    memoryless: str  # yes, no, n/a, or – for an external method
    variant: bool  # whether settings differ from the protocol
    row: Mapping[str, object]  # a row of benchmark.tables.table.frame, with None for missing values
    published: Figure | None
    seeds: list[int]  # seeds of the complete runs; everything below is a mean over these
    average_accuracy: Points  # A_t, percent
    matrix: list[list[float]]  # [T, T]: mean of a[t, i], percent; NaN where task i is not seen yet
    forgetting: Points  # by task, fractions
    seconds: tuple[float, float, float] | None  # of a run: mean, minimum, maximum
    unlike: bool  # the complete runs have different numbers of tasks, so there are no means by task

    @property
    def place(self) -> tuple[str, str]:
        """Method and label, which identify the row on every stream."""
        return self.method, self.label


@dataclass(frozen=True)
class Stream:
    """A task stream and its part of the table."""

    id: str
    title: str
    source: str  # how the stream is drawn; empty for an external stream
    cells: list[Cell]
    statistics: Statistics
    settings: Grid
    machines: int  # kinds of machine among its complete runs; with more than one, times are not comparable


def streams(records: Sequence[Record]) -> list[Stream]:
    """The streams and their rows, in the order of the table."""
    runs: dict[str, list[Record]] = {}
    for record, variant in zip(records, variants(records), strict=True):
        runs.setdefault(_key(record.stream, record.method, variant), []).append(record)
    parts: dict[str, list[tuple[Cell, list[Record]]]] = {}
    for row in _rows(frame(records)):
        mine = runs[_key(row["stream"], row["method"], row["variant"])]
        parts.setdefault(row["stream"], []).append((_cell(row, mine), mine))
    return [_stream(said, parts[said.stream]) for said in statistics(records)]


def _key(stream: str, method: str, variant: Mapping[str, object]) -> str:
    return json.dumps([stream, method, variant])


def _rows(cells: pd.DataFrame) -> Iterator[dict[str, object]]:
    whole = cells.astype(object)
    yield from whole.where(whole.notna(), None).to_dict("records")


def _stream(said: Statistics, part: list[tuple[Cell, list[Record]]]) -> Stream:
    name = said.stream
    complete = [run for _, runs in part for run in runs if run.status == "complete"]
    machines = {(run.provenance.processor, run.provenance.device, run.provenance.threads) for run in complete}
    return Stream(
        id=name,
        title=stream_label(name),
        source=STREAMS[name].source if name in STREAMS else "",
        cells=[cell for cell, _ in part],
        statistics=said,
        settings=grid(name, [(cell.method, runs[0].settings) for cell, runs in part]),
        machines=len(machines),
    )


def _cell(row: Mapping[str, object], runs: Sequence[Record]) -> Cell:
    method, stream, variant = row["method"], row["stream"], row["variant"]
    complete = [run for run in runs if run.status == "complete"]
    seconds = [run.seconds for run in complete]
    unlike = len({len(run.accuracy_matrix) for run in complete}) > 1
    matrices = np.array([met(run.accuracy_matrix) for run in complete if not unlike])
    return Cell(
        method=method,
        label=row_label(method, variant, row.get("title")),
        variant=bool(variant),
        row=row,
        memoryless=memoryless(method),
        published=None if variant else PUBLISHED.get((method, stream)),
        seeds=sorted(run.seed for run in complete),
        average_accuracy=_points([100 * average_accuracies(a) for a in matrices]),
        matrix=(100 * matrices.mean(axis=0)).tolist() if len(matrices) else [],
        forgetting=_points([task_forgetting(a) for a in matrices]),
        seconds=(float(np.mean(seconds)), min(seconds), max(seconds)) if seconds else None,
        unlike=unlike,
    )


def _points(runs: Sequence[np.ndarray]) -> Points:
    """Mean and sample standard deviation of [S, n] over the S seeds."""
    if not len(runs):
        return []
    means = np.mean(runs, axis=0).tolist()
    spreads = np.std(runs, axis=0, ddof=1).tolist() if len(runs) > 1 else [None] * len(means)
    return list(zip(means, spreads, strict=True))
