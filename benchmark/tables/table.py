"""The table: records put together by method, stream and settings."""

import difflib
import json
import math
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from benchmark.records.derived import Metric
from benchmark.records.metrics import defined
from benchmark.records.mixtures import accuracies, equal, refused
from benchmark.records.schema import Record, Value
from benchmark.streams.kinds import STREAMS
from benchmark.tables.columns import names_of, of_row, of_run
from benchmark.tables.formats import FORMATS
from benchmark.tables.labels import LACKS
from benchmark.tables.published import PUBLISHED, Figure
from benchmark.tables.statistics import RANGES, Stream, pairs, rank_correlation, spread
from benchmark.tables.verdict import verdict
from methods.arguments import part_of
from methods.catalogue import METHOD_ROWS
from methods.errors import InputError
from methods.settings import settings_for

Variant = dict[str, Value]
Row = dict[str, object]  # of the table, by method and variant
Group = tuple[tuple[str, str, Variant], pd.DataFrame]
OF_STREAM = ("tasks", "train_examples", "epochs")
"""Runs that differ in these were not given the same task, whatever their methods."""
COLUMNS = [
    "method",
    "stream",
    "variant",
    "seeds",
    "diverged",
    "accuracy_mean",
    "accuracy_std",
    "accuracy_low",
    "accuracy_high",
    "forgetting_mean",
    "forgetting_std",
    "forgetting_low",
    "forgetting_high",
    "paper_accuracy",
    "paper_accuracy_std",
    "paper_forgetting",
    "paper_forgetting_std",
    "difference_accuracy",
    "difference_forgetting",
    "verdict",
]


def variants(records: Sequence[Record]) -> list[Variant]:
    """For each record the settings in which it is not the protocol's run, by name; {} for one that is.

    A method or stream from elsewhere has no protocol: those settings count that differ among its records. What makes
    a task, and how long it is trained, is still the stream's: on one from elsewhere it counts where it differs among
    the stream's records. Records have the same variant only where their settings are equal in everything.

    Raises InputError, one line that names two files, where these records must not be put together: see
    benchmark.records.mixtures.
    """
    for reason in refused(records):
        raise InputError(reason)
    cells = {(record.method, record.stream) for record in records}
    common = {cell: _common(records, *cell) for cell in cells}
    first: dict[tuple, Variant] = {}  # of equal ones, as {"x": 1} and {"x": 1.0}, all are shown as the first
    found = []
    for record in records:
        variant = _changes(record.settings, common[record.method, record.stream])
        found.append(first.setdefault((record.method, record.stream, *variant.items()), variant))
    return found


def _common(records: Sequence[Record], method: str, stream: str) -> Mapping[str, Value]:
    if method in METHOD_ROWS and stream in STREAMS:
        return dict(settings_for(method, stream))
    on_stream = [record for record in records if record.stream == stream]
    theirs = _shared([record.settings for record in on_stream if record.method == method])
    known = settings_for("naive", stream) if stream in STREAMS else _shared([record.settings for record in on_stream])
    return {name: value for name, value in theirs.items() if not _of_stream(name)} | {
        name: value for name, value in dict(known).items() if _of_stream(name)
    }


def _shared(settings: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    return {name: value for name, value in settings[0].items() if all(name in s and value == s[name] for s in settings)}


def _of_stream(name: str) -> bool:
    return name in OF_STREAM or name == "network" or part_of(name) in ("stream", "network")


def _changes(settings: Mapping[str, Value], common: Mapping[str, Value]) -> Variant:
    """The settings that are not the common ones. LACKS begins the name of an absent one, as None is a value."""
    return {
        name if name in settings else f"{LACKS}{name}": settings.get(name)
        for name in sorted(settings.keys() | common.keys())
        if name not in settings or name not in common or settings[name] != common[name]
    }


def frame(records: Sequence[Record], metrics: Sequence[Metric] = ()) -> pd.DataFrame:
    """One row a method, stream and variant, streams and methods in the paper's order, others after them.

    Columns: method, stream, variant (dict of changed settings), seeds (complete runs, those averaged),
    diverged (further runs); accuracy_* (percent) and forgetting_* (fraction): mean, std (sample standard deviation
    over seeds), low and high (95 % interval of the mean, cut to what the metric can be); forgetting is NaN for a
    single task, which has nothing to forget; paper_*: the published figure and its deviation;
    difference_*: ours less the paper's; verdict (see benchmark.tables.verdict). What there is not is NaN or None: std,
    low and high of a single run; whatever is the paper's unless at the protocol. title: of external methods that
    have one; there is no such column where none has. metrics: each adds NAME_mean, _std, _low and _high, percent where
    its unit is that, over the runs where it is defined, and NAME_seeds, their number.
    """
    rows = [_row(*group, metrics) for group in _groups(records, metrics)]
    cells, named = pd.DataFrame(rows, columns=[*COLUMNS, *names_of(metrics)]), titles(records)
    return cells.assign(title=cells["method"].map(named)) if named else cells


def titles(records: Sequence[Record]) -> dict[str, str]:
    """The titles that external methods give themselves, by id; of several the last one's."""
    return {record.method: record.about.title for record in records if record.about and record.about.title}


def streams(records: Sequence[Record]) -> list[Stream]:
    """Each stream's order beside the paper's, and which of its methods differ; in the table's order.

    Only complete runs at the protocol count: a row with changed settings may be another task altogether.
    """
    runs: dict[str, dict[str, dict[int, float]]] = {}
    rows: dict[str, dict[tuple[str, str], dict[int, str]]] = {}
    for (method, stream, variant), group in _groups(records):
        methods, finished = runs.setdefault(stream, {}), group[group["complete"]]
        rows.setdefault(stream, {})[method, json.dumps(variant)] = accuracies([records[place] for place in group.index])
        if not variant and len(finished):
            methods[method] = dict(zip(finished["seed"], 100 * finished["accuracy"], strict=True))
    return [_stream(stream, methods)._replace(equal=_equal(rows[stream])) for stream, methods in runs.items()]


def _equal(rows: Mapping[tuple[str, str], Mapping[int, str]]) -> list[tuple[Row, Row]]:
    return [
        tuple({"method": method, "variant": json.loads(variant)} for method, variant in pair) for pair in equal(rows)
    ]


def _stream(stream: str, methods: Mapping[str, Mapping[int, float]]) -> Stream:
    both = [method for method in methods if (method, stream) in PUBLISHED]
    ours = [sum(methods[method].values()) / len(methods[method]) for method in both]
    spearman = rank_correlation(ours, [PUBLISHED[method, stream].accuracy for method in both])
    return Stream(stream, spearman, len(both), pairs(methods))


def _groups(records: Sequence[Record], metrics: Sequence[Metric] = ()) -> Iterable[Group]:
    runs = pd.DataFrame(
        {
            "stream": [record.stream for record in records],
            "method": [record.method for record in records],
            "variant": [json.dumps(variant) for variant in variants(records)],
            "seed": [record.seed for record in records],
            "complete": [record.status == "complete" for record in records],
            "accuracy": [record.metrics.average_accuracy for record in records],
            "forgetting": [
                defined(dict(record.metrics), len(record.accuracy_matrix))["average_forgetting"] for record in records
            ],
            **of_run(records, metrics),
        }
    ).astype({"accuracy": float, "forgetting": float})
    groups = {key: group for key, group in runs.groupby(["stream", "method", "variant"])}
    for stream, method, variant in sorted(groups, key=_paper_order):
        yield (method, stream, json.loads(variant)), groups[stream, method, variant]


def _paper_order(key: tuple[str, str, str]) -> tuple:
    stream, method, variant = key
    places = [
        list(known).index(name) if name in known else len(known)
        for known, name in ((STREAMS, stream), (METHOD_ROWS, method))
    ]
    return places[0], stream, places[1], method, variant != "{}", variant


def _row(cell: tuple[str, str, Variant], runs: pd.DataFrame, metrics: Sequence[Metric]) -> dict[str, object]:
    method, stream, variant = cell
    finished = runs[runs["complete"]]
    accuracy, forgetting = 100 * finished["accuracy"], finished["forgetting"]
    return {
        "method": method,
        "stream": stream,
        "variant": variant,
        "seeds": len(finished),
        "diverged": len(runs) - len(finished),
        **spread("accuracy", accuracy, RANGES["accuracy"]),
        **spread("forgetting", forgetting, RANGES["forgetting"]),
        **of_row(finished, metrics),
        **_beside(None if variant else PUBLISHED.get((method, stream)), accuracy, forgetting),
    }


def _beside(paper: Figure | None, accuracy: pd.Series, forgetting: pd.Series) -> dict[str, float | str | None]:
    """The published figure and how far the runs are from it; nothing where there is none."""
    if paper is None:
        return {}
    mean, forgotten = accuracy.mean(), forgetting.mean()
    judged = len(accuracy) > 0 and not math.isnan(forgotten)
    return {
        **{f"paper_{name}": figure for name, figure in paper._asdict().items()},
        "difference_accuracy": mean - paper.accuracy,
        "difference_forgetting": forgotten - paper.forgetting,
        "verdict": verdict(mean, accuracy.std(ddof=1), forgotten, paper) if judged else None,
    }


def render(
    records: Sequence[Record], format: str = "markdown", expected_seeds: int = 5, metrics: Sequence[Metric] = ()
) -> str:
    """The table as text in one of FORMATS; a row of fewer than `expected_seeds` complete runs is marked.

    metrics: further columns, see `frame`.

    Raises InputError for an unknown format, and where there are no records.
    """
    if format not in FORMATS:
        near = difflib.get_close_matches(format, FORMATS, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(FORMATS)}"
        raise InputError(f"unknown format '{format}': {hint}")
    if not records:
        raise InputError("there are no records to show; make some with `python -m benchmark run`")
    return FORMATS[format](frame(records, metrics), streams(records), expected_seeds, metrics)
