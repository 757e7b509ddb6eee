"""Preview a run: its cells, their recorded runs, and the time and memory that the other runs need.

A preview trains, downloads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmark.common import memory
from benchmark.common.loading import errors_told
from benchmark.records import provenance, store
from benchmark.records.schema import Record
from benchmark.runs import estimate
from benchmark.runs.estimate import Memory, Time, Wanted
from benchmark.runs.executors.base import at_once, threads_of
from benchmark.runs.experiment import Experiment
from benchmark.runs.plan import CellPlan
from benchmark.runs.unit import Unit
from benchmark.streams.archives import ARCHIVES
from benchmark.streams.build import Stream
from benchmark.streams.names import from_elsewhere
from benchmark.training import engine
from benchmark.training.external import settings_of
from methods.errors import InputError


@dataclass(frozen=True)
class CellPreview:
    """One method on one stream: the state of each seed, and the time and memory of the seeds to do.

    outdated: the seeds of to_do that are recorded with other code or data. unchecked: recorded seeds that cannot be
    compared with the data, because the data are missing.
    """

    method: str
    stream: str
    settings: dict[str, object]
    changed: dict[str, object]  # settings that differ from the protocol
    recorded: tuple[int, ...]
    unchecked: tuple[int, ...]
    outdated: tuple[int, ...]
    to_do: tuple[int, ...]
    missing_data: str | None  # title of the data set that a run would download
    time: Time | None = None  # of one seed; None if nothing is to do or no similar run is recorded
    memory: Memory | None = None  # of a process; None if nothing is to do, the data are missing or a GPU trains


@dataclass(frozen=True)
class Preview:
    """All cells, and how the runs to do would be trained."""

    experiment: Experiment
    device: str
    processes: int | None  # in parallel; None unless the executor is "local"
    cells: list[CellPreview]
    elapsed: float | None  # seconds until the last run ends; None if a time is unknown or another executor trains

    @property
    def to_do(self) -> int:
        """The number of runs to do."""
        return sum(len(cell.to_do) for cell in self.cells)

    @property
    def seconds(self) -> float | None:
        """The summed time of all runs to do; None if the time of one is unknown."""
        to_do = [cell for cell in self.cells if cell.to_do]
        known = [cell.time.seconds * len(cell.to_do) for cell in to_do if cell.time]
        return sum(known) if len(known) == len(to_do) else None


def preview(experiment: Experiment) -> Preview:
    """Preview an experiment. Raises InputError where `run` would raise it before training."""
    experiment.check()
    device = experiment.place()
    experiment.trainer()  # raises for wrong options of the executor
    plans = list(experiment.cells(download=False))
    cells = [_recorded(plan, experiment) for plan in plans]
    units = [unit for plan, cell in zip(plans, cells, strict=True) for unit in plan.units(cell.to_do, device)]
    among = sum(len(experiment.seeds) if plan.alone(device) else 1 for plan in plans)
    threads = experiment.threads or threads_of([replace(u, among=among) for u in units], device, experiment.jobs)
    records = list(_records(experiment.results, {cell.stream for cell in cells if cell.to_do}))
    cells = [
        _estimated(plan, cell, records, device, threads) if cell.to_do else cell
        for plan, cell in zip(plans, cells, strict=True)
    ]
    local = experiment.executor == "local"
    processes = at_once(len(units), device, experiment.jobs) if local else None
    return Preview(experiment, device, processes, cells, _elapsed(units, cells, processes))


def _recorded(plan: CellPlan, asked: Experiment) -> CellPreview:
    states: dict[str, list[int]] = {"recorded": [], "unchecked": [], "outdated": [], "new": []}
    for seed in asked.seeds:
        states[_state(plan, asked, seed)].append(seed)
    return CellPreview(
        plan.method.id,
        plan.stream,
        dict(plan.settings),
        _changed(plan),
        recorded=tuple(states["recorded"]),
        unchecked=tuple(states["unchecked"]),
        outdated=tuple(states["outdated"]),
        to_do=tuple(sorted(states["outdated"] + states["new"])),
        missing_data=ARCHIVES[plan.kind.dataset].title if plan.first is None else None,
    )


def _state(plan: CellPlan, asked: Experiment, seed: int) -> str:
    place = plan.place(asked.results, seed)
    if asked.force or not place.exists():
        return "new"
    if plan.first is not None:
        return "recorded" if plan.recorded(asked.results, seed) else "outdated"
    return "unchecked" if store.load(place).provenance.code == plan.code else "outdated"


def _changed(plan: CellPlan) -> dict[str, object]:
    tasks = {"tasks": plan.settings.tasks} if from_elsewhere(plan.source) else {}
    ours = plan.settings.everything()
    try:
        protocol = settings_of(plan.spec, plan.source, tasks).everything()
    except InputError:  # the method has settings without defaults
        protocol = tasks
    return {name: value for name, value in ours.items() if name not in protocol or protocol[name] != value}


def _records(results: Path, streams: set[str]) -> Iterator[Record]:
    """The sound records on these streams. Damaged records are skipped here; `verify` reports them."""
    for path in store.files(results, lambda error: None):
        if path.suffix == ".json" and path.parent.parent.name in streams:
            with suppress(InputError):
                yield store.load(path)


def _estimated(plan: CellPlan, cell: CellPreview, records: Sequence[Record], device: str, threads: int) -> CellPreview:
    full = estimate.full_task(plan.kind)
    if full is None and plan.first is not None and not plan.settings.train_examples:
        full = sum(map(len, plan.first.train)) / len(plan.first.train)
    gpu_elsewhere = device == "cuda" and not torch.cuda.is_available()
    processor = "" if gpu_elsewhere else provenance.processor(device)
    wanted = Wanted(cell.method, cell.stream, cell.settings, full, device, processor, threads)
    together = 1 if plan.alone(device) else len(cell.to_do)
    needed = _memory(plan, plan.first, together) if plan.first is not None and device == "cpu" else None
    return replace(cell, time=estimate.time_of(wanted, records), memory=needed)


def _memory(plan: CellPlan, first: Stream, seeds: int) -> Memory:
    with memory.refused(f"{plan.method.id} on {plan.stream}"), errors_told(plan.method), torch.no_grad():
        state = engine.Cell(plan.method, [first], plan.settings, "cpu", network=plan.network).state()
    theta = state.pop("theta").nbytes
    rest = sum(value.nbytes for value in state.values())
    return estimate.memory_of(first, seeds, theta, rest, shared=not from_elsewhere(plan.source))


def _elapsed(units: Sequence[Unit], cells: Sequence[CellPreview], processes: int | None) -> float | None:
    times = {(cell.method, cell.stream): cell.time.seconds for cell in cells if cell.time}
    known = [times[key] * len(unit.seeds) for unit in units if (key := (unit.method, unit.stream)) in times]
    return estimate.makespan(known, processes) if processes and len(known) == len(units) else None
