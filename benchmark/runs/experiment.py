"""What `run` is asked for, from the command line or from Python, and how it is done.

What loads PyTorch is imported where it is needed: a mistyped setting is told before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.common.loading import is_external
from benchmark.runs import executors
from benchmark.streams.names import stream_id
from benchmark.training import external
from methods.errors import InputError

if TYPE_CHECKING:
    from benchmark.records.schema import Record
    from benchmark.runs.executors.base import Executor, Where
    from benchmark.runs.plan import CellPlan
    from benchmark.runs.progress import Watch
    from benchmark.runs.unit import Unit
    from benchmark.training.probes import Asked


@dataclass(frozen=True)
class Experiment:
    """Methods on streams, and how they are trained.

    methods: as benchmark.training.external names them; streams: as benchmark.streams.names does; both are known.
    changes: settings by name, numbers or text that reads as numbers.
    """

    methods: Sequence[str]
    streams: Sequence[str]
    seeds: Sequence[int]
    changes: Mapping[str, object] = field(default_factory=dict)
    results: Path = Path("results")
    data: Path | None = None
    device: str = "auto"
    jobs: int | None = None
    threads: int | None = None
    executor: str = "local"
    options: Mapping[str, str] = field(default_factory=dict)  # of the executor
    force: bool = False
    measure: tuple[Asked, ...] = ()  # probes

    @property
    def runs(self) -> int:
        """How many runs are asked for, recorded ones included."""
        return len(self.methods) * len(self.streams) * len(self.seeds)

    def check(self) -> None:
        """Raises InputError for options, methods and settings that cannot be used. Loads no PyTorch unless a method
        does."""
        executors.check(self.executor)
        for method in self.methods:
            external.id_of(method)  # an external one is loaded, or refused, before its settings are read
        try:
            for method, stream in product(self.methods, self.streams):
                external.settings_of(method, stream, self.changes)
        except InputError as error:
            raise InputError(f"--set: {error}") from None

    def place(self) -> str:
        """The device to train on, "cpu" or "cuda". Raises InputError where this machine needs a GPU and has none."""
        from benchmark.runs.work import device_named

        remote = getattr(self.trainer(), "remote", False) and self.device == "cuda"  # this machine needs no GPU then
        return self.device if remote else device_named(self.device)

    def trainer(self) -> Executor:
        """What trains the units."""
        return executors.named(self.executor, self.jobs, self.options)

    def cells(self, download: bool = True) -> Iterator[CellPlan]:
        """See benchmark.runs.plan.cells."""
        from benchmark.runs import plan

        return plan.cells(self.methods, self.streams, self.seeds[0], self.changes, self.data, download)

    def records(self) -> list[Record]:
        """The records of all runs asked for, in the order of their paths; what is not recorded is left out."""
        from benchmark.records import store
        from benchmark.runs import plan

        found = plan.settings_of_cells(self.methods, self.streams, self.seeds[0], self.changes, self.data)
        cells = [(external.id_of(method), stream_id(stream), settings) for (method, stream), settings in found.items()]
        places = [store.path_of(self.results, *cell[:2], seed, cell[2]) for cell in cells for seed in self.seeds]
        return [store.load_placed(path, self.results) for path in sorted(places) if path.exists()]


@dataclass(frozen=True)
class Prepared:
    """What is left to do of an experiment, what trains it, and where."""

    experiment: Experiment
    units: list[Unit]
    where: Where
    trainer: Executor

    @property
    def line(self) -> str:
        """How much is recorded and how much is to do."""
        asked = self.experiment
        missing = sum(len(unit.seeds) for unit in self.units)
        with executors.errors_told(type(self.trainer)):
            manner = self.trainer.manner(self.units, self.where) if self.units else ""
        return counts(asked, missing, f"on {self.where.device}, {manner}")


def counts(experiment: Experiment, missing: int, manner: str) -> str:
    """The line that a run begins with."""
    cells, runs = len(experiment.methods) * len(experiment.streams), experiment.runs
    todo = f"{missing} to do {manner}" if missing else "none to do"
    measured = " with these measurements" if experiment.measure else ""
    done = f"{runs - missing} recorded already{measured}"
    return f"{cells} cells of {len(experiment.seeds)} seeds: {runs} runs, {done}, {todo}"


def prepare(experiment: Experiment) -> Prepared:
    """Find out what is left to do. Raises InputError for whatever cannot be used, before anything is trained."""
    experiment.check()
    from benchmark.runs import plan
    from benchmark.runs.executors.base import Where, check_writable, threads_of

    trainer, place = experiment.trainer(), experiment.place()
    results, data = experiment.results, experiment.data
    units = plan.plan(
        experiment.methods,
        experiment.streams,
        experiment.seeds,
        experiment.changes,
        results,
        data,
        place,
        experiment.force,
        experiment.measure,
    )
    if units:
        check_writable(results)
    threads = experiment.threads or threads_of(units, place, experiment.jobs)
    return Prepared(experiment, units, Where(results, data, place, threads), trainer)


def train(prepared: Prepared, watch: Watch, board: Path | None = None, bars: bool = True) -> None:
    """Train and record what is left. Finished runs stay recorded whatever ends it.

    watch: is shown every event; board: a log directory for TensorBoard; bars: show progress where there is a terminal.
    """
    from benchmark.runs.executors import base

    trainer, units, where = prepared.trainer, prepared.units, prepared.where
    with _watching(watch, board, where.results) as show, executors.errors_told(type(trainer)):
        if units:
            base.run(trainer, units, where, show, bars)
            if is_external(type(trainer)):
                _check_recorded(trainer, units, where.results)


def _check_recorded(trainer: Executor, units: Sequence[Unit], results: Path) -> None:
    """Raises InputError where an external executor ended as if all was done, and runs have no record."""
    from benchmark.records.store import path_of

    places = [path_of(results, unit.method, unit.stream, seed, unit.settings) for unit in units for seed in unit.seeds]
    missing = sum(not place.exists() for place in places)
    if missing:
        name = type(trainer).__name__
        raise InputError(f"--executor: {name} ended and left {missing} of {len(places)} runs without a record")


@contextmanager
def _watching(watch: Watch, board: Path | None, results: Path) -> Iterator[Callable]:
    if board is None:
        yield watch
        return
    from benchmark.runs.tensorboard import Board  # loads tensorboard

    with Board(board, results) as tensorboard:
        yield lambda event: (watch(event), tensorboard.watch(event))
