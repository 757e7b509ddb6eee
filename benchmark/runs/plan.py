"""The runs to do: what is not recorded yet, in units of work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.common import memory
from benchmark.networks.external import network_named
from benchmark.networks.registry import NetworkKind
from benchmark.records import checkpoint, store
from benchmark.records.code_version import code_version
from benchmark.runs import resume
from benchmark.runs.claims import Claims
from benchmark.runs.guard import Guard, refuse_to_replace
from benchmark.runs.unit import Unit
from benchmark.streams.archives import ARCHIVES, find
from benchmark.streams.build import Stream, build
from benchmark.streams.kinds import STREAMS, StreamKind
from benchmark.streams.names import arguments_of, from_elsewhere, stream_id
from benchmark.streams.outline import whole
from benchmark.training.checks import check_phases
from benchmark.training.engine import network_of
from benchmark.training.external import distinct, settings_of
from benchmark.training.probes import Asked, descriptions
from methods.errors import InputError
from methods.settings import Settings

if TYPE_CHECKING:
    from methods.method import Method


@dataclass(frozen=True)
class CellPlan:
    """One method on one stream, and what decides whether its runs are recorded already."""

    spec: str  # what benchmark.training.external loads the method by
    source: str  # what benchmark.streams.build builds the stream from
    method: type[Method]
    settings: Settings
    code: str
    first: Stream | None  # of the first seed; None where its data are missing and must not be downloaded
    network: NetworkKind
    named: str = ""  # what benchmark.networks.external loads the network by; "": the stream's own

    @property
    def stream(self) -> str:
        """The id under which the stream is recorded."""
        return stream_id(self.source)

    @property
    def kind(self) -> StreamKind:
        """What the stream is."""
        return STREAMS[self.source] if self.first is None else self.first.kind

    def place(self, results: Path, seed: int) -> Path:
        """Where the record of a seed belongs."""
        return store.path_of(results, self.method.id, self.stream, seed, self.settings)

    def recorded(self, results: Path, seed: int, asked: Mapping[str, object] | None = None) -> bool:
        """Whether the run is recorded under these settings, this code and these data, which must be at hand.

        asked: the measurements that its record must hold, see benchmark.training.probes.descriptions.
        """
        if self.first is None:
            raise ValueError("without the data it cannot be told whether a record is of the same data")
        method, data = self.method.id, self.first.digests
        return store.recorded(results, method, self.stream, seed, self.settings, self.code, data, asked or {})

    def units(
        self, missing: Sequence[int], device: str, force: bool = False, measure: tuple[Asked, ...] = ()
    ) -> list[Unit]:
        """The seeds `missing` as units of work."""
        parts = [(seed,) for seed in missing] if self.alone(device) else [tuple(missing)] if missing else []
        method, stream, settings = self.method.id, self.stream, self.settings
        return [
            Unit(
                method,
                stream,
                runs,
                dict(settings),
                self._cost(len(runs)),
                1,
                force,
                self.spec,
                self.source,
                measure,
                self.named,
            )
            for runs in parts
        ]

    def alone(self, device: str) -> bool:
        """Whether each seed is a unit of its own."""
        return not self.network.stacked_on_cpu and device == "cpu"

    def _cost(self, seeds: int) -> float:
        return 0.0 if self.first is None else _cost(self.first, self.settings, seeds) * self.network.step_cost


def plan(
    methods: Sequence[str],
    streams: Sequence[str],
    seeds: Sequence[int],
    overrides: Mapping[str, object],
    results: Path,
    data: Path | None,
    device: str,
    force: bool = False,
    measure: Sequence[Asked] = (),
) -> list[Unit]:
    """What is not recorded yet, with the measurements asked for (everything, with `force`), the longest units first.

    `methods` are named as benchmark.training.external says, `streams` as benchmark.streams.names does, the
    network among the overrides as benchmark.networks.external does. Whether the seeds of a unit train together is
    the network's to say (NetworkKind.stacked_on_cpu). Raises InputError for methods, streams, networks, settings, data,
    probes or records that cannot be used.
    """
    units, among, guard = [], 0, Guard(overrides, data)
    asked = descriptions(measure)
    for cell in cells(methods, streams, seeds[0], overrides, data):
        check_measurable(cell.method, measure)
        missing = tuple(seed for seed in seeds if force or not cell.recorded(results, seed, asked))
        if missing and from_elsewhere(cell.source):
            guard.look(cell.source, seeds, cell.settings)
            if not force:
                refuse_to_replace(results, cell.method.id, cell.stream, missing, cell.settings, cell.first.digests)
        _tidy(results, cell.method.id, cell.stream, cell.settings, set(seeds) - set(missing))
        among += len(seeds) if cell.alone(device) else 1
        units += cell.units(missing, device, force, tuple(measure))
    return [replace(unit, among=among) for unit in sorted(units, key=lambda unit: -unit.cost)]


def cells(
    methods: Sequence[str],
    streams: Sequence[str],
    seed: int,
    overrides: Mapping[str, object],
    data: Path | None,
    download: bool = True,
) -> Iterator[CellPlan]:
    """The methods on the streams, in the order given; `seed`: the first of the command.

    Without `download`, a stream of the suite whose data are missing is not built. Raises InputError as `plan` does.
    """
    classes = distinct(methods)
    settings_by_cell = settings_of_cells(methods, streams, seed, overrides, data)

    @cache
    def probe(source: str, *settings: Any) -> Stream | None:
        if not download and _lacks_data(source, data):
            return None
        with memory.refused(stream_id(source)):
            return build(source, seed, *settings)

    for (spec, source), settings in settings_by_cell.items():
        first = probe(source, settings.tasks, settings.train_examples, data, arguments_of(settings))
        named = str(overrides.get("network", "")) if settings.network else ""
        network = _network(named, settings, source, first)
        code = code_version(classes[spec], network=network.source)
        check_phases(classes[spec], settings.tasks)
        yield CellPlan(spec, source, classes[spec], settings, code, first, network, named)


def settings_of_cells(
    methods: Sequence[str], streams: Sequence[str], seed: int, overrides: Mapping[str, object], data: Path | None
) -> dict[tuple[str, str], Settings]:
    """The settings by method and stream, both as they are named."""
    return {
        (method, source): settings_of(method, source, whole(source, seed, overrides, data))
        for method, source in product(methods, streams)
    }


def check_measurable(method: type[Method], measure: Sequence[Asked]) -> None:
    """Raises InputError where probes are asked for and a method is trained by a loop that has no place for them."""
    if measure and hasattr(method, "train"):
        raise InputError(
            f"--measure: {method.id} is trained by Avalanche's own loop, where no probe measures; leave it out"
        )


def _network(named: str, settings: Settings, source: str, first: Stream | None) -> NetworkKind:
    given = network_named(named) if named else None
    if first is None:  # of a stream of the suite, which has a network of its own
        return given or network_named(STREAMS[source].network)
    return network_of(settings, first, given)


def _lacks_data(source: str, data: Path | None) -> bool:
    archive = ARCHIVES.get(STREAMS[source].dataset) if source in STREAMS else None
    return archive is not None and find(archive, data) is None


def _check_measurable(methods: Mapping[str, type], measure: Sequence[Asked]) -> None:
    """Raises InputError where probes are asked for and a method is trained by a loop that has no place for them."""
    for spec, method in methods.items():
        if measure and hasattr(method, "train"):
            raise InputError(
                f"--measure: {spec} is trained by Avalanche's own loop, where no probe measures; leave it out"
            )


def _tidy(results: Path, method: str, stream: str, settings: Settings, recorded: set[int]) -> None:
    """Remove the state of a process that was killed when it had recorded its last run and not yet removed that."""
    for found in resume.of_recorded(checkpoint.path_of(results, method, stream, [0], settings), recorded):
        runs = [store.path_of(results, method, stream, seed, settings) for seed in found.point.seeds]
        with suppress(InputError, OSError), Claims(results) as claims:  # as in results that cannot be written
            if claims.take(runs):
                checkpoint.remove(found.path)


def _cost(stream: Stream, settings: Settings, seeds: int) -> float:
    examples = settings.epochs * sum(len(task) for task in stream.train)
    steps = examples / min(settings.batch_size, examples)
    return seeds * steps
