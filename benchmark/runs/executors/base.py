"""The interface of executors, and the code that all of them share."""

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
    """The directories, device and threads for all units of a command."""

    results: Path
    data: Path | None
    device: str
    threads: int  # PyTorch threads of a process; they affect the last bits of a run


class Executor(Protocol):
    """Trains units of work.

    The class is called with (jobs, options). jobs: the largest number of units to train in parallel, None to let the
    executor decide; options: the pairs of --executor-option KEY=VALUE.

    The class may state, as literals: `options`, the names of the options that it takes, None for any; `remote`,
    whether it trains on other machines. A built-in executor states its `id` and, if it needs a library, `library`
    (the library's module) and `extra` (the extra of this package that installs it).
    """

    def manner(self, units: Sequence[Unit], where: Where) -> str:
        """How the units will be trained, as text for the user: "2 at a time"."""

    def run(self, units: Sequence[Unit], where: Where, show: Watch) -> None:
        """Train the units, record each run below where.results when it finishes, and pass events to `show`.

        Raises InputError for wrong input. On KeyboardInterrupt, ends everything that it started.
        """


def run(executor: Executor, units: Sequence[Unit], where: Where, watch: Watch | None = None, bars: bool = True) -> None:
    """Train the units and record their runs. Each record is written as soon as its run finishes.

    watch: receives every event, by default it prints lines; bars: show progress bars on a terminal.
    Raises InputError if input is wrong, records cannot be written or memory runs out. Raises KeyboardInterrupt on
    SIGINT and SIGTERM, after everything that was started has ended.
    """
    phases = [len(unit.load().phases(unit.settings.tasks)) for unit in units]
    display = Display([unit.title for unit in units], phases, [unit.cost for unit in units], watch, bars)
    with _sigterm_as_interrupt(), display:
        executor.run(units, where, display.show)


def threads_of(units: Sequence[Unit], device: str, jobs: int | None) -> int:
    """The number of PyTorch threads for a unit.

    It is the same for every executor and for a resumed command, because threads affect the last bits of a run.
    """
    return max(1, cores() // at_once(max((unit.among for unit in units), default=1), device, jobs))


def at_once(units: int, device: str, jobs: int | None) -> int:
    """The number of units in parallel on one machine: `jobs`, or by default one for each core, one on a GPU."""
    wanted = jobs or (1 if device == "cuda" else cores())
    return max(1, min(wanted, units))


def check_writable(results: Path) -> None:
    """Raises InputError if records cannot be written. Called before hours of training."""
    try:
        results.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=results):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"--results: cannot write to {results} ({reason}); name another directory") from None


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set signal handlers
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
