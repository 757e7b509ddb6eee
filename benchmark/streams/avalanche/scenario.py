"""What an Avalanche benchmark is to the suite: its scenario, its heads and the shape of its examples."""

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

import math
from collections.abc import Sequence
from dataclasses import dataclass

from avalanche.benchmarks import CLScenario

from benchmark.common.loading import shown
from benchmark.networks.registry import default_network
from benchmark.streams.avalanche.labels import NUMBER, NoClass, class_of
from benchmark.streams.avalanche.parts import Part
from benchmark.streams.external import own_errors
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
    train: Sequence[Part]
    test: Sequence[Part]  # one and the same where all tasks share a test set
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
    def one_test_set(self) -> bool:
        """Whether all tasks share one test set."""
        return len(self.test) > 1 and self.test[0] is self.test[1]

    @property
    def width(self) -> int:
        """The outputs of a head: where heads differ, those of the widest."""
        return max(map(len, self.classes))

    def kind(self, spec: str) -> StreamKind:
        """What to say about the stream that `spec` names."""
        shape = " x ".join(map(str, self.shape))
        source = (
            f"An Avalanche benchmark, recognised as {self.name}: {_WHY[self.name]}, of {self.width} classes. "
            f"Examples: {shape}.{' One test set for all tasks.' if self.one_test_set else ''} Made by {spec}."
        )
        heads = "per task" if self.per_task else "one"
        name = stream_id(spec)
        return StreamKind(name, name, "", self.network, len(self.train), heads, False, source)


def recognised(benchmark: CLScenario, spec: str) -> Scenario:
    """The benchmark's scenario, from the task labels and classes of its experiences.

    One test experience beside several training experiences with one task label is the test set of every task.
    Raises InputError where the suite has no place for it.
    """
    train, test = parts(benchmark, spec)
    for part in (*train, *test):
        part.labels  # noqa: B018  (an experience without sound labels is refused first)
    name, classes = _heads(_task_labels(train, test, spec), train, test)
    shape = tuple(train[0].example(0)[0].shape)
    if not shape:
        raise InputError(f"{shown(spec)} has examples of no dimension; change them in the stream's transform")
    return Scenario(name, train, test, classes, shape)


def parts(benchmark: CLScenario, spec: str) -> tuple[list[Part], list[Part]]:
    """The training and the test examples of each task. Raises InputError where there are not as many of both."""
    with own_errors(spec):
        streams = {name: list(stream) for name, stream in benchmark.streams.items()}
    if not {"train", "test"} <= streams.keys():
        found = ", ".join(streams) or "none"
        raise InputError(f"{shown(spec)} has the streams {found}: a train and a test stream are needed")
    train, test = streams["train"], streams["test"]
    whole = len(test) == 1 < len(train)
    if not train or not (whole or len(train) == len(test)):
        raise InputError(
            f"{shown(spec)} has {len(train)} training and {len(test)} test experiences: as many of each are needed, at "
            "least 1, or one test experience for all tasks"
        )

    def named(stream: str, experiences: Sequence) -> list[Part]:
        return [Part(spec, f"task {task + 1} of the {stream} stream", one) for task, one in enumerate(experiences)]

    tests = [Part(spec, "the one test set of all tasks", test[0])] * len(train) if whole else named("test", test)
    return named("training", train), tests


def _task_labels(train: Sequence[Part], test: Sequence[Part], spec: str) -> list[int]:
    """The task label of each task. Raises InputError where the suite has no heads for them."""
    labels, tested = list(map(_label, train)), list(map(_label, test))
    distinct = len(set(labels))
    if test[0] is test[-1] and distinct > 1:
        raise InputError(
            f"{shown(spec)} has {len(train)} training and 1 test experiences, and task labels that differ: one test "
            "set for all tasks goes with one task label; give each task a test experience with its task label"
        )
    for task, (label, other) in enumerate(zip(labels, tested, strict=True)):
        if label != other:
            raise InputError(
                f"{shown(spec)}: task {task + 1} has the task label {label} in the training stream and {other} in the "
                "test stream: give both the same"
            )
    if distinct not in (1, len(labels)):
        again = next(label for label in labels if labels.count(label) > 1)
        places = [f"{task + 1}" for task, label in enumerate(labels) if label == again]
        raise InputError(
            f"{shown(spec)} has the task labels {str(labels)[:80]}: either all must be equal, or no two, and {again} "
            f"comes again (tasks {', '.join(places[:10])}); give each task a label of its own, for a head a task, or "
            "all the same, for one head"
        )
    return labels


def _heads(labels: list[int], train: Sequence[Part], test: Sequence[Part]) -> tuple[str, list[list[int]]]:
    seen = [{*one.labels, *two.labels} for one, two in zip(train, test, strict=True)]
    if len(set(labels)) > 1:
        return "task-incremental", list(map(sorted, seen))
    union = sorted(set().union(*seen))
    # one test set for all tasks says nothing about the classes of a single one
    own = [set(one.labels) for one in train] if len(train) > 1 and test[0] is test[-1] else seen
    return "domain-incremental" if all(own[0] == other for other in own) else "class-incremental", [union] * len(seen)


def _label(part: Part) -> int:
    with own_errors(part.spec, f" ({part.name}, its task labels)"):
        labels = list(getattr(part.experience, "task_labels", [0]))  # a benchmark without task labels has one task
    if len(labels) != 1:
        raise part.error("", f"has the task labels {str(labels)[:80]}: one is needed")
    try:
        return class_of(labels[0])
    except NoClass as error:
        raise part.error(
            "", f"has the task label {labels[0]!r:.40}, which {error.what}: {NUMBER.replace('class', 'task')}"
        ) from None
