"""The runs to do: planned, trained in this process or in several, and recorded one by one as they end."""

from __future__ import annotations

import benchmark.compat  # noqa: F401  (before torchvision and avalanche)

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby, product
from pathlib import Path

import torch

from benchmark import engine, provenance, records
from benchmark.catalogue import STREAMS
from benchmark.progress import Advance, Saved
from benchmark.streams import Stream, build
from benchmark.version import code_version
from methods import METHODS
from methods.errors import InputError
from methods.settings import Settings, settings_for

Tell = Callable[[Advance | Saved], None]

RESNET_COST = 40
"""A ResNet's step on a CPU, in steps of the MLP; it only orders the work and scales the time left."""


@dataclass(frozen=True)
class Unit:
    """Runs of one method on one stream that are trained together."""

    method: str
    stream: str
    seeds: tuple[int, ...]
    settings: Settings
    cost: float  # how long it takes, in no particular measure

    @property
    def title(self) -> str:
        """For a progress bar."""
        word, numbers = ("seed" if len(self.seeds) == 1 else "seeds"), ", ".join(map(str, self.seeds))
        return f"{self.method} on {self.stream}, {word} {numbers}"


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def device_named(name: str) -> str:
    """The device for 'auto', 'cpu' or 'cuda'. Raises InputError for 'cuda' where PyTorch finds none."""
    found = torch.cuda.is_available()
    if name == "cuda" and not found:
        raise InputError("--device: PyTorch finds no CUDA device here; use --device cpu")
    return "cuda" if found and name != "cpu" else "cpu"


def plan(
    methods: Sequence[str], streams: Sequence[str], seeds: Sequence[int], overrides: Mapping[str, object],
    results: Path, data: Path | None, device: str, force: bool = False,
) -> list[Unit]:
    """What is not recorded yet (everything, with `force`), the longest units first.

    A network of small layers trains all its seeds together, a ResNet on a CPU each seed alone: there one seed
    keeps a core busy already. Raises InputError for settings, data or records that cannot be used.
    """
    cells = {pair: settings_for(*pair, overrides) for pair in product(methods, streams)}

    @cache
    def probe(stream: str, tasks: int, train_examples: int) -> Stream:
        return build(stream, seeds[0], tasks, train_examples, data)

    units = []
    for (method, stream), settings in cells.items():
        first = probe(stream, settings.tasks, settings.train_examples)
        code = code_version(METHODS[method])
        missing = tuple(
            seed for seed in seeds
            if force or not records.recorded(results, method, stream, seed, settings, code, first.digests)
        )
        alone = STREAMS[stream].network == "resnet18" and device == "cpu"
        for together in [(seed,) for seed in missing] if alone else [missing] if missing else []:
            units.append(Unit(method, stream, together, settings, _cost(first, settings, len(together))))
    return sorted(units, key=lambda unit: -unit.cost)


def _cost(stream: Stream, settings: Settings, seeds: int) -> float:
    examples = settings.epochs * sum(len(task) for task in stream.train)
    steps = examples / min(settings.batch_size, examples)
    return seeds * steps * (RESNET_COST if stream.kind.network == "resnet18" else 1)


def work(index: int, unit: Unit, results: Path, data: Path | None, device: str, tell: Tell) -> None:
    """Train a unit and record its runs; `index` names it in what it tells."""
    settings = unit.settings
    streams = [build(unit.stream, seed, settings.tasks, settings.train_examples, data) for seed in unit.seeds]
    groups = _equally_long(streams)
    for number, group in enumerate(groups):
        origin = provenance.gather(
            code_version(METHODS[unit.method]), group[0].digests, device, torch.get_num_threads(),
            [stream.seed for stream in group],
        )
        report = _reporter(index, unit, number, len(groups), tell)
        outcomes = engine.train(METHODS[unit.method], group, settings, device, report)
        for stream, outcome in zip(group, outcomes, strict=True):
            record = records.compose(
                unit.method, unit.stream, stream.seed, settings, outcome.accuracy_matrix, outcome.seconds,
                outcome.diverged, origin,
            )
            records.save(results, record)
            tell(Saved(_line(record)))
    tell(Advance(index, 1.0, 0, 1.0))


def _equally_long(streams: list[Stream]) -> list[list[Stream]]:
    """The streams that can take the same steps, together."""
    def lengths(stream: Stream) -> tuple[int, ...]:
        return tuple(len(task) for task in stream.train)

    return [list(group) for _, group in groupby(sorted(streams, key=lengths), key=lengths)]


def _reporter(index: int, unit: Unit, group: int, groups: int, tell: Tell) -> engine.Report:
    phases = len(METHODS[unit.method].phases(unit.settings.tasks))

    def report(step: int, steps: int, phase: int) -> None:
        share = step / steps
        whole = (group + share) / groups
        tell(Advance(index, min(whole, 0.999), phase, min(1.0, share * phases - phase)))

    return report


def _line(record: records.Record) -> str:
    name = f"{record.method} on {record.stream}, seed {record.seed}"
    if record.diverged is not None:
        return f"{name}: diverged in task {record.diverged.task + 1}, at step {record.diverged.step}"
    metrics = record.metrics
    return (f"{name}: accuracy {100 * metrics.average_accuracy:.1f} %, "
            f"forgetting {metrics.average_forgetting:.2f}, {record.seconds:.1f} s")
