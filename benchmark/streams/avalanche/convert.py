"""Avalanche benchmarks as the suite's tensors: every example is taken once, then never again.

Shape letters: N examples, D pixels of an image.
"""

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

import hashlib
import math
import sys
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import torch
from avalanche.benchmarks import CLScenario
from torch import Tensor

from benchmark.common.loading import sheltered, shown
from benchmark.common.seeded import seeded
from benchmark.streams import checks
from benchmark.streams.avalanche.pixels import refuse, scaled, taken
from benchmark.streams.avalanche.scenario import Scenario, recognised
from benchmark.streams.external import Arguments, benchmark_of, file_digests, made_anew
from benchmark.streams.images import TaskImages, drawn_rows
from benchmark.streams.kinds import StreamKind
from benchmark.streams.names import AVALANCHE
from methods.errors import InputError

_KEPT_BYTES = 2**30
"""Converted streams are kept for the next method up to this size; one is kept whatever its size."""
_PATIENCE = 2.0
"""Seconds after which a conversion says how long it takes."""


@dataclass(frozen=True)
class Source:
    """A stream from elsewhere, all of it or its first tasks: what decides its tensors."""

    spec: str  # avalanche:NAME or a file
    seed: int
    arguments: Arguments = ()
    tasks: int = 0  # 0: all
    train_examples: int = 0  # 0: all
    directory: Path | None = None  # of data


@dataclass(frozen=True)
class Converted:
    """The tensors of a stream, a TaskImages a task."""

    kind: StreamKind
    train: list[TaskImages]
    test: list[TaskImages]
    classes: int
    about_labels: list[str]  # warnings
    about_pixels: list[str]

    @property
    def size(self) -> int:
        """Bytes of the images."""
        return sum({id(part.base): part.base.nbytes for part in [*self.train, *self.test]}.values())

    def digest(self) -> str:
        """sha256 of all images and labels, in their order."""
        digest = hashlib.sha256()
        for images in [*self.train, *self.test]:
            for part in (images.base, images.targets):
                digest.update(f"{part.dtype} {tuple(part.shape)}".encode())
                digest.update(part.numpy().tobytes())
        return digest.hexdigest()


def kind_of(source: Source) -> StreamKind:
    """What a stream is, without taking its examples. Raises InputError where it is none for the suite."""
    return scenario_of(source).kind(source.spec)


def made(source: Source) -> CLScenario:
    """The stream as Avalanche has it; the same one if asked for again at once."""
    return benchmark_of(source.spec, source.seed, source.arguments, source.directory)


def scenario_of(source: Source) -> Scenario:
    """The stream as it is recognised. Raises InputError where it is none for the suite."""
    return recognised(made(source), source.spec)


def anew(source: Source, state: int | None = None) -> Converted:
    """The stream as tensors, made once more from the beginning.

    state: what the global random generators begin with; None: the stream's seed. Raises InputError as `converted`.
    """
    state = source.seed if state is None else state
    again = made_anew(source.spec, source.seed, source.arguments, source.directory, state)
    return _convert(source, recognised(again, source.spec), state)


def converted(source: Source) -> Converted:
    """The stream as tensors; the same ones if asked for again soon. Raises InputError where it cannot be had."""
    if source not in _kept:
        _kept[source] = _convert(source, scenario_of(source), source.seed)
    _kept.move_to_end(source)
    while len(_kept) > 1 and sum(one.size for one in _kept.values()) > _KEPT_BYTES:
        _kept.popitem(last=False)
    return _kept[source]


_kept: OrderedDict[Source, Converted] = OrderedDict()
_digests: dict[Source, str] = {}


def warnings(source: Source) -> list[str]:
    """What is unusual about a stream, a line each."""
    tensors = converted(source)
    found = [*tensors.about_labels, *tensors.about_pixels, *checks.shown_in_training(tensors.train, tensors.test)]
    return [f"{shown(source.spec)}: {line}" for line in found]


def digests(source: Source) -> dict[str, str]:
    """What the records of all seeds of the stream say about its data: its files, and what seed 0 makes of them.

    Where the suite knows the data files their digests are enough.
    """
    known = file_digests(source.spec, source.directory)
    if known and source.spec.startswith(AVALANCHE):
        return known
    first = Source(source.spec, 0, source.arguments, source.tasks, source.train_examples, source.directory)
    if first not in _digests:
        _digests[first] = converted(first).digest()
    return known | {"tensors of seed 0": _digests[first]}


def _convert(source: Source, scenario: Scenario, state: int) -> Converted:
    most, spec = len(scenario.train), shown(source.spec)
    tasks = source.tasks or most
    if tasks > most:
        raise InputError(
            f"{spec} cannot have {tasks} tasks: with seed {source.seed} it has {most}; choose tasks from 1 to {most}"
        )
    refuse(source.spec, checks.disjoint_classes(scenario))
    train, test = scenario.train[:tasks], scenario.test[: 1 if scenario.one_test_set else tasks]
    rows = [
        drawn_rows(len(part.labels), source.train_examples, source.seed, task, spec) for task, part in enumerate(train)
    ]
    rows += [range(len(part.labels)) for part in test]
    clock = _Clock(f"{spec}, seed {source.seed}", sum(map(len, rows)))
    parts = [*train, *test]
    with seeded(state), sheltered():  # transforms may draw
        read = [(part.name, taken(part, own, scenario, clock.tick)) for part, own in zip(parts, rows, strict=True)]
    images, scale = scaled(source.spec, read)
    whole = [
        _task_images(base, [part.labels[row] for row in own], scenario, index % tasks, scale)
        for index, (base, part, own) in enumerate(zip(images, parts, rows, strict=True))
    ]
    tests = whole[tasks:] * (tasks if scenario.one_test_set else 1)
    about_pixels = checks.unusual_pixels([(part.name, base) for part, base in zip(parts, images, strict=True)], scale)
    about_labels = checks.untrained_classes(scenario)
    return Converted(scenario.kind(source.spec), whole[:tasks], tests, scenario.width, about_labels, about_pixels)


def _task_images(base: Tensor, labels: list[int], scenario: Scenario, task: int, scale: float) -> TaskImages:
    places = {label: place for place, label in enumerate(scenario.classes[task])}
    return TaskImages(
        base.flatten(1) if scenario.flat else base,
        torch.arange(len(base)),
        torch.tensor([places[label] for label in labels]),
        scale,
        image_shape=scenario.shape,
    )


class _Clock:
    """Says once, on stderr, how long a slow conversion takes."""

    def __init__(self, what: str, count: int) -> None:
        self.what, self.count, self.done, self.said = what, count, 0, False
        self.started = time.monotonic()

    def tick(self) -> None:
        """An example was taken."""
        self.done += 1
        spent = time.monotonic() - self.started
        if not self.said and spent > _PATIENCE:
            seconds = math.ceil(spent / self.done * (self.count - self.done))
            print(
                f"{self.what}: taking {self.count:,} examples from Avalanche, about {seconds} s more",
                file=sys.stderr,
                flush=True,
            )
            self.said = True
