"""The table: records put together by method, stream and settings."""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from benchmark.catalogue import STREAMS
from benchmark.paper import PUBLISHED
from benchmark.records import Record, Value
from benchmark.render import FORMATS
from methods.catalogue import METHOD_ROWS
from methods.errors import InputError
from methods.settings import settings_for

Variant = dict[str, Value]
COLUMNS = [
    "method", "stream", "variant", "seeds", "diverged", "accuracy_mean", "accuracy_std",
    "forgetting_mean", "forgetting_std", "paper_accuracy", "paper_forgetting",
]


def variants(records: Sequence[Record]) -> list[Variant]:
    """For each record the settings in which it is not the protocol's run, by name; {} for one that is.

    A method or stream from elsewhere has no protocol: those settings count that differ among its records.
    """
    pairs = {(record.method, record.stream) for record in records}
    common = {pair: _common(records, *pair) for pair in pairs}
    return [_changes(record.settings, common[record.method, record.stream]) for record in records]


def _common(records: Sequence[Record], method: str, stream: str) -> Mapping[str, Value]:
    if method in METHOD_ROWS and stream in STREAMS:
        return dict(settings_for(method, stream))
    theirs = [r.settings for r in records if (r.method, r.stream) == (method, stream)]
    return {name: value for name, value in theirs[0].items() if all(value == s.get(name) for s in theirs)}


def _changes(settings: Mapping[str, Value], common: Mapping[str, Value]) -> Variant:
    names = sorted(settings.keys() | common.keys())
    return {name: settings.get(name) for name in names if settings.get(name) != common.get(name)}


def frame(records: Sequence[Record]) -> pd.DataFrame:
    """One row a method, stream and variant, streams and methods in the paper's order, others after them.

    Columns: method, stream, variant (dict of changed settings), seeds (complete runs, those averaged),
    diverged (further runs), accuracy_mean, accuracy_std (percent), forgetting_mean, forgetting_std (fraction;
    std: sample standard deviation over seeds), paper_accuracy, paper_forgetting (NaN unless at the protocol).
    """
    rows = [_row(*group) for group in _groups(records)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _groups(records: Sequence[Record]) -> Iterable[tuple[tuple[str, str, Variant], pd.DataFrame]]:
    runs = pd.DataFrame(
        {
            "stream": [record.stream for record in records],
            "method": [record.method for record in records],
            "variant": [json.dumps(variant) for variant in variants(records)],
            "complete": [record.status == "complete" for record in records],
            "accuracy": [record.metrics.average_accuracy for record in records],
            "forgetting": [record.metrics.average_forgetting for record in records],
        }
    ).astype({"accuracy": float, "forgetting": float})
    groups = {key: group for key, group in runs.groupby(["stream", "method", "variant"])}
    for stream, method, variant in sorted(groups, key=_paper_order):
        yield (method, stream, json.loads(variant)), groups[stream, method, variant]


def _paper_order(key: tuple[str, str, str]) -> tuple:
    stream, method, variant = key
    places = [list(known).index(name) if name in known else len(known)
              for known, name in ((STREAMS, stream), (METHOD_ROWS, method))]
    return places[0], stream, places[1], method, variant != "{}", variant


def _row(cell: tuple[str, str, Variant], runs: pd.DataFrame) -> dict[str, object]:
    method, stream, variant = cell
    finished = runs[runs["complete"]]
    accuracy, forgetting = 100 * finished["accuracy"], finished["forgetting"]
    paper = None if variant else PUBLISHED.get((method, stream))
    return {
        "method": method, "stream": stream, "variant": variant,
        "seeds": len(finished), "diverged": len(runs) - len(finished),
        "accuracy_mean": accuracy.mean(), "accuracy_std": accuracy.std(ddof=1),
        "forgetting_mean": forgetting.mean(), "forgetting_std": forgetting.std(ddof=1),
        "paper_accuracy": paper and paper.accuracy, "paper_forgetting": paper and paper.forgetting,
    }


def render(records: Sequence[Record], format: str = "markdown", expected_seeds: int = 5) -> str:
    """The table as text in one of FORMATS; a row of fewer than `expected_seeds` complete runs is marked.

    Raises InputError for an unknown format, and where there are no records.
    """
    if format not in FORMATS:
        near = difflib.get_close_matches(format, FORMATS, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(FORMATS)}"
        raise InputError(f"unknown format '{format}': {hint}")
    if not records:
        raise InputError("there are no records to show; make some with `python -m benchmark run`")
    return FORMATS[format](frame(records), expected_seeds)
