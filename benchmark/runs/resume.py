"""Runs taken up where they were stopped: checkpoints saved as tasks end, and found again."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import JsonValue

from benchmark.records.checkpoint import Damaged, Point, State, load, remove, save
from benchmark.training.engine import Cell

SAVE_EVERY = 2.0
"""Seconds that lie between two saves at least: what was trained in less is as soon trained again."""
LARGEST_SHARE = 0.03
"""Of the time that saving may take: on a slow disk the saves lie further apart."""


def find(path: Path, seeds: Collection[int], run: Mapping[str, JsonValue], warn: Callable[[str], None]) -> list[State]:
    """The states beside `path` that hold any of `seeds`, no seed twice.

    What is damaged, or comes from another `run`, is removed with a warning: its runs begin anew.
    """
    states, taken = [], set()
    for place in _beside(path):
        try:
            state = load(place)
        except FileNotFoundError:
            continue  # its runs are recorded by now
        except Damaged as error:
            remove(place)
            warn(f"{place} is damaged ({error}); removed, and its runs begin anew")
            continue
        own = set(state.point.seeds)
        if not own & set(seeds) or own & taken:
            continue
        other = [name for name, value in run.items() if state.point.run.get(name) != value]
        if other:
            remove(place)
            warn(f"{place} was saved with other {', '.join(other)}; removed, and its runs begin anew")
            continue
        taken |= own
        states.append(state)
    return states


def of_recorded(path: Path, seeds: Collection[int]) -> Iterator[State]:
    """The states beside `path` that hold none but these seeds."""
    for place in _beside(path):
        with suppress(Damaged, FileNotFoundError):
            found = load(place)
            if set(found.point.seeds) <= set(seeds):
                yield found


class Keeper:
    """Saves the state of a cell as its tasks end."""

    def __init__(self, path: Path, run: dict[str, JsonValue], threads: int, started: str) -> None:
        self.path, self.run, self.threads, self.started = path, run, threads, started
        self._due = time.monotonic() + SAVE_EVERY

    def __call__(self, cell: Cell) -> None:
        """Called when a phase is trained and evaluated.

        Seeds that end together are saved whatever it costs, before the first of them is recorded: should the
        others not come to it, they must not train again without it.
        """
        together = len(cell.streams) > 1 and cell.finished
        began = time.monotonic()
        if not together and began < self._due:
            return
        point = Point(
            run=self.run,
            seeds=[stream.seed for stream in cell.streams],
            threads=self.threads,
            started=self.started,
            phase=cell.phase,
            outcomes=cell.outcomes,
        )
        save(self.path, point, cell.state())
        ended = time.monotonic()
        self._due = ended + max(SAVE_EVERY, (ended - began) / LARGEST_SHARE)


def _beside(path: Path) -> list[Path]:
    settings = path.stem.split("-")[2]
    try:
        return sorted(path.parent.glob(f"seed-*-{settings}-*.safetensors"))
    except OSError:  # the folder cannot be read, or its name is too long: saving there says so
        return []
