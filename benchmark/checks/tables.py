"""The committed tables made again from the committed records."""

import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmark.insertion import inserted
from benchmark.records import load_all
from benchmark.table import render
from benchmark.verify import verify

TABLES = {"table2.md": "markdown", "table2.csv": "csv", "table2.json": "json"}
TOLERANCE = 1e-9
"""Relative: what another machine's last digits may differ by. A printed figure has fewer digits, so it may not."""
_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)")


@dataclass(frozen=True)
class Findings:
    """What differs, a line each, and what was made again."""

    lines: list[str]
    records: int
    tables: int


def recompute(results: Path) -> Findings:
    """Read every record with the checks of `verify` and make again the tables that lie beside them.

    These are table2.md, .csv and .json, and the table between the marks of a README.md next to the directory.
    Raises InputError where there is no such directory.
    """
    found = verify(results)
    if found.unsound:
        return Findings([f"unsound: {line}" for line in found.unsound], found.records, 0)
    records = load_all(results)
    lines, tables = [], 0
    for place, form, text in _committed(results):
        tables += 1
        made = render(records, form) if records else ""
        difference = differing(text, made)
        if difference:
            lines.append(f"{place}: {difference}; make it again: make table2")
    return Findings(lines, found.records, tables)


def _committed(results: Path) -> Iterator[tuple[Path, str, str]]:
    """Place, format and text of each table kept."""
    for name, form in TABLES.items():
        if (results / name).is_file():
            yield results / name, form, (results / name).read_text(encoding="utf-8", errors="replace")
    readme = Path(os.path.normpath(results / ".." / "README.md"))
    text = inserted(readme, "table") if readme.is_file() else None
    if text is not None:
        yield readme, "markdown", text


def differing(kept: str, made: str) -> str | None:
    """The first line in which two tables differ, described; None where they agree within TOLERANCE."""
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
