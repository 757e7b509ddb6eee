"""A unit of work: runs that are planned to be trained together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from methods.settings import Settings


@dataclass(frozen=True)
class Unit:
    """Runs of one method on one stream that are trained together."""

    method: str
    stream: str
    seeds: tuple[int, ...]
    settings: Settings
    cost: float  # how long it takes, in no particular measure
    among: int = 1  # units of the whole command, those that are recorded included
    force: bool = False  # run also what is recorded

    @property
    def title(self) -> str:
        """For a progress bar."""
        return named(self, self.seeds)


def named(unit: Unit, seeds: Sequence[int]) -> str:
    """Some seeds of a unit's method and stream, for people."""
    word, numbers = ("seed" if len(seeds) == 1 else "seeds"), ", ".join(map(str, seeds))
    return f"{unit.method} on {unit.stream}, {word} {numbers}"
