"""Render the report as one self-contained HTML file."""

import base64
import hashlib
from collections.abc import Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from benchmark import __version__
from benchmark.common import files as atomic
from benchmark.records.schema import Record
from benchmark.report import drawing, measured
from benchmark.report.data import Cell, Stream, streams
from benchmark.report.origins import origins
from benchmark.report.settings import marks
from benchmark.tables import table
from benchmark.tables.labels import row_label
from benchmark.tables.notes import caption, equal_note, order_note, pairs_note

DOWNLOADS = {"CSV": ("csv", "table.csv"), "LaTeX": ("latex", "table.tex"), "Markdown": ("markdown", "table.md")}


def write(records: Sequence[Record], path: Path) -> None:
    """Write the page to `path` atomically. Raises InputError if it cannot be written."""
    atomic.write(path, page(records).encode())


def page(records: Sequence[Record], expected_seeds: int = 5) -> str:
    """The HTML of these records' page.

    Text from records is escaped. A content security policy lets the page use only its own style sheet and script.
    expected_seeds: rows with fewer seeds are marked.
    """
    parts, titles = streams(records), table.titles(records)
    looks = drawing.styles(parts)
    style, script = _asset("report.css") + _sizes(parts), _asset("report.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            records=records,
            streams=parts,
            styles=looks,
            panels=drawing.panels(parts, looks),
            drawing=drawing,
            metric_tables=measured.tables(records),
            step_figures=measured.figures(records, looks),
            marks=marks([part.settings for part in parts]),
            origins=origins(records),
            downloads=_downloads(records, expected_seeds),
            expected_seeds=expected_seeds,
            caption=caption(table.frame(records), table.streams(records), expected_seeds),
            notes=(order_note, partial(pairs_note, titles=titles), partial(equal_note, titles=titles)),
            row_label=lambda method, variant: row_label(method, variant, titles.get(method)),
            best_first=best_first,
            version=__version__,
            policy=_policy(style, script),
            style=Markup(style),
            script=Markup(script),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("benchmark.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"seconds": seconds, "shade": shade, "counted": counted}
    return environment


def _downloads(records: Sequence[Record], expected_seeds: int) -> dict[str, tuple[str, str]]:
    """For each of DOWNLOADS: the file name, and the table as a data URL."""

    def address(form: str) -> str:
        return "data:text/plain;charset=utf-8," + quote(table.render(records, form, expected_seeds) + "\n")

    return {name: (file, address(form)) for name, (form, file) in DOWNLOADS.items()}


def _asset(name: str) -> str:
    return (files("benchmark.report") / "templates" / name).read_text(encoding="utf-8")


def _sizes(parts: Sequence[Stream]) -> str:
    """CSS that states the number of columns of each matrix size: the style sheet needs it for square cells."""
    sizes = sorted({len(cell.matrix) for part in parts for cell in part.cells})
    return "".join(f".n{size} {{ --n: {size} }}\n" for size in sizes)


def _policy(*contents: str) -> str:
    """The content security policy: only this style sheet and this script, by digest."""
    style, script = (base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in contents)
    return (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
        "base-uri 'none'; form-action 'none'"
    )


def best_first(part: Stream) -> list[Cell]:
    """The cells that have an average accuracy, sorted from the best to the worst."""
    drawn = [cell for cell in part.cells if cell.average_accuracy]
    return sorted(drawn, key=lambda cell: -cell.average_accuracy[-1][0])


def seconds(value: float) -> str:
    """Seconds with one decimal: "1,234.5"."""
    return f"{value:,.1f}"


def counted(number: int, thing: str) -> str:
    """A number with its noun: "1 run", "2 runs"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def shade(percent: float) -> int:
    """The index of an accuracy among the style sheet's 21 shades."""
    return round(percent / 5)
