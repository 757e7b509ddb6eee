"""Units of work in this process, or spread over worker processes that never outlive it."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from multiprocessing.connection import wait as wait_for
from pathlib import Path

import torch

from benchmark.progress import Display, Notice, Watch
from benchmark.runner import Unit, cores, work
from methods.errors import InputError


def run(
    units: Sequence[Unit], results: Path, data: Path | None, device: str, jobs: int | None = None,
    watch: Watch | None = None, threads: int | None = None,
) -> None:
    """Train the units and record their runs, `jobs` units at a time (default: one a core; on a GPU one).

    A record is written the moment its run ends, so whatever stops the rest, it stays. `watch` is shown every event;
    by default lines are printed. `threads`: of each process, by default what the cores leave it. Raises InputError
    where the records cannot be written or memory runs out; KeyboardInterrupt on SIGINT and SIGTERM, workers ended.
    """
    count = workers(units, device, jobs)
    # What is left of a command gets as many threads as the whole had: they decide the last bits of a run.
    threads = threads or max(1, cores() // _at_once(max(unit.among for unit in units), device, jobs))
    phases = [len(unit.load().phases(unit.settings.tasks)) for unit in units]
    display = Display([unit.title for unit in units], phases, [unit.cost for unit in units], watch)
    with _sigterm_as_interrupt(), display:
        if count == 1:
            torch.set_num_threads(threads)
            _one_by_one(units, (results, data, device), display)
        else:
            _spread(units, (results, data, device), count, threads, display)


def workers(units: Sequence[Unit], device: str, jobs: int | None) -> int:
    """How many processes train the units."""
    return _at_once(len(units), device, jobs)


def _at_once(units: int, device: str, jobs: int | None) -> int:
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
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _one_by_one(units: Sequence[Unit], where: tuple, display: Display) -> None:
    aside = _Aside(units, display)
    while aside:
        for index, unit in aside.due(waiting=True):
            aside.put(index, work(index, unit, *where, display.show))


class _Aside:
    """Units to be tried, at first all, then those that another process computes; true while there are any."""

    def __init__(self, units: Sequence[Unit], display: Display) -> None:
        self._units: list[tuple[int, Unit]] = list(enumerate(units))
        self._display, self._when, self._told = display, 0.0, False

    def __bool__(self) -> bool:
        return bool(self._units)

    def put(self, index: int, unit: Unit | None) -> None:
        """Put a unit aside."""
        if unit is not None:
            self._units.append((index, unit))

    def due(self, waiting: bool) -> list[tuple[int, Unit]]:
        """Those to try now, if any; `waiting`: there is nothing else to do, so wait till there are."""
        if waiting and self._units and self._when and not self._told:
            runs, self._told = sum(len(unit.seeds) for _, unit in self._units), True
            self._display.show(Notice(f"waiting for another command that computes {runs} of these runs"))
        left = self._when - time.monotonic()
        if left > 0:
            if not waiting:
                return []
            time.sleep(left)
        self._when = time.monotonic() + random.uniform(0.5, 1.5)  # two that stand in each other's way must part
        units, self._units = self._units, []
        return units


def _spread(units: Sequence[Unit], where: tuple, count: int, threads: int, display: Display) -> None:
    context = multiprocessing.get_context("spawn")  # a forked PyTorch may hang in its thread pool
    events = context.SimpleQueue()
    executor = ProcessPoolExecutor(count, context, _begin_worker, (events, threads))
    try:
        aside, pending = _Aside(units, display), {}
        while aside or pending:
            due = aside.due(waiting=not pending)
            with _interrupt_ignored() if due else nullcontext():
                pending |= {executor.submit(_work, index, unit, *where): index for index, unit in due}
            done, _ = wait(pending, timeout=0.1, return_when=FIRST_COMPLETED)
            while not events.empty():
                display.show(events.get())
            for future in done:
                aside.put(pending.pop(future), future.result())
    except BrokenProcessPool:
        raise InputError(
            "a worker process was killed, perhaps for lack of memory; finished runs are recorded: "
            "give the same command again, with fewer --jobs"
        ) from None
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        children = multiprocessing.active_children()
        for child in children:
            child.terminate()
        for child in children:
            child.join()


@contextmanager
def _interrupt_ignored() -> Iterator[None]:
    """Processes started meanwhile ignore SIGINT for good: at Ctrl-C the parent ends them, in silence."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


_events = None  # of a worker process: where its events go


def _begin_worker(events: multiprocessing.SimpleQueue, threads: int) -> None:
    global _events
    _events = events
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    wait_for([multiprocessing.parent_process().sentinel])
    os._exit(1)


def _work(index: int, unit: Unit, results: Path, data: Path | None, device: str) -> Unit | None:
    return work(index, unit, results, data, device, _events.put)
