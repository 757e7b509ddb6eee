"""The runs to do: what is not recorded yet, in units of work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

from benchmark.common import memory
from benchmark.records import checkpoint, store
from benchmark.records.code_version import code_version
from benchmark.runs import resume
from benchmark.runs.claims import Claims
from benchmark.runs.unit import Unit
from benchmark.streams.build import Stream, build, whole
from benchmark.streams.names import arguments_of, stream_id
from benchmark.training.checks import check_phases
from benchmark.training.external import distinct, settings_of
from methods.errors import InputError
from methods.settings import Settings

RESNET_COST = 40
"""A ResNet's step on a CPU, in steps of the MLP; it only orders the work and scales the time left."""


def plan(
    methods: Sequence[str],
    streams: Sequence[str],
    seeds: Sequence[int],
    overrides: Mapping[str, object],
    results: Path,
    data: Path | None,
    device: str,
    force: bool = False,
) -> list[Unit]:
    """What is not recorded yet (everything, with `force`), the longest units first.

    `methods` are named as benchmark.training.external says, `streams` as benchmark.streams.names does. A network of
    small layers trains all its seeds together, a ResNet on a CPU each seed alone: there one seed keeps a core busy
    already. A method with a training loop of its own trains each seed alone too, so that each is recorded as it ends.
    Raises InputError for methods, streams, settings, data or records that cannot be used.
    """
    classes = distinct(methods)
    cells = {
        (method, source): settings_of(method, source, whole(source, seeds[0], overrides, data))
        for method, source in product(methods, streams)
    }

    @cache
    def probe(source: str, *settings: object) -> Stream:
        with memory.refused(stream_id(source)):
            return build(source, seeds[0], *settings)

    units, among = [], 0
    for (spec, source), settings in cells.items():
        method, stream = classes[spec].id, stream_id(source)
        first = probe(source, settings.tasks, settings.train_examples, data, arguments_of(settings))
        code = code_version(classes[spec])
        check_phases(classes[spec], settings.tasks)
        own_loop = hasattr(classes[spec], "train")
        if own_loop:
            classes[spec].check_fit(settings, first)
        missing = tuple(
            seed
            for seed in seeds
            if force or not store.recorded(results, method, stream, seed, settings, code, first.digests)
        )
        alone = own_loop or (first.kind.network == "resnet18" and device == "cpu")
        _tidy(results, method, stream, settings, set(seeds) - set(missing))
        among += len(seeds) if alone else 1
        for runs in [(seed,) for seed in missing] if alone else [missing] if missing else []:
            cost = _cost(first, settings, len(runs))
            units.append(Unit(method, stream, runs, dict(settings), cost, 1, force, spec, source))
    return [replace(unit, among=among) for unit in sorted(units, key=lambda unit: -unit.cost)]


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
    return seeds * steps * (RESNET_COST if stream.kind.network == "resnet18" else 1)
