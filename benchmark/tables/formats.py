"""The table's text: Markdown, LaTeX and HTML for reading, one part a stream; CSV and JSON for programs."""

import html
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import pandas as pd
from tabulate import LATEX_ESCAPE_RULES, tabulate

from benchmark.records.derived import Metric
from benchmark.tables.columns import shown
from benchmark.tables.labels import row_label, stream_label, variant_label
from benchmark.tables.notes import NONE, caption, equal_note, order_note, pairs_note
from benchmark.tables.statistics import Stream
from methods.catalogue import memoryless


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
