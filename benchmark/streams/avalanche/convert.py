"""Avalanche benchmarks as the suite's tensors: every example is taken once, then never again.

Shape letters: N examples, D pixels of an image.
"""

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

import hashlib
import math
import sys
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from benchmark.streams.avalanche.scenario import Scenario, example, recognised, targets
from benchmark.streams.external import Arguments, benchmark_of, file_digests
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

    @property
    def size(self) -> int:
        """Bytes of the images."""
        return sum(images.base.nbytes for images in [*self.train, *self.test])

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
    return _scenario(source).kind(source.spec)


def converted(source: Source) -> Converted:
    """The stream as tensors; the same ones if asked for again soon. Raises InputError where it cannot be had."""
    if source not in _kept:
        _kept[source] = _convert(source)
    _kept.move_to_end(source)
    while len(_kept) > 1 and sum(one.size for one in _kept.values()) > _KEPT_BYTES:
        _kept.popitem(last=False)
    return _kept[source]


_kept: OrderedDict[Source, Converted] = OrderedDict()
_digests: dict[Source, str] = {}


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


def _scenario(source: Source) -> Scenario:
    return recognised(benchmark_of(source.spec, source.seed, source.arguments, source.directory), source.spec)


def _convert(source: Source) -> Converted:
    scenario = _scenario(source)
    most = len(scenario.train)
    tasks = source.tasks or most
    if tasks > most:
        raise InputError(f"{source.spec} cannot have {tasks} tasks: choose tasks from 1 to {most}")
    counts = [len(targets(one, source.spec)) for one in scenario.train[:tasks]]
    rows = [
        drawn_rows(count, source.train_examples, source.seed, task, source.spec) for task, count in enumerate(counts)
    ]
    rows += [range(len(targets(one, source.spec))) for one in scenario.test[:tasks]]
    clock = _Clock(f"{source.spec}, seed {source.seed}", sum(map(len, rows)))
    parts = [
        _taken(experience, own, scenario, source.spec, clock)
        for experience, own in zip([*scenario.train[:tasks], *scenario.test[:tasks]], rows, strict=True)
    ]
    images, scale = _bytes_if_exact([images for images, _ in parts])
    whole = [
        TaskImages(
            base,
            torch.arange(len(base)),
            _in_head(labels, scenario.classes[index % tasks]),
            scale,
            image_shape=scenario.shape,
        )
        for index, (base, (_, labels)) in enumerate(zip(images, parts, strict=True))
    ]
    return Converted(scenario.kind(source.spec), whole[:tasks], whole[tasks:], scenario.width)


def _in_head(labels: list[int], classes: list[int]) -> Tensor:
    places = {label: place for place, label in enumerate(classes)}
    return torch.tensor([places[label] for label in labels])


def _taken(
    experience: object, rows: Sequence[int], scenario: Scenario, spec: str, clock: "_Clock"
) -> tuple[Tensor, list[int]]:
    """The examples `rows` of an experience: images float32 [N, D] or [N, *shape], labels."""
    known = targets(experience, spec)
    images, labels = torch.empty(len(rows), *scenario.shape), []
    for place, row in enumerate(rows):
        image, label = example(experience, row, spec)
        if tuple(image.shape) != scenario.shape:
            raise InputError(f"{spec} has examples of shapes {scenario.shape} and {tuple(image.shape)}: one is needed")
        if label != known[row]:
            raise InputError(f"{spec} gives an example the label {label} that its targets call {known[row]}")
        images[place] = image
        labels.append(label)
        clock.tick()
    return images.flatten(1) if scenario.flat else images, labels


def _bytes_if_exact(parts: list[Tensor]) -> tuple[list[Tensor], float]:
    """The images as bytes, and 255, where they are bytes over 255; else as they are, and 1."""
    whole = [part.mul(255).round_().clamp_(0, 255).byte() for part in parts]
    if all(torch.equal(byte.float() / 255, part) for byte, part in zip(whole, parts, strict=True)):
        return whole, 255.0
    return parts, 1.0


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
