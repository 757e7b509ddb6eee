"""The table of Avalanche's strategies in docs/avalanche.md, written from requirements.py and the library's signatures.

To write it into the document: python -m benchmark.training.avalanche.table docs/avalanche.md
"""

from __future__ import annotations

import benchmark.common.imports  # noqa: F401  (before avalanche)

import sys
from pathlib import Path

import avalanche.training.supervised as supervised

from benchmark.common.files import insert
from benchmark.training.avalanche.arguments import settings_model
from benchmark.training.avalanche.requirements import REQUIREMENTS, Requirement
from methods.settings import Settings

MARK = "strategies"
"""The document's lines <!-- strategies --> and <!-- /strategies --> hold the table."""

_HEADER = ("strategy", "works on", "arguments and their defaults", "needs, repairs, limits")


def table() -> str:
    """All strategies of avalanche.training.supervised as a Markdown table."""
    rows = [_HEADER, ("---",) * len(_HEADER), *(_row(name, needs) for name, needs in REQUIREMENTS.items())]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(name: str, needs: Requirement) -> tuple[str, ...]:
    if needs.refused:
        return name, "–", "", f"**Refused**: {needs.refused}."
    return name, ", ".join(needs.works_on), _arguments(name), " ".join(_remarks(needs))


def _arguments(name: str) -> str:
    given = REQUIREMENTS[name].defaults
    fields = settings_model(getattr(supervised, name)).model_fields
    own = {field: info for field, info in fields.items() if field not in Settings.model_fields}
    text = ", ".join(f"`{field}={info.default}`" for field, info in own.items())
    sources = {source for _, source in given.values()}
    return f"{text} ({', '.join(given)}: {', '.join(sorted(sources))})" if given else text


def _remarks(needs: Requirement) -> list[str]:
    said = []
    if needs.limit:
        said.append(f"No other streams: {needs.limit}.")
    if needs.network:
        said.append(f"Network: {needs.network}.")
    if needs.solver:
        package, extra = needs.solver.split()
        said.append(f"Needs `{package}` (the extra `{extra}`).")
    if needs.patch:
        said.append(f"Repaired: {needs.patch}.")
    if needs.note:
        said.append(f"{needs.note[0].upper()}{needs.note[1:]}.")
    return said


if __name__ == "__main__":
    insert(table(), Path(sys.argv[1]), MARK)
