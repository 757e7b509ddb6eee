"""Resume stopped runs: save checkpoints at the ends of phases, and find them again."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import JsonValue

from benchmark.records.checkpoint import Damaged, Point, State, load, remove, save
from benchmark.training.engine import Cell

SAVE_EVERY = 2.0
"""The least time between two saves, in seconds: shorter training is as quickly repeated."""
LARGEST_SHARE = 0.03
"""The largest share of time that saving may take: on a slow disk, checkpoints are saved less often."""


def find(path: Path, seeds: Collection[int], run: Mapping[str, JsonValue], warn: Callable[[str], None]) -> list[State]:
    """The checkpoints of the same cell as `path` that hold any of `seeds`, no seed twice.

    A damaged checkpoint, or one of another `run`, is removed with a warning, and its runs start again.
    """
    states, taken = [], set()
    for place in _of_cell(path):
        try:
            state = load(place)
        except FileNotFoundError:
            continue  # another process has recorded its runs and removed it
        except Damaged as error:
            remove(place)
            warn(f"{place} is damaged ({error}); it was removed, and its runs start again")
            continue
        own = set(state.point.seeds)
        if not own & set(seeds) or own & taken:
            continue
        other = [name for name, value in run.items() if state.point.run.get(name) != value]
        if other:
            remove(place)
            warn(f"{place} was saved with other {', '.join(other)}; it was removed, and its runs start again")
            continue
        taken |= own
        states.append(state)
    return states


def of_recorded(path: Path, seeds: Collection[int]) -> Iterator[State]:
    """The checkpoints of the same cell as `path` whose seeds are all among `seeds`."""
    for place in _of_cell(path):
        with suppress(Damaged, FileNotFoundError):
            found = load(place)
            if set(found.point.seeds) <= set(seeds):
                yield found


class Keeper:
    """Saves checkpoints of a cell at the ends of phases."""

    def __init__(self, path: Path, run: dict[str, JsonValue], threads: int, started: str) -> None:
        self.path, self.run, self.threads, self.started = path, run, threads, started
        self._due = time.monotonic() + SAVE_EVERY

    def __call__(self, cell: Cell) -> None:
        """Called after each phase was trained and evaluated. Saves a checkpoint if enough time has passed.

        The last checkpoint of several seeds is always saved. Their records are written one after another; if the
        process ends in between, the remaining seeds must not be trained without the recorded ones, because the seeds
        trained together affect the last bits.
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


def _of_cell(path: Path) -> list[Path]:
    settings = path.stem.split("-")[2]
    try:
        return sorted(path.parent.glob(f"seed-*-{settings}-*.safetensors"))
    except OSError:  # unreadable folder, or too long a name; the save will report it
        return []
