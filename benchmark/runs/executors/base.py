"""What every executor does, and what is the same for all of them."""

from __future__ import annotations

import signal
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmark.runs.progress import Display, Watch
from benchmark.runs.unit import Unit
from benchmark.runs.work import cores
from methods.errors import InputError


@dataclass(frozen=True)
class Where:
    """What all units of a command are trained with."""

    results: Path
    data: Path | None
    device: str
    threads: int  # of PyTorch in a process: they decide the last bits of a run


class Executor(Protocol):
    """Trains units of work somewhere. Its class is called with (jobs, options): how many units to train at a time at
    most, None for as many as suit it, and what was typed as --executor-option KEY=VALUE.

    The class may also say, as literals: `options`, the names of those that it takes, None for any; `remote`, whether
    units are trained on other machines than this one. A built-in one says its `id` and, where it needs a library,
    `library` and `extra`, the library's module and the extra of this package that installs it.
    """

    def manner(self, units: Sequence[Unit], where: Where) -> str:
        """How the units are trained, for people: "2 at a time"."""

    def run(self, units: Sequence[Unit], where: Where, show: Watch) -> None:
        """Train the units, have each run recorded below where.results as it ends, and show what happens.

        Raises InputError where something given is wrong; at KeyboardInterrupt it ends what it started.
        """


def run(executor: Executor, units: Sequence[Unit], where: Where, watch: Watch | None = None, bars: bool = True) -> None:
    """Train the units and record their runs; a record is written the moment its run ends, whatever stops the rest.

    `watch` is shown every event; by default lines are printed; `bars`: show progress where there is a
    terminal. Raises InputError where something given is wrong, records cannot be written or memory runs out;
    KeyboardInterrupt on SIGINT and SIGTERM, all that was started ended.
    """
    phases = [len(unit.load().phases(unit.settings.tasks)) for unit in units]
    display = Display([unit.title for unit in units], phases, [unit.cost for unit in units], watch, bars)
    with _sigterm_as_interrupt(), display:
        executor.run(units, where, display.show)


def threads_of(units: Sequence[Unit], device: str, jobs: int | None) -> int:
    """The threads of a unit, with every executor the same, so that it gives the same bits.

    What is left of a command gets as many as the whole had.
    """
    return max(1, cores() // at_once(max((unit.among for unit in units), default=1), device, jobs))


def at_once(units: int, device: str, jobs: int | None) -> int:
    """How many units are trained at a time on one machine: one a core, on a GPU one, unless `jobs` says it."""
    wanted = jobs or (1 if device == "cuda" else cores())
    return max(1, min(wanted, units))


def check_writable(results: Path) -> None:
    """Raises InputError where records cannot be written: better told before hours of training than after."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=results):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"--results: cannot write to {results} ({reason}); name another directory") from None


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # which alone may set handlers
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
