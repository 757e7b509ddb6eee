"""What an Avalanche benchmark is to the suite: its scenario, its heads and the shape of its examples."""

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from avalanche.benchmarks import CLScenario
from torch import Tensor

from benchmark.networks.registry import default_network
from benchmark.streams.kinds import StreamKind
from benchmark.streams.names import stream_id
from methods.errors import InputError

_WHY = {
    "task-incremental": "every experience has a task label of its own, so every task has a head of its own",
    "domain-incremental": "one task label, and the same classes in every experience: one head",
    "class-incremental": "one task label, and classes that differ between experiences: one head over all classes",
}


@dataclass(frozen=True)
class Scenario:
    """A benchmark as it was recognised."""

    name: str  # one of _WHY
    train: Sequence  # of experiences
    test: Sequence
    classes: list[list[int]]  # of each task's head: label in the head -> label in the benchmark
    shape: tuple[int, ...]  # of an example as the benchmark gives it

    @property
    def flat(self) -> bool:
        """Whether the suite keeps its examples as [D]: those of one channel, or of no more than two dimensions."""
        return len(self.shape) in (1, 2) or (len(self.shape) == 3 and self.shape[0] == 1)

    @property
    def network(self) -> str:
        """The id of the network that it has by default, or ''."""
        return default_network((math.prod(self.shape),) if self.flat else self.shape)

    @property
    def per_task(self) -> bool:
        """Whether every task has a head of its own."""
        return self.name == "task-incremental"

    @property
    def width(self) -> int:
        """The outputs of a head: where heads differ, those of the widest."""
        return max(map(len, self.classes))

    def kind(self, spec: str) -> StreamKind:
        """What to say about the stream that `spec` names."""
        shape = " x ".join(map(str, self.shape))
        source = (
            f"An Avalanche benchmark, recognised as {self.name}: {_WHY[self.name]}, of {self.width} classes. "
            f"Examples: {shape}. Made by {spec}."
        )
        heads = "per task" if self.per_task else "one"
        name = stream_id(spec)
        return StreamKind(name, name, "", self.network, len(self.train), heads, False, source)


def recognised(benchmark: CLScenario, spec: str) -> Scenario:
    """The benchmark's scenario, from the task labels and classes of its experiences.

    Raises InputError where the suite has no place for it.
    """
    streams = benchmark.streams
    if not {"train", "test"} <= streams.keys():
        raise InputError(f"{spec} has the streams {', '.join(streams)}: a train and a test stream are needed")
    train, test = list(streams["train"]), list(streams["test"])
    if len(train) != len(test) or not train:
        raise InputError(
            f"{spec} has {len(train)} training and {len(test)} test experiences: as many of each are needed, at least 1"
        )
    labels = [_label(experience, f"{spec}, experience {task}") for task, experience in enumerate(train)]
    if labels != [_label(experience, f"{spec}, test experience {task}") for task, experience in enumerate(test)]:
        raise InputError(f"{spec}: its test experiences have other task labels than its training experiences")
    if len(set(labels)) not in (1, len(labels)):
        raise InputError(f"{spec} has the task labels {labels}: either all must be equal, or no two")
    seen = [sorted({*targets(one, spec), *targets(two, spec)}) for one, two in zip(train, test, strict=True)]
    name, classes = _heads(labels, seen)
    shape = tuple(example(train[0], 0, spec)[0].shape)
    if not shape:
        raise InputError(f"{spec} has examples of no dimension; change them in the stream's transform")
    return Scenario(name, train, test, classes, shape)


def _heads(labels: list[int], seen: list[list[int]]) -> tuple[str, list[list[int]]]:
    if len(labels) > 1 and len(set(labels)) > 1:
        return "task-incremental", seen
    union = sorted({label for task in seen for label in task})
    name = "domain-incremental" if all(task == union for task in seen) else "class-incremental"
    return name, [union] * len(seen)


def _label(experience: object, where: str) -> int:
    labels = getattr(experience, "task_labels", [0])  # a benchmark without task labels has one task
    if len(labels) != 1:
        raise InputError(f"{where} has the task labels {list(labels)}: one is needed")
    return int(labels[0])


def targets(experience: object, spec: str) -> list[int]:
    """The labels of an experience's examples, as the benchmark has them."""
    found = getattr(experience.dataset, "targets", None)
    if found is None or len(found) == 0:
        raise InputError(f"{spec}: an experience has no examples with targets; use as_classification_dataset")
    return [int(label) for label in found]


def example(experience: object, row: int, spec: str) -> tuple[Tensor, int]:
    """An example as it is evaluated, so without augmentation: the image as a tensor, and its label."""
    image, label = experience.dataset.eval()[row][:2]
    if not isinstance(image, torch.Tensor):
        raise InputError(f"{spec} gives {type(image).__name__} and no tensors: add ToTensor() to its transforms")
    return image, int(label)
