"""The table's text: Markdown, LaTeX and HTML for reading, one part a stream; CSV and JSON for programs."""

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd
from tabulate import LATEX_ESCAPE_RULES, tabulate

from benchmark.records.derived import Metric
from benchmark.streams.kinds import STREAMS
from benchmark.tables.columns import meanings, shown
from benchmark.tables.published import SOURCE
from benchmark.tables.statistics import RANGES, SIGNIFICANCE, Stream
from benchmark.tables.verdict import ACCURACY_POINTS, DEVIATIONS, FORGETTING
from methods.catalogue import METHOD_ROWS, memoryless

NONE = "–"
LACKS = "without "
"""Begins the name of a setting that others have and these runs have not."""
_UNCLEAR, _WORDS = re.compile(r"[\s=\[\]'\"]|^$"), ("None", "True", "False")
VERDICT = (
    f"Verdict: reproduced where accuracy is within {ACCURACY_POINTS:g} points of the paper's, or within "
    f"{DEVIATIONS:g} combined standard deviations, and forgetting within {FORGETTING:g}."
)


def row_label(method: str, variant: dict[str, object], title: str | None = None) -> str:
    """What a row or a curve is called: the method's title, and in brackets the settings that were changed.

    title: of an external method; by default its id.
    """
    title = METHOD_ROWS[method].title if method in METHOD_ROWS else f"{title or method} (external)"
    return f"{title} [{variant_label(variant)}]" if variant else title


def variant_label(variant: dict[str, object]) -> str:
    """The changed settings as KEY=VALUE, as the command line takes them; different settings give different texts."""
    return " ".join(name if name.startswith(LACKS) else f"{name}={_value(value)}" for name, value in variant.items())


def _value(value: object) -> str:
    """Text that could be taken for a number, None or two settings stands in quotes."""
    if not isinstance(value, str):
        return str(value)
    return repr(value) if _UNCLEAR.search(value) or value in _WORDS or _reads_as_number(value) else value


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def stream_label(stream: str) -> str:
    """The stream's title; the id of one that is not the suite's own."""
    return STREAMS[stream].title if stream in STREAMS else stream


def _figure(mean: float | None, std: float | None, digits: int) -> str:
    if mean is None or pd.isna(mean):
        return NONE
    return f"{mean:z.{digits}f}" + ("" if std is None or pd.isna(std) else f" ±{std:.2f}")


def _range(low: float, high: float) -> str:
    return "" if pd.isna(low) else f"{low:z.1f}–{high:z.1f}"


def _seeds(complete: int, diverged: int, expected: int) -> str:
    count = str(complete) if complete >= expected else f"{complete}/{expected}"
    return f"{count}, {diverged} diverged" if diverged else count


HEADERS = ["method", "memoryless", "accuracy %", "95 % interval", "paper", "forgetting", "paper", "verdict", "seeds"]
OPTIONAL = ("95 % interval", "paper", "verdict")  # shown where a row of the stream has one


def _row(row: pd.Series, expected: int, titles: Mapping[str, str], metrics: Sequence[Metric]) -> list[str]:
    paper = (
        ("", "")
        if pd.isna(row["paper_accuracy"])
        else (
            _figure(row["paper_accuracy"], row["paper_accuracy_std"], 1),
            _figure(row["paper_forgetting"], row["paper_forgetting_std"], 2),
        )
    )
    return [
        row_label(row["method"], row["variant"], titles.get(row["method"])),
        memoryless(row["method"]),
        _figure(row["accuracy_mean"], row["accuracy_std"], 1),
        _range(row["accuracy_low"], row["accuracy_high"]),
        paper[0],
        _figure(row["forgetting_mean"], row["forgetting_std"], 2),
        paper[1],
        "" if pd.isna(row["verdict"]) else row["verdict"],
        *(shown(row, metric, _figure) for metric in metrics),
        _seeds(row["seeds"], row["diverged"], expected),
    ]


class _Block(NamedTuple):
    """A stream as text; the notes are the sentences below its table."""

    title: str
    headers: list[str]
    rows: list[list[str]]
    notes: str


def _blocks(
    cells: pd.DataFrame, streams: Sequence[Stream], expected: int, metrics: Sequence[Metric]
) -> Iterator[_Block]:
    titled = cells.dropna(subset="title") if "title" in cells else cells[:0]
    titles = dict(zip(titled["method"], titled.get("title", ()), strict=True))
    headers = [*HEADERS[:-1], *(metric.header for metric in metrics), HEADERS[-1]]
    for stream in streams:
        part = cells[cells["stream"] == stream.stream]
        rows = [_row(row, expected, titles, metrics) for _, row in part.iterrows()]
        there = [n for n, header in enumerate(headers) if header not in OPTIONAL or any(row[n] for row in rows)]
        yield _Block(
            stream_label(stream.stream),
            [headers[n] for n in there],
            [[row[n] for n in there] for row in rows],
            " ".join(filter(None, [order_note(stream), pairs_note(stream, titles), equal_note(stream, titles)])),
        )


def order_note(stream: Stream) -> str:
    """How our order of the methods agrees with the paper's; nothing where there is too little to order."""
    if stream.spearman is None:
        return ""
    return (
        f"Order by accuracy beside the paper's: Spearman's correlation {stream.spearman:z.2f} "
        f"over {stream.spearman_methods} methods."
    )


def pairs_note(stream: Stream, titles: Mapping[str, str] = MappingProxyType({})) -> str:
    """Which of the stream's methods do not differ beyond noise; nothing where there is nothing to compare.

    titles: of external methods, by id.
    """
    tested = [pair for pair in stream.pairs if pair.p is not None]
    if not tested:
        return "Pairs of methods: none has two common seeds to compare." if stream.pairs else ""
    fewest, most = min(pair.seeds for pair in tested), max(pair.seeds for pair in tested)
    seeds = str(most) if fewest == most else f"{fewest} to {most}"
    alike = [pair for pair in tested if not pair.differ]
    found = f"{len(tested) - len(alike)} of {len(tested)} differ beyond noise"
    if 0 < len(alike) < len(tested):
        names = (
            " and ".join(row_label(method, {}, titles.get(method)) for method in (pair.first, pair.second))
            for pair in alike
        )
        found += f"; no difference beyond noise: {'; '.join(names)}"
    untested = len(stream.pairs) - len(tested)
    rest = f" Without two common seeds, not compared: {untested} more." if untested else ""
    return f"Pairs of methods, over {seeds} common seeds: {found}.{rest}"


def equal_note(stream: Stream, titles: Mapping[str, str] = MappingProxyType({})) -> str:
    """Which rows of the stream are equal in every accuracy; nothing where none are.

    titles: of external methods, by id.
    """
    named = (
        " and ".join(row_label(row["method"], row["variant"], titles.get(row["method"])) for row in pair)
        for pair in stream.equal
    )
    both = "; ".join(named)
    return f"Equal in every accuracy at all common seeds: {both}." if both else ""


def _cut(cells: pd.DataFrame) -> bool:
    """Whether an interval of accuracy reached beyond what an accuracy can be."""
    low, high = RANGES["accuracy"]
    return bool(((cells["accuracy_std"] > 0) & ((cells["accuracy_low"] <= low) | (cells["accuracy_high"] >= high))).any())


def caption(cells: pd.DataFrame, streams: Sequence[Stream], expected: int, metrics: Sequence[Metric] = ()) -> str:
    """What the columns mean, of those that are there."""
    tested = any(pair.p is not None for stream in streams for pair in stream.pairs)
    undefined = (cells["seeds"] > 0) & cells["forgetting_mean"].isna()
    sentences = [
        (
            True,
            "Accuracy: mean test accuracy over all tasks after the last one, in percent. "
            "Forgetting: mean over the earlier tasks of the best accuracy they had less the final one. "
            "±: sample standard deviation (n - 1) over the seeds counted in the last column, "
            "none for a single seed.",
        ),
        (cells["accuracy_low"].notna().any(), "95 % interval: of the mean accuracy, by Student's t over these seeds."),
        (_cut(cells), "Intervals are cut at 0 and 100 %, beyond which there is no accuracy."),
        (undefined.any(), f"{NONE} for forgetting: undefined, as a single task has nothing to forget."),
        ((cells["seeds"] < expected).any(), f"n/{expected}: only n of {expected} seeds are complete."),
        (cells["diverged"].any(), "Diverged runs are counted, never averaged."),
        (cells["paper_accuracy"].notna().any(), f"Paper: {SOURCE}, ± over 5 runs."),
        (cells["verdict"].notna().any(), VERDICT),
        (
            tested,
            f"Beyond noise: paired t-test of the accuracies, p < {SIGNIFICANCE} after Holm's correction over "
            "the stream's pairs; it takes the differences between seeds to be normally distributed.",
        ),
        (any(cells["variant"]), "[setting=value]: run with that change, so without the paper's figures."),
        *((True, sentence) for sentence in meanings(metrics)),
    ]
    return " ".join(sentence for holds, sentence in sentences if holds)


def _tabular(headers: list[str], rows: list[list[str]], form: str) -> str:
    align = ["left" if header in ("method", "memoryless") else "right" for header in headers]
    return tabulate(rows, headers=headers, tablefmt=form, disable_numparse=True, colalign=align)


def markdown(cells: pd.DataFrame, streams: Sequence[Stream], expected: int, metrics: Sequence[Metric] = ()) -> str:
    """A pipe table a stream and its notes, then the caption."""

    def safe(text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("](", "]\\(")

    parts = []
    for title, headers, rows, notes in _blocks(cells, streams, expected, metrics):
        table = _tabular(headers, [[*map(safe, row)] for row in rows], "pipe")
        parts += [f"**{safe(title)}**", table, *filter(None, [safe(notes)])]
    return "\n\n".join([*parts, caption(cells, streams, expected, metrics)])


def latex(cells: pd.DataFrame, streams: Sequence[Stream], expected: int, metrics: Sequence[Metric] = ()) -> str:
    """A table environment a stream, for the booktabs package; its notes end the caption."""

    def safe(text: str) -> str:
        return "".join(LATEX_ESCAPE_RULES.get(letter, letter) for letter in text)

    below = caption(cells, streams, expected, metrics)
    parts = [
        f"\\begin{{table}}\n\\centering\n\\caption{{{safe(' '.join(filter(None, [f'{title}.', below, notes])))}}}\n"
        f"{_tabular(headers, rows, 'latex_booktabs')}\n\\end{{table}}"
        for title, headers, rows, notes in _blocks(cells, streams, expected, metrics)
    ]
    return "\n\n".join(parts).replace("±", "$\\pm$").replace(NONE, "--")


def html_page(cells: pd.DataFrame, streams: Sequence[Stream], expected: int, metrics: Sequence[Metric] = ()) -> str:
    """A page that a browser opens from disk; everything from the records is escaped."""
    parts = []
    for title, headers, rows, notes in _blocks(cells, streams, expected, metrics):
        parts += [f"<h2>{html.escape(title)}</h2>", _tabular(headers, rows, "html")]
        parts += [f"<p>{html.escape(notes)}</p>"] if notes else []
    head = '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Results</title>'
    return "\n".join([head, *parts, f"<p>{html.escape(caption(cells, streams, expected, metrics))}</p>", "</html>"])


def csv(cells: pd.DataFrame, streams: Sequence[Stream], expected: int, metrics: Sequence[Metric] = ()) -> str:
    """A line a method, stream and variant, the numbers in full; `variant` as KEY=VALUE, empty if none."""
    return cells.assign(variant=cells["variant"].map(variant_label)).to_csv(index=False).rstrip("\n")


def json_object(cells: pd.DataFrame, streams: Sequence[Stream], expected: int, metrics: Sequence[Metric] = ()) -> str:
    """{"cells": an object a method, stream and variant, "streams": an object a stream, with its pairs of methods}.

    The numbers in full; null where there is none.
    """
    whole = cells.astype(object)
    objects = whole.where(whole.notna(), None).to_dict("records")
    return json.dumps({"cells": objects, "streams": [*map(_together, streams)]}, indent=1, allow_nan=False)


def _together(stream: Stream) -> dict[str, object]:
    """A stream as an object; `equal`, the rows that are equal in every accuracy, is left out where there are none."""
    said = stream._asdict() | {"pairs": [pair._asdict() for pair in stream.pairs]}
    return {name: value for name, value in said.items() if name != "equal" or value}


FORMATS: dict[str, Callable[[pd.DataFrame, Sequence[Stream], int, Sequence[Metric]], str]] = {
    "markdown": markdown,
    "latex": latex,
    "csv": csv,
    "html": html_page,
    "json": json_object,
}
