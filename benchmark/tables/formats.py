"""The table's text: Markdown, LaTeX and HTML for reading, one part a stream; CSV and JSON for programs."""

import html
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd
from tabulate import LATEX_ESCAPE_RULES, tabulate

from benchmark.streams.kinds import STREAMS
from benchmark.tables.published import SOURCE
from benchmark.tables.statistics import SIGNIFICANCE, Stream
from benchmark.tables.verdict import ACCURACY_POINTS, DEVIATIONS, FORGETTING
from methods.catalogue import METHOD_ROWS, memoryless

NONE = "–"
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
    """The changed settings as KEY=VALUE, as the command line takes them."""
    return " ".join(f"{name}={value}" for name, value in variant.items())


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


def _row(row: pd.Series, expected: int, titles: Mapping[str, str]) -> list[str]:
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
        _seeds(row["seeds"], row["diverged"], expected),
    ]


class _Block(NamedTuple):
    """A stream as text; the notes are the sentences below its table."""

    title: str
    headers: list[str]
    rows: list[list[str]]
    notes: str


def _blocks(cells: pd.DataFrame, streams: Sequence[Stream], expected: int) -> Iterator[_Block]:
    titled = cells.dropna(subset="title") if "title" in cells else cells[:0]
    titles = dict(zip(titled["method"], titled.get("title", ()), strict=True))
    for stream in streams:
        part = cells[cells["stream"] == stream.stream]
        rows = [_row(row, expected, titles) for _, row in part.iterrows()]
        shown = [n for n, header in enumerate(HEADERS) if header not in OPTIONAL or any(row[n] for row in rows)]
        yield _Block(
            stream_label(stream.stream),
            [HEADERS[n] for n in shown],
            [[row[n] for n in shown] for row in rows],
            " ".join(filter(None, [order_note(stream), pairs_note(stream, titles)])),
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


def caption(cells: pd.DataFrame, streams: Sequence[Stream], expected: int) -> str:
    """What the columns mean, of those that are there."""
    tested = any(pair.p is not None for stream in streams for pair in stream.pairs)
    sentences = [
        (
            True,
            "Accuracy: mean test accuracy over all tasks after the last one, in percent. "
            "Forgetting: mean over the earlier tasks of the best accuracy they had less the final one. "
            "±: sample standard deviation (n - 1) over the seeds counted in the last column, "
            "none for a single seed.",
        ),
        (cells["accuracy_low"].notna().any(), "95 % interval: of the mean accuracy, by Student's t over these seeds."),
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
    ]
    return " ".join(sentence for holds, sentence in sentences if holds)


def _tabular(headers: list[str], rows: list[list[str]], form: str) -> str:
    align = ["left" if header in ("method", "memoryless") else "right" for header in headers]
    return tabulate(rows, headers=headers, tablefmt=form, disable_numparse=True, colalign=align)


def markdown(cells: pd.DataFrame, streams: Sequence[Stream], expected: int) -> str:
    """A pipe table a stream and its notes, then the caption."""

    def safe(text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("](", "]\\(")

    parts = []
    for title, headers, rows, notes in _blocks(cells, streams, expected):
        table = _tabular(headers, [[*map(safe, row)] for row in rows], "pipe")
        parts += [f"**{safe(title)}**", table, *filter(None, [safe(notes)])]
    return "\n\n".join([*parts, caption(cells, streams, expected)])


def latex(cells: pd.DataFrame, streams: Sequence[Stream], expected: int) -> str:
    """A table environment a stream, for the booktabs package; its notes end the caption."""

    def safe(text: str) -> str:
        return "".join(LATEX_ESCAPE_RULES.get(letter, letter) for letter in text)

    below = caption(cells, streams, expected)
    parts = [
        f"\\begin{{table}}\n\\centering\n\\caption{{{safe(' '.join(filter(None, [f'{title}.', below, notes])))}}}\n"
        f"{_tabular(headers, rows, 'latex_booktabs')}\n\\end{{table}}"
        for title, headers, rows, notes in _blocks(cells, streams, expected)
    ]
    return "\n\n".join(parts).replace("±", "$\\pm$").replace(NONE, "--")


def html_page(cells: pd.DataFrame, streams: Sequence[Stream], expected: int) -> str:
    """A page that a browser opens from disk; everything from the records is escaped."""
    parts = []
    for title, headers, rows, notes in _blocks(cells, streams, expected):
        parts += [f"<h2>{html.escape(title)}</h2>", _tabular(headers, rows, "html")]
        parts += [f"<p>{html.escape(notes)}</p>"] if notes else []
    head = '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Results</title>'
    return "\n".join([head, *parts, f"<p>{html.escape(caption(cells, streams, expected))}</p>", "</html>"])


def csv(cells: pd.DataFrame, streams: Sequence[Stream], expected: int) -> str:
    """A line a method, stream and variant, the numbers in full; `variant` as KEY=VALUE, empty if none."""
    return cells.assign(variant=cells["variant"].map(variant_label)).to_csv(index=False).rstrip("\n")


def json_object(cells: pd.DataFrame, streams: Sequence[Stream], expected: int) -> str:
    """{"cells": an object a method, stream and variant, "streams": an object a stream, with its pairs of methods}.

    The numbers in full; null where there is none.
    """
    whole = cells.astype(object)
    objects = whole.where(whole.notna(), None).to_dict("records")
    together = [stream._asdict() | {"pairs": [pair._asdict() for pair in stream.pairs]} for stream in streams]
    return json.dumps({"cells": objects, "streams": together}, indent=1, allow_nan=False)


FORMATS: dict[str, Callable[[pd.DataFrame, Sequence[Stream], int], str]] = {
    "markdown": markdown,
    "latex": latex,
    "csv": csv,
    "html": html_page,
    "json": json_object,
}
