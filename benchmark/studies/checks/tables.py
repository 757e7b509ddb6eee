"""Rebuild the committed tables from the committed records and compare them."""

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from benchmark.common.files import inserted
from benchmark.records.store import GPU_FOLDER, SEARCH_FOLDER, load_all
from benchmark.records.verify import verify
from benchmark.streams.kinds import PAPER_STREAMS
from benchmark.studies import trials
from benchmark.tables.table import render
from methods.catalogue import METHOD_ROWS

TABLES = {"table2.md": "markdown", "table2.csv": "csv", "table2.json": "json"}
TOLERANCE = 1e-9
"""Relative difference that is allowed in the last digits on another machine. Rounded figures must be equal."""
Committed = tuple[Path, str, str, str]
"""A committed table: its path, its text, the text that the records give, and the command that makes it."""

_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)")


@dataclass(frozen=True)
class Findings:
    """One line for each difference, and how many records and tables were compared."""

    lines: list[str]
    records: int
    tables: int


def recompute(results: Path) -> Findings:
    """Verify every record, those of the search and of a GPU included, and rebuild the tables made from them.

    The tables are table2.md, .csv and .json in the results directory and, in the folder that holds this directory,
    the marked table of README.md and the marked tables of the search in docs/reproduction.md.
    Raises InputError if there is no such directory.
    """
    found = verify(results)
    further = [verify(results / name) for name in (SEARCH_FOLDER, GPU_FOLDER) if (results / name).is_dir()]
    unsound = [f"unsound: {line}" for part in (found, *further) for line in part.unsound]
    if unsound:
        return Findings(unsound, found.records, 0)
    lines, tables = [], 0
    for place, kept, made, command in chain(_of_records(results), _of_search(results)):
        tables += 1
        difference = differing(kept, made)
        if difference:
            lines.append(f"{place}: {difference}; make it again: {command}")
    return Findings(lines, found.records, tables)


def _of_records(results: Path) -> Iterator[Committed]:
    records = load_all(results)

    def made(form: str) -> str:
        return render(records, form) if records else ""

    for name, form in TABLES.items():
        if (results / name).is_file():
            kept = (results / name).read_text(encoding="utf-8", errors="replace")
            yield results / name, kept, made(form), "make table2"
    readme = _next_to(results, "README.md")
    kept = _between(readme, "table")
    if kept is not None:
        yield readme, kept, made("markdown"), "make table2"


def _of_search(results: Path) -> Iterator[Committed]:
    document = _next_to(results, "docs/reproduction.md")
    for stream in PAPER_STREAMS:
        kept = _between(document, f"search {stream}")
        if kept is not None:
            made = trials.text(list(METHOD_ROWS), stream, results)
            yield document, kept, made, "python -m benchmark tune --insert docs/reproduction.md"


def _next_to(results: Path, name: str) -> Path:
    return Path(os.path.normpath(results / ".." / name))


def _between(document: Path, mark: str) -> str | None:
    return inserted(document, mark) if document.is_file() else None


def differing(kept: str, made: str) -> str | None:
    """Describe the first line in which two tables differ; None if they agree within TOLERANCE."""
    before, after = kept.strip().splitlines(), made.strip().splitlines()
    for number, (old, new) in enumerate(zip(before, after), start=1):
        if not _agree(old, new):
            return f"line {number} reads {_cut(old)!r}, the records give {_cut(new)!r}"
    if len(before) != len(after):
        return f"it has {len(before)} lines, the records give {len(after)}"
    return None


def _agree(old: str, new: str) -> bool:
    if old == new:
        return True
    ours, theirs = _NUMBER.split(old), _NUMBER.split(new)
    return ours[::2] == theirs[::2] and all(
        math.isclose(float(a), float(b), rel_tol=TOLERANCE, abs_tol=1e-12)
        for a, b in zip(ours[1::2], theirs[1::2], strict=True)
    )


def _cut(line: str) -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in line)
    return shown if len(shown) <= 120 else f"{shown[:117]}..."
