"""Units of work in this process, or spread over worker processes that never outlive it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from multiprocessing.connection import wait as wait_for

import torch

from benchmark.runs.executors.aside import Aside
from benchmark.runs.executors.base import Where, at_once
from benchmark.runs.progress import Watch
from benchmark.runs.unit import Unit
from benchmark.runs.work import work
from methods.errors import InputError


class Local:
    """This machine, `jobs` units at a time (default: one a core; on a GPU one)."""

    id = "local"
    options = ()

    def __init__(self, jobs: int | None, options: Mapping[str, str] | None = None) -> None:
        self.jobs = jobs

    def manner(self, units: Sequence[Unit], where: Where) -> str:
        """See Executor."""
        return f"{at_once(len(units), where.device, self.jobs)} at a time"

    def run(self, units: Sequence[Unit], where: Where, show: Watch) -> None:
        """See Executor."""
        count = at_once(len(units), where.device, self.jobs)
        if count == 1:
            one_by_one(units, where, show)
        else:
            _spread(units, where, count, show)


def one_by_one(units: Sequence[Unit], where: Where, show: Watch) -> None:
    """Train the units in this process."""
    torch.set_num_threads(where.threads)
    aside = Aside(units, show)
    while aside:
        for index, unit in aside.due(waiting=True):
            aside.put(index, work(index, unit, where.results, where.data, where.device, show))


def _spread(units: Sequence[Unit], where: Where, count: int, show: Watch) -> None:
    context = multiprocessing.get_context("spawn")  # a forked PyTorch may hang in its thread pool
    events = context.SimpleQueue()
    executor = ProcessPoolExecutor(count, context, _begin_worker, (events, where.threads))
    try:
        aside, pending = Aside(units, show), {}
        while aside or pending:
            due = aside.due(waiting=not pending)
            with _interrupt_ignored() if due else nullcontext():
                pending |= {executor.submit(_work, index, unit, where): index for index, unit in due}
            done, _ = wait(pending, timeout=0.1, return_when=FIRST_COMPLETED)
            while not events.empty():
                show(events.get())
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


def _work(index: int, unit: Unit, where: Where) -> Unit | None:
    return work(index, unit, where.results, where.data, where.device, _events.put)
