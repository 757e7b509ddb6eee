"""What a run would do: its cells, what is recorded of them, and how much time and memory the rest needs.

Nothing is trained, downloaded or written.
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
    """One method on one stream: its seeds by what is recorded of them, and what those to do need.

    A seed to do can be outdated: recorded with other code or data. Where the data are missing a recorded seed is
    unchecked: whether its data are the same is not known.
    """

    method: str
    stream: str
    settings: dict[str, object]
    changed: dict[str, object]  # settings that are not the protocol's
    recorded: tuple[int, ...]
    unchecked: tuple[int, ...]
    outdated: tuple[int, ...]
    to_do: tuple[int, ...]
    missing_data: str | None  # the title of the data set that a run would download
    time: Time | None = None  # of one seed; None where nothing is to do or nothing is recorded to estimate it from
    memory: Memory | None = None  # of a process; None where nothing is to do, the data are missing or a GPU trains


@dataclass(frozen=True)
class Preview:
    """All cells, and how the runs to do would be trained."""

    experiment: Experiment
    device: str
    processes: int | None  # at a time; None where another executor decides it
    cells: list[CellPreview]
    elapsed: float | None  # seconds until the last run ends; None where a time is unknown or another executor trains

    @property
    def to_do(self) -> int:
        """How many runs are to do."""
        return sum(len(cell.to_do) for cell in self.cells)

    @property
    def seconds(self) -> float | None:
        """The sum of all runs to do; None where that of one is not known."""
        to_do = [cell for cell in self.cells if cell.to_do]
        known = [cell.time.seconds * len(cell.to_do) for cell in to_do if cell.time]
        return sum(known) if len(known) == len(to_do) else None


def preview(experiment: Experiment) -> Preview:
    """What `run` would do. Raises InputError where it would, before it trains."""
    experiment.check()
    device = experiment.place()
    experiment.trainer()  # which refuses parameters that do not fit
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
    except InputError:  # it has settings without a value of their own
        protocol = tasks
    return {name: value for name, value in ours.items() if name not in protocol or protocol[name] != value}


def _records(results: Path, streams: set[str]) -> Iterator[Record]:
    """The sound records on these streams: a damaged one is for `verify` to tell."""
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
