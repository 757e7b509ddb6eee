"""The table's text: Markdown, LaTeX and HTML for reading, one part a stream; CSV and JSON, one row a cell."""

import html
import json
from collections.abc import Callable, Iterator

import pandas as pd
from tabulate import LATEX_ESCAPE_RULES, tabulate

from benchmark.catalogue import STREAMS
from benchmark.paper import PUBLISHED, SOURCE
from methods.catalogue import METHOD_ROWS

NONE = "–"


def row_label(method: str, variant: dict[str, object]) -> str:
    """What a row or a curve is called: the method's title, and in brackets the settings that were changed."""
    title = METHOD_ROWS[method].title if method in METHOD_ROWS else f"{method} (external)"
    return f"{title} [{variant_label(variant)}]" if variant else title


def variant_label(variant: dict[str, object]) -> str:
    """The changed settings as KEY=VALUE, as the command line takes them."""
    return " ".join(f"{name}={value}" for name, value in variant.items())


def stream_label(stream: str) -> str:
    """The stream's title; the id of one that is not the suite's own."""
    return STREAMS[stream].title if stream in STREAMS else stream


def _memoryless(method: str) -> str:
    if method not in METHOD_ROWS:
        return NONE
    return {True: "yes", False: "no", None: "n/a"}[METHOD_ROWS[method].memoryless]


def _figure(mean: float | None, std: float | None, digits: int) -> str:
    if mean is None or pd.isna(mean):
        return NONE
    return f"{mean:z.{digits}f}" + ("" if std is None or pd.isna(std) else f" ±{std:.2f}")


def _seeds(complete: int, diverged: int, expected: int) -> str:
    count = str(complete) if complete >= expected else f"{complete}/{expected}"
    return f"{count}, {diverged} diverged" if diverged else count


def _row(row: pd.Series, expected: int) -> list[str]:
    published = None if row["variant"] else PUBLISHED.get((row["method"], row["stream"]))
    paper = ("", "") if published is None else (
        _figure(published.accuracy, published.accuracy_std, 1),
        _figure(published.forgetting, published.forgetting_std, 2),
    )
    return [
        row_label(row["method"], row["variant"]), _memoryless(row["method"]),
        _figure(row["accuracy_mean"], row["accuracy_std"], 1), paper[0],
        _figure(row["forgetting_mean"], row["forgetting_std"], 2), paper[1],
        _seeds(row["seeds"], row["diverged"], expected),
    ]


HEADERS = ["method", "memoryless", "accuracy %", "paper", "forgetting", "paper", "seeds"]


def _blocks(cells: pd.DataFrame, expected: int) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Title, headers and rows of each stream; the paper's columns only where it has a figure."""
    for stream, part in cells.groupby("stream", sort=False):
        rows = [_row(row, expected) for _, row in part.iterrows()]
        shown = [n for n, header in enumerate(HEADERS) if header != "paper" or any(row[n] for row in rows)]
        yield stream_label(stream), [HEADERS[n] for n in shown], [[row[n] for n in shown] for row in rows]


def _caption(cells: pd.DataFrame, expected: int) -> str:
    sentences = [
        (True, "Accuracy: mean test accuracy over all tasks after the last one, in percent. "
               "Forgetting: mean over the earlier tasks of the best accuracy they had less the final one. "
               "±: sample standard deviation (n - 1) over the seeds counted in the last column, "
               "none for a single seed."),
        ((cells["seeds"] < expected).any(), f"n/{expected}: only n of {expected} seeds are complete."),
        (cells["diverged"].any(), "Diverged runs are counted, never averaged."),
        (cells["paper_accuracy"].notna().any(), f"Paper: {SOURCE}, ± over 5 runs."),
        (any(cells["variant"]), "[setting=value]: run with that change, so without the paper's figures."),
    ]
    return " ".join(sentence for holds, sentence in sentences if holds)


def _tabular(headers: list[str], rows: list[list[str]], form: str) -> str:
    align = ["left" if header in ("method", "memoryless") else "right" for header in headers]
    return tabulate(rows, headers=headers, tablefmt=form, disable_numparse=True, colalign=align)


def markdown(cells: pd.DataFrame, expected: int) -> str:
    """A pipe table a stream, then the caption."""
    def safe(text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")

    parts = [
        f"**{safe(title)}**\n\n" + _tabular(headers, [[*map(safe, row)] for row in rows], "pipe")
        for title, headers, rows in _blocks(cells, expected)
    ]
    return "\n\n".join([*parts, _caption(cells, expected)])


def latex(cells: pd.DataFrame, expected: int) -> str:
    """A table environment a stream, for the booktabs package."""
    def safe(text: str) -> str:
        return "".join(LATEX_ESCAPE_RULES.get(letter, letter) for letter in text)

    caption = safe(_caption(cells, expected))
    parts = [
        f"\\begin{{table}}\n\\centering\n\\caption{{{safe(title)}. {caption}}}\n"
        f"{_tabular(headers, rows, 'latex_booktabs')}\n\\end{{table}}"
        for title, headers, rows in _blocks(cells, expected)
    ]
    return "\n\n".join(parts).replace("±", "$\\pm$").replace(NONE, "--")


def html_page(cells: pd.DataFrame, expected: int) -> str:
    """A page that a browser opens from disk; everything from the records is escaped."""
    parts = [
        f"<h2>{html.escape(title)}</h2>\n{_tabular(headers, rows, 'html')}"
        for title, headers, rows in _blocks(cells, expected)
    ]
    head = '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Results</title>'
    return "\n".join([head, *parts, f"<p>{html.escape(_caption(cells, expected))}</p>", "</html>"])


def csv(cells: pd.DataFrame, expected: int) -> str:
    """A line a method, stream and variant, the numbers in full; `variant` as KEY=VALUE, empty if none."""
    return cells.assign(variant=cells["variant"].map(variant_label)).to_csv(index=False).rstrip("\n")


def json_list(cells: pd.DataFrame, expected: int) -> str:
    """A list of objects, one a method, stream and variant, the numbers in full; null where there is none."""
    whole = cells.astype(object)
    objects = whole.where(whole.notna(), None).to_dict("records")
    return json.dumps(objects, indent=1, allow_nan=False)


FORMATS: dict[str, Callable[[pd.DataFrame, int], str]] = {
    "markdown": markdown, "latex": latex, "csv": csv, "html": html_page, "json": json_list,
}
