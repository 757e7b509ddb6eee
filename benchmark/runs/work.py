"""A unit of work: claimed, trained in this process from where it was begun, and recorded run by run."""

from __future__ import annotations

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import torch

from benchmark.common import memory
from benchmark.common.loading import check_import, errors_told, unchanged
from benchmark.records import checkpoint, provenance, schema, store
from benchmark.records.checkpoint import State
from benchmark.runs import resume
from benchmark.runs.claims import Claims
from benchmark.runs.keep import keep
from benchmark.runs.progress import Advance, Evaluated, Event, Notice
from benchmark.runs.resume import Keeper
from benchmark.runs.unit import Unit, named
from benchmark.streams.build import Stream, build
from benchmark.streams.names import arguments_of
from benchmark.training import engine
from benchmark.training.about import about
from benchmark.training.probes import descriptions
from methods.errors import InputError

Tell = Callable[[Event], None]


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def device_named(name: str) -> str:
    """The device for 'auto', 'cpu' or 'cuda'. Raises InputError for 'cuda' where PyTorch finds none."""
    found = torch.cuda.is_available()
    if name == "cuda" and not found:
        raise InputError("--device: PyTorch finds no CUDA device here; use --device cpu")
    return "cuda" if found and name != "cpu" else "cpu"


def work(index: int, unit: Unit, results: Path, data: Path | None, device: str, tell: Tell) -> Unit | None:
    """Train a unit and record its runs; `index` names it in what it tells.

    Returns the unit where another process computes some of its runs: it is to be tried again later, for their
    company decides the last bits of runs, and so a unit is not split. Returns None when all are recorded.
    Raises InputError where the records cannot be written or memory runs out.
    """
    with memory.refused(unit.title), Claims(results) as claims:
        if not _Work(index, unit, results, data, device, tell, claims).done():
            return replace(unit, force=False)  # what the other process recorded by then is new
    tell(Advance(index, 1.0, 0, 1.0))
    return None


@dataclass(frozen=True)
class _Work:
    """A unit being worked on."""

    index: int
    unit: Unit
    results: Path
    data: Path | None
    device: str
    tell: Tell
    claims: Claims

    def done(self) -> bool:
        """Record all runs of the unit; False, with nothing done, where others have claimed some of them."""
        if not self._claim(self.unit.seeds):
            return False
        streams = [stream for stream in map(self._stream, self.unit.seeds) if not self._recorded(stream)]
        begun = self._begun(streams) if streams else []
        company = {seed for old in begun for seed in old.point.seeds}
        if not self._claim(company):
            return False
        known = {stream.seed: stream for stream in streams}
        groups = [([known.get(seed) or self._stream(seed) for seed in old.point.seeds], old) for old in begun]
        fresh = [stream for stream in streams if stream.seed not in company]
        groups += [(group, None) for group in _of_one_form(fresh)]
        for number, (group, old) in enumerate(groups):
            self._train(group, old, _reporter(self.index, self.unit, number, len(groups), self.tell))
        return True

    def _claim(self, seeds: Iterable[int]) -> bool:
        return self.claims.take(map(self._place, seeds))

    def _place(self, seed: int) -> Path:
        return store.path_of(self.results, self.unit.method, self.unit.stream, seed, self.unit.settings)

    def _stream(self, seed: int) -> Stream:
        source, settings = self.unit.source or self.unit.stream, self.unit.settings
        return build(source, seed, settings.tasks, settings.train_examples, self.data, arguments_of(settings))

    def _recorded(self, stream: Stream) -> bool:
        """Whether it is recorded by now; what a writer that was killed left half written is removed."""
        record = self._place(stream.seed)
        for draft in record.parent.glob(f".{record.stem}.*.tmp"):
            draft.unlink(missing_ok=True)
        unit = self.unit
        return not unit.force and store.recorded(
            self.results, unit.method, unit.stream, stream.seed, unit.settings, unit.code, stream.digests, self._asked()
        )

    def _asked(self) -> dict[str, dict[str, object]]:
        return descriptions(self.unit.measure)

    def _origin(self, streams: list[Stream], threads: int) -> dict[str, object]:
        seeds = [stream.seed for stream in streams]
        return provenance.gather(self.unit.code, streams[0].digests, self.device, threads, seeds)

    def _run(self, origin: Mapping[str, object]) -> dict[str, object]:
        return checkpoint.identity(self.unit.method, self.unit.stream, self.unit.settings, origin, self._asked())

    def _state_path(self, streams: list[Stream]) -> Path:
        seeds = [stream.seed for stream in streams]
        return checkpoint.path_of(self.results, self.unit.method, self.unit.stream, seeds, self.unit.settings)

    def _begun(self, streams: list[Stream]) -> list[State]:
        run = self._run(self._origin(streams, torch.get_num_threads()))
        seeds = [stream.seed for stream in streams]
        return resume.find(self._state_path(streams), seeds, run, lambda line: self.tell(Notice(line)))

    def _train(self, group: list[Stream], begun: State | None, report: engine.Report) -> None:
        """Train a group side by side, from where it was begun, and record its runs."""
        threads = begun.point.threads if begun else torch.get_num_threads()
        origin = self._origin(group, threads)
        if begun:
            origin["started"] = begun.point.started
        path = begun.path if begun else self._state_path(group)
        keeper = Keeper(path, self._run(origin), threads, origin["started"])

        def keep(cell: engine.Cell) -> None:
            keeper(cell)
            for stream, outcome in zip(group, cell.outcomes, strict=True):
                self.tell(Evaluated(self._place(stream.seed), list(outcome.accuracy_matrix)))

        method = self.unit.load()
        check_import(method)
        with _threads(threads), errors_told(method), unchanged(method), memory.refused(self.unit.title):
            outcomes = self._outcomes(group, begun, report, keep)
        for stream, outcome in zip(group, outcomes, strict=True):
            if not self._recorded(stream):
                self._save(stream, outcome, origin)
        checkpoint.remove(path)

    def _outcomes(
        self, group: list[Stream], begun: State | None, report: engine.Report, keep: engine.Keep
    ) -> list[checkpoint.Outcome]:
        method, settings = self.unit.load(), self.unit.settings
        train = getattr(method, "train", None)  # a method may come with a training loop of its own
        train = train or partial(engine.train, measure=self.unit.measure)
        network = self.unit.load_network()
        if begun:
            at = begun.point.phase, begun.point.outcomes, begun.tensors
            try:
                tasks = sum(map(len, method.phases(settings.tasks)[: begun.point.phase]))
                self.tell(Notice(f"{named(self.unit, begun.point.seeds)}: going on after task {tasks}"))
                return train(method, group, settings, self.device, report, at, keep, network=network)
            except engine.Misfit as error:
                self.tell(Notice(f"{begun.path}: {error}; its runs begin anew"))
        return train(method, group, settings, self.device, report, keep=keep, network=network)

    def _save(self, stream: Stream, outcome: checkpoint.Outcome, origin: Mapping[str, object]) -> None:
        record = schema.compose(
            self.unit.method,
            self.unit.stream,
            stream.seed,
            self.unit.settings,
            outcome.accuracy_matrix,
            outcome.seconds,
            outcome.diverged,
            origin,
            about(self.unit.load()),
            outcome.measurements,
        )
        keep(self.results, record, self.unit.force, self.tell)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _of_one_form(streams: list[Stream]) -> list[list[Stream]]:
    """The streams that can take the same steps, together."""
    form = attrgetter("form")
    return [list(group) for _, group in groupby(sorted(streams, key=form), key=form)]


def _reporter(index: int, unit: Unit, group: int, groups: int, tell: Tell) -> engine.Report:
    phases = len(unit.load().phases(unit.settings.tasks))

    def report(step: int, steps: int, phase: int) -> None:
        share = step / steps
        whole = (group + share) / groups
        tell(Advance(index, min(whole, 0.999), phase, min(1.0, share * phases - phase)))

    return report
