"""Further columns of the table: metrics over the runs of a row, asked for by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from benchmark.records.derived import Metric, metrics, metrics_of_file
from benchmark.streams.names import is_file
from methods.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.records.schema import Record

PARTS = ("mean", "std", "low", "high", "seeds")


def named(names: Sequence[str]) -> list[Metric]:
    """The metrics of these names, each once; a Python file stands for all that it holds.

    Raises InputError, with the nearest known name, for an unknown one.
    """
    return list({each.name: each for name in names for each in _named(name)}.values())


def _named(name: str) -> list[Metric]:
    if is_file(name):
        return metrics_of_file(name)
    known = metrics()
    if name not in known:
        near = difflib.get_close_matches(name.lower().replace(" ", "_").replace("-", "_"), known, 1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"choose from {', '.join(known)}"
        raise InputError(f"--columns: there is no metric '{name}', {hint}")
    return [known[name]]


def names_of(chosen: Sequence[Metric]) -> list[str]:
    """What the columns of these metrics are called in CSV and JSON."""
    return [f"{metric.name}_{part}" for metric in chosen for part in PARTS]


def of_run(records: Sequence[Record], chosen: Sequence[Metric]) -> dict[str, list[float]]:
    """The metrics of each run, by name."""
    return {metric.name: [metric(record) for record in records] for metric in chosen}


def of_row(runs: pd.DataFrame, chosen: Sequence[Metric]) -> dict[str, float]:
    """The columns of a row, over the complete runs where the metric is defined; how many these are is the last."""
    from benchmark.tables.statistics import RANGES, spread

    row: dict[str, float] = {}
    for metric in chosen:
        values = metric.scale * runs[metric.name].dropna().astype(float)
        own = metric.unit == "%" and metric.function.__module__.startswith("benchmark.")  # an accuracy
        row |= spread(metric.name, values, RANGES["accuracy"] if own else None) | {f"{metric.name}_seeds": len(values)}
    return row


def meanings(chosen: Sequence[Metric]) -> Iterator[str]:
    """What each column means, for the caption."""
    for metric in chosen:
        source = f" ({metric.source})" if metric.source else ""
        yield f"{metric.title[:1].upper()}{metric.title[1:]}: {metric.about.rstrip('.') or metric.name}{source}."


def shown(row: Mapping[str, object], metric: Metric, figure: Callable[..., str]) -> str:
    """The cell of a metric in a row, by `figure`(mean, std, digits); fewer seeds than the row has are told."""
    text = figure(row[f"{metric.name}_mean"], row[f"{metric.name}_std"], 1 if metric.unit == "%" else 2)
    count = row[f"{metric.name}_seeds"]
    return text if count in (0, row["seeds"]) else f"{text} ({count} of {row['seeds']} seeds)"
