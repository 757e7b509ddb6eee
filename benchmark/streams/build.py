"""Task streams: Avalanche benchmarks over whole tensors, drawn by a seed as the classic streams draw them.

Shape letters: T tasks, N examples, D pixels, C classes of a head.
"""

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from avalanche.benchmarks import CLScenario, benchmark_from_datasets, with_classes_timeline, with_task_labels
from avalanche.benchmarks.utils import ConstantSequence, TaskLabels, as_classification_dataset
from torch import Tensor

from benchmark.streams.avalanche.convert import Source, converted, digests
from benchmark.streams.datasets import ImageData, load
from benchmark.streams.external import Arguments
from benchmark.streams.images import TaskImages, drawn_rows
from benchmark.streams.kinds import PAPER_STREAMS, STREAMS, StreamKind
from benchmark.streams.names import from_elsewhere
from benchmark.streams.pixel_maps import angles, permutations, rotation
from methods.errors import InputError

__all__ = ["PAPER_STREAMS", "STREAMS", "Stream", "StreamKind", "TaskImages", "build", "on_device"]

# Past a full turn the rotations would come again; a thousand permutations are a bound on memory alone.
_MOST_TASKS = {"rotated": 36, "permuted": 1000}


@dataclass(frozen=True)
class Stream:
    """One seed's stream of tasks."""

    kind: StreamKind
    seed: int
    benchmark: CLScenario  # train_stream and test_stream, T experiences each, over the images below
    train: list[TaskImages]
    test: list[TaskImages]
    shape: tuple[int, ...]  # of one example for the network: (D,), (3, 32, 32) or another
    classes: int  # C
    heads: int  # 1, or T where every task has its own head
    scale: float  # of a fully inked pixel
    digests: dict[str, str]  # data file -> digest

    @property
    def form(self) -> tuple[object, ...]:
        """What streams must share to be trained side by side: of a stream from elsewhere any of it may depend on the
        seed."""
        lengths = tuple(map(len, self.train))
        return lengths, self.kind.network, self.shape, self.classes, self.heads, self.scale


@dataclass(frozen=True)
class _Task:
    """What the seed decides about a task: its head's classes, the order they are listed in, its pixel map."""

    classes: list[int]  # label in the head -> label in the data set
    listed: list[int]
    pixel_map: Tensor | None = None


def build(
    stream_id: str,
    seed: int,
    tasks: int,
    train_examples: int = 0,
    data_dir: Path | None = None,
    arguments: Arguments = (),
) -> Stream:
    """The stream `stream_id` of `seed`; the first tasks of a longer stream of the same seed are the same.

    stream_id: one of STREAMS, or a stream from elsewhere, avalanche:NAME or a file, with its arguments.
    train_examples: training examples of a task, drawn from the seed; 0 takes them all. Test sets stay whole.
    data_dir: where to look for the data first (see benchmark.streams.datasets.load).
    Raises InputError where the stream has no such tasks or examples, or the data are missing or damaged.
    """
    if from_elsewhere(stream_id):
        return _from_elsewhere(Source(stream_id, seed, arguments, tasks, train_examples, data_dir))
    kind = _checked_kind(stream_id, seed, tasks)
    data = load(kind.dataset, data_dir)
    drawn = _draw(kind, data, seed, tasks)
    train = _images(data.train_images, data.train_labels, drawn, data.scale)
    if train_examples:
        train = [_some(images, train_examples, seed, task, kind) for task, images in enumerate(train)]
    test = _images(data.test_images, data.test_labels, drawn, data.scale)
    per_task = kind.heads == "per task"
    return Stream(
        kind=kind,
        seed=seed,
        benchmark=_benchmark(train, test, per_task),
        train=train,
        test=test,
        shape=tuple(data.train_images.shape[1:]),
        classes=len(drawn[0].classes),
        heads=tasks if per_task else 1,
        scale=data.scale,
        digests=data.digests,
    )


def on_device(streams: Sequence[Stream], device: torch.device) -> list[Stream]:
    """The streams with all their examples on the device, shared images once; the experiences stay where they are."""
    if device.type == "cpu":
        return list(streams)
    shared = {id(part.base): part.base for stream in streams for part in (*stream.train, *stream.test)}
    there = {key: base.to(device) for key, base in shared.items()}

    def moved(parts: list[TaskImages]) -> list[TaskImages]:
        return [part.on(device, there[id(part.base)]) for part in parts]

    return [replace(stream, train=moved(stream.train), test=moved(stream.test)) for stream in streams]


def _from_elsewhere(source: Source) -> Stream:
    made = converted(source)
    first, per_task = made.train[0], made.kind.heads == "per task"
    return Stream(
        kind=made.kind,
        seed=source.seed,
        benchmark=_benchmark(made.train, made.test, per_task),
        train=made.train,
        test=made.test,
        shape=tuple(first.base.shape[1:]),
        classes=made.classes,
        heads=len(made.train) if per_task else 1,
        scale=first.scale,
        digests=digests(source),
    )


def _checked_kind(stream_id: str, seed: int, tasks: int) -> StreamKind:
    kind = STREAMS.get(stream_id)
    if kind is None:
        raise InputError(f"no stream is called {stream_id!r}; there are {', '.join(STREAMS)}")
    if not 0 <= seed < 2**32:
        raise InputError(f"seed {seed} is out of range: choose one from 0 to {2**32 - 1}")
    most = _MOST_TASKS.get(stream_id.split("-")[0], kind.tasks)
    if not 1 <= tasks <= most:
        raise InputError(f"{stream_id} cannot have {tasks} tasks: choose tasks from 1 to {most}")
    return kind


def _draw(kind: StreamKind, data: ImageData, seed: int, tasks: int) -> list[_Task]:
    classes = int(data.train_labels.max()) + 1
    if kind.heads == "per task":
        return _split(classes, classes // kind.tasks, seed, tasks)
    pixels = data.train_images.shape[1]
    if kind.id.startswith("permuted"):
        maps = permutations(seed, tasks, pixels)
    else:
        maps = [rotation(angle, round(pixels**0.5)) for angle in angles(seed, tasks)]
    labels = list(range(classes))
    return [_Task(labels, _listed(classes, task), pixel_map) for task, pixel_map in enumerate(maps)]


def _split(classes: int, size: int, seed: int, tasks: int) -> list[_Task]:
    # a generator of its own gives the numbers that the classic stream draws after seeding torch's global one
    order = torch.randperm(classes, generator=torch.Generator().manual_seed(seed)).tolist()
    parts = [order[size * task : size * (task + 1)] for task in range(tasks)]
    return [_Task(part, list(set(part))) for part in parts]


def _listed(classes: int, task: int) -> list[int]:
    # classic streams number the classes through all tasks, and list a task's in the order of a Python set
    first = classes * task
    return [label - first for label in set(range(first, first + classes))]


def _images(base: Tensor, labels: Tensor, drawn: list[_Task], scale: float) -> list[TaskImages]:
    # numpy, as in TaskImages.take: these are many small steps
    rows_of = [np.flatnonzero(labels.numpy() == label) for label in range(int(labels.max()) + 1)]

    def images(task: _Task) -> TaskImages:
        rows = [rows_of[label] for label in task.listed]
        in_head = [task.classes.index(label) for label in task.listed]
        targets = np.repeat(in_head, [len(part) for part in rows])
        return TaskImages(
            base, torch.from_numpy(np.concatenate(rows)), torch.from_numpy(targets), scale, task.pixel_map
        )

    return [images(task) for task in drawn]


def _some(images: TaskImages, count: int, seed: int, task: int, kind: StreamKind) -> TaskImages:
    rows = torch.tensor(drawn_rows(len(images), count, seed, task, kind.id))
    return TaskImages(images.base, images.rows[rows], images.targets[rows], images.scale, images.pixel_map)


def _benchmark(train: list[TaskImages], test: list[TaskImages], per_task: bool) -> CLScenario:
    def experiences(parts: list[TaskImages]) -> list:
        return [_with_label(images, task if per_task else 0) for task, images in enumerate(parts)]

    benchmark = with_task_labels(benchmark_from_datasets(train=experiences(train), test=experiences(test)))
    # Avalanche's models with a head a task ask an experience for its classes
    return with_classes_timeline(benchmark) if per_task else benchmark


def _with_label(images: TaskImages, label: int):
    labels = TaskLabels(ConstantSequence(label, len(images)))
    return as_classification_dataset(images).update_data_attribute("targets_task_labels", labels)
