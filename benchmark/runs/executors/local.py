"""Train units on this machine, in this process or in worker processes. Workers never outlive this process.

Every unit with external code runs in a worker process of its own. Built-in methods never share a process with external
code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmark.runs.executors.aside import Aside
from benchmark.runs.executors.base import Where, at_once
from benchmark.runs.executors.workers import Defect, Died, Left, Worker, Wrong, ready
from benchmark.runs.progress import Evaluated, Event, Notice, Saved, Watch
from benchmark.runs.unit import Unit
from benchmark.runs.work import work
from methods.errors import UnitError

TRIES = 2
"""Attempts at a unit whose worker dies. Each attempt uses a new worker."""


class Local:
    """This machine. jobs: units in parallel; by default one for each core, one on a GPU."""

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
        if count == 1 and not any(unit.external for unit in units):
            one_by_one(units, where, show)
        else:
            _Pool(units, where, count, show).run()


def one_by_one(units: Sequence[Unit], where: Where, show: Watch) -> None:
    """Train the units in this process."""
    torch.set_num_threads(where.threads)
    aside, failed = Aside(units, show), []
    while aside:
        for index, unit in aside.due(waiting=True):
            try:
                aside.put(index, work(index, unit, where.results, where.data, where.device, show))
            except UnitError as error:
                failed.append(str(error))
    raise_failures(failed)


def raise_failures(failed: Sequence[str]) -> None:
    """Raises UnitError if units failed. Its line names the first three."""
    if failed:
        more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
        count = f"{len(failed)} units failed: " if len(failed) > 1 else ""
        raise UnitError(f"{count}{'; '.join(failed[:3])}{more}")


class _Pool:
    """Trains units in at most `count` parallel worker processes."""

    def __init__(self, units: Sequence[Unit], where: Where, count: int, show: Watch) -> None:
        self.where, self.count, self.show = where, count, show
        self.here = replace(where, results=where.results.absolute())  # external code may change the directory
        self.aside = Aside(units, self._tell)
        self.queue: list[tuple[int, Unit]] = []
        self.busy: dict[Worker, tuple[int, Unit]] = {}
        self.idle: list[Worker] = []
        self.lost: dict[int, int] = {}
        self.failed: list[str] = []

    def run(self) -> None:
        """Run until every unit is recorded or has failed. Raises InputError if units failed."""
        try:
            while self.aside or self.queue or self.busy:
                self.queue += self.aside.due(waiting=not (self.queue or self.busy))
                while self.queue and len(self.busy) < self.count:
                    self._begin(*self.queue.pop(0))
                if self.busy:
                    ready(list(self.busy), timeout=0.5)
                for worker in list(self.busy):
                    self._hear(worker)
        finally:
            for worker in [*self.busy, *self.idle]:
                worker.end()
        raise_failures(self.failed)

    def _begin(self, index: int, unit: Unit) -> None:
        worker = self.idle.pop() if self.idle and not unit.external else Worker(self.here)
        self.busy[worker] = (index, unit)
        try:
            worker.begin(index, unit)
        except Died as death:
            self._bury(worker, death)

    def _hear(self, worker: Worker) -> None:
        try:
            for told in worker.hear():
                if isinstance(told, Left | Wrong | Defect):
                    self._done(worker, told)
                    return
                self._tell(told)
        except Died as death:
            self._bury(worker, death)

    def _done(self, worker: Worker, told: Left | Wrong | Defect) -> None:
        index, unit = self.busy.pop(worker)
        if unit.external or isinstance(told, Defect):
            worker.end()
        else:
            self.idle.append(worker)
        if isinstance(told, Defect):
            raise RuntimeError(f"{unit.title} failed in a worker process:\n{told.text}")
        if isinstance(told, Left):
            self.aside.put(index, told.unit)
        elif told.unit_alone:
            self.failed.append(told.line)
        else:
            raise told.error()

    def _bury(self, worker: Worker, death: Died) -> None:
        """Handle the death of a worker: retry its unit in a new worker, or count the unit as failed."""
        index, unit = self.busy.pop(worker)
        self.lost[index] = self.lost.get(index, 0) + 1
        said = f"{unit.title}: its worker process ended (exit code {death})"
        if self.lost[index] < TRIES:
            self._tell(Notice(f"{said}; trying once more"))
            self.queue.insert(0, (index, replace(unit, force=False)))
        else:
            self.failed.append(f"{said} {TRIES} times, perhaps for lack of memory; finished runs are recorded")

    def _tell(self, event: Event) -> None:
        if isinstance(event, Evaluated | Saved):
            event = replace(event, place=self._place(event.place))
        self.show(event)

    def _place(self, place: Path) -> Path:
        """The path relative to the results directory as the command named it."""
        return self.where.results / place.relative_to(self.here.results)
