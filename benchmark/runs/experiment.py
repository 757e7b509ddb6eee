"""The task of `run`, from the command line or from Python: what to train, and how.

Modules that load PyTorch are imported inside functions, so that a mistyped setting is reported without the wait.
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
    """Methods, streams and seeds to train, and how to train them.

    methods: named as in benchmark.training.external; streams: named as in benchmark.streams.names. Both names are
    checked already. changes: the changed settings by name, as numbers or as text.
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
        """The number of requested runs, recorded ones included."""
        return len(self.methods) * len(self.streams) * len(self.seeds)

    def check(self) -> None:
        """Check options, methods and settings. Does not load PyTorch, unless an external method does.

        Raises InputError for those that cannot be used.
        """
        executors.check(self.executor)
        for method in self.methods:
            external.id_of(method)  # loads an external method: report its errors before those of its settings
        try:
            for method, stream in product(self.methods, self.streams):
                external.settings_of(method, stream, self.changes)
        except InputError as error:
            raise InputError(f"--set: {error}") from None

    def place(self) -> str:
        """The device to train on, "cpu" or "cuda". Raises InputError if this machine needs a GPU and has none."""
        from benchmark.runs.work import device_named

        remote = getattr(self.trainer(), "remote", False) and self.device == "cuda"  # only the nodes need a GPU
        return self.device if remote else device_named(self.device)

    def trainer(self) -> Executor:
        """The executor that trains the units."""
        return executors.named(self.executor, self.jobs, self.options)

    def cells(self, download: bool = True) -> Iterator[CellPlan]:
        """The cells of the experiment; see benchmark.runs.plan.cells."""
        from benchmark.runs import plan

        return plan.cells(self.methods, self.streams, self.seeds[0], self.changes, self.data, download)

    def records(self) -> list[Record]:
        """The records of the requested runs, sorted by path. Runs without a record are left out."""
        from benchmark.records import store
        from benchmark.runs import plan

        found = plan.settings_of_cells(self.methods, self.streams, self.seeds[0], self.changes, self.data)
        cells = [(external.id_of(method), stream_id(stream), settings) for (method, stream), settings in found.items()]
        places = [store.path_of(self.results, *cell[:2], seed, cell[2]) for cell in cells for seed in self.seeds]
        return [store.load_placed(path, self.results) for path in sorted(places) if path.exists()]


@dataclass(frozen=True)
class Prepared:
    """An experiment with its remaining units of work, and the executor and place that train them."""

    experiment: Experiment
    units: list[Unit]
    where: Where
    trainer: Executor

    @property
    def line(self) -> str:
        """A line that says how many runs are recorded and how many are to do."""
        asked = self.experiment
        missing = sum(len(unit.seeds) for unit in self.units)
        with executors.errors_told(type(self.trainer)):
            manner = self.trainer.manner(self.units, self.where) if self.units else ""
        return counts(asked, missing, f"on {self.where.device}, {manner}")


def counts(experiment: Experiment, missing: int, manner: str) -> str:
    """The first line of a run: cells, runs, recorded runs and runs to do."""
    cells, runs = len(experiment.methods) * len(experiment.streams), experiment.runs
    todo = f"{missing} to do {manner}" if missing else "none to do"
    measured = " with these measurements" if experiment.measure else ""
    done = f"{runs - missing} recorded already{measured}"
    return f"{cells} cells of {len(experiment.seeds)} seeds: {runs} runs, {done}, {todo}"


def prepare(experiment: Experiment) -> Prepared:
    """Plan the remaining work. Raises InputError for anything that cannot be used, before training starts."""
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
    """Train and record the remaining runs. Finished runs stay recorded if training is stopped.

    watch: receives every event; board: a log directory for TensorBoard; bars: show progress bars on a terminal.
    """
    from benchmark.runs.executors import base

    trainer, units, where = prepared.trainer, prepared.units, prepared.where
    with _watching(watch, board, where.results) as show, executors.errors_told(type(trainer)):
        if units:
            base.run(trainer, units, where, show, bars)
            if is_external(type(trainer)):
                _check_recorded(trainer, units, where.results)


def _check_recorded(trainer: Executor, units: Sequence[Unit], results: Path) -> None:
    """Raises InputError if an external executor returned although some runs have no record."""
    from benchmark.records.store import path_of

    places = [path_of(results, unit.method, unit.stream, seed, unit.settings) for unit in units for seed in unit.seeds]
    missing = sum(not place.exists() for place in places)
    if missing:
        name = type(trainer).__name__
        raise InputError(
            f"--executor: {name} returned, but {missing} of {len(places)} runs have no record; it must record each run"
        )


@contextmanager
def _watching(watch: Watch, board: Path | None, results: Path) -> Iterator[Callable]:
    if board is None:
        yield watch
        return
    from benchmark.runs.tensorboard import Board  # loads tensorboard

    with Board(board, results) as tensorboard:
        yield lambda event: (watch(event), tensorboard.watch(event))
