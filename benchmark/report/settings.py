"""The settings of the table's rows, with a mark for the source of each value."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from benchmark.records.schema import Value
from benchmark.streams.kinds import STREAMS
from methods.catalogue import METHOD_ROWS
from methods.settings import settings_for, sources_for

CHANGED = "changed for these runs"

Entry = tuple[str, str]
"""A value as text, and its source; "" if the source is unknown."""


@dataclass(frozen=True)
class Grid:
    """The settings of a stream by name, with one entry for each row of the table."""

    entries: dict[str, list[Entry]]

    def common(self, name: str) -> Entry | None:
        """The entry of a setting if there are several rows and all share it, else None."""
        first, *others = self.entries[name]
        return first if others and all(entry == first for entry in others) else None


def grid(stream: str, rows: Sequence[tuple[str, Mapping[str, Value]]]) -> Grid:
    """The settings of a stream's rows; rows: (method, settings).

    Sources are known for built-in methods on built-in streams. There, a value that differs from the protocol has the
    source CHANGED.
    """
    names = dict.fromkeys(name for _, settings in rows for name in settings)
    origins = [_origins(method, stream, settings) for method, settings in rows]
    return Grid(
        {
            name: [
                (_text(settings[name]) if name in settings else "–", origin.get(name, ""))
                for (_, settings), origin in zip(rows, origins, strict=True)
            ]
            for name in names
        }
    )


def marks(grids: Sequence[Grid]) -> dict[str, str]:
    """A letter for every source, in the order of first appearance."""
    entries = (entry for grid in grids for row in grid.entries.values() for entry in row)
    sources = dict.fromkeys(source for _, source in entries if source)
    return dict(zip(sources, _letters(), strict=False))


def _origins(method: str, stream: str, settings: Mapping[str, Value]) -> dict[str, str]:
    if method not in METHOD_ROWS or stream not in STREAMS:
        return {}
    protocol, sources = dict(settings_for(method, stream)), sources_for(method, stream)
    return {
        name: sources[name] if name in protocol and protocol[name] == value else CHANGED
        for name, value in settings.items()
    }


def _letters() -> Iterator[str]:
    """Yield a, b, ..., z, a1, b1, ..."""
    for turn in count():
        for letter in "abcdefghijklmnopqrstuvwxyz":
            yield f"{letter}{turn or ''}"


def _text(value: Value) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"{value:.15g}" if isinstance(value, float) else str(value)
