"""How long runs will take and how much memory a process needs, before anything is trained.

Time comes from recorded runs that are as similar as possible; memory from the sizes of tensors.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.records.schema import Record
from benchmark.streams.kinds import StreamKind
from methods.settings import Settings

if TYPE_CHECKING:
    from benchmark.streams.build import Stream

TRAIN_EXAMPLES = {"mnist": 60_000, "cifar100": 50_000, "digits": 1_442}
"""Of each data set of the suite, all classes together."""
FREE = ("learning_rate", "learning_rate_decay", "ewc_lambda")
"""Settings that do not change how long a step takes."""
SCALED = ("tasks", "epochs", "train_examples", "batch_size")
"""Settings from which the number of steps follows."""

MIB = 2**20
LIBRARIES = 490 * MIB
"""Resident memory of a process that has loaded PyTorch and Avalanche but no data (measured: Linux, torch 2.13, CPU)."""
PER_EXAMPLE = 1.5
"""Memory of a seed's tasks, over the size of its tensors of rows and labels: Avalanche keeps labels too (measured)."""
COPIES = 8
"""Tensors with a number for each parameter: theta, momentum, a gradient, what a penalty or a saved state holds."""
WORKING = 48 * MIB
"""Batches made ahead, and the activations of a step or an evaluation."""


@dataclass(frozen=True)
class Wanted:
    """A run whose time is wanted.

    full: training examples of a task where `train_examples` is 0; None where that is not known.
    """

    method: str
    stream: str
    settings: Mapping[str, Any]
    full: float | None
    device: str
    processor: str
    threads: int


@dataclass(frozen=True)
class Time:
    """An estimate: seconds of one seed, and for people which recorded runs it comes from."""

    seconds: float
    basis: str


@dataclass(frozen=True)
class Memory:
    """An estimate of the memory that a process takes, in bytes."""

    libraries: int
    data: int
    training: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.libraries + self.data + self.training


def full_task(kind: StreamKind) -> float | None:
    """Training examples of a whole task of a stream of the suite, on average; None for an external stream."""
    examples = TRAIN_EXAMPLES.get(kind.dataset)
    return examples / kind.tasks if examples and kind.heads == "per task" else examples


def steps(settings: Mapping[str, Any], full: float | None) -> float | None:
    """tasks * epochs * examples / batch_size, at least one for each task and epoch; None where it needs an unknown
    `full`."""
    examples = settings["train_examples"] or full
    if examples is None:
        return None
    return settings["tasks"] * settings["epochs"] * max(1.0, examples / settings["batch_size"])


def time_of(wanted: Wanted, records: Iterable[Record]) -> Time | None:
    """The time of a run, from recorded ones; None where there is no complete run on its stream with its network.

    Runs of the same method on the same processor come first, then those of other methods there, then other
    processors. Of these, those that differ in the fewest settings are taken: the median of their seconds a step,
    times the steps of the run.
    """
    known = list(_known(wanted, records))
    kind = "processor" if wanted.device == "cpu" else "GPU"
    for here in (True, False):
        for own in (True, False):
            chosen = [each for each in known if (each.here, each.own) == (here, own)]
            if chosen:
                who = wanted.method if own else "other methods"
                where = f"on {'this' if here else 'another'} {kind}"
                return _from(wanted, chosen, f"{who} on {wanted.stream} {where}")
    return None


def makespan(durations: Sequence[float], at_once: int) -> float:
    """When the last of the units ends if each in turn, the longest first, begins as soon as a process is free."""
    free = [0.0] * at_once
    for duration in sorted(durations, reverse=True):
        heapq.heapreplace(free, free[0] + duration)
    return max(free)


def memory_of(first: Stream, seeds: int, theta: int, state: int, shared: bool) -> Memory:
    """The memory of a process that trains `seeds` seeds together on a CPU.

    first: the stream of one seed; theta: bytes of a seed's parameters; state: bytes of what else the method and the
    network hold from the start, a seed; shared: whether all seeds show the same images.
    """
    parts = (*first.train, *first.test)
    images = sum({id(part.base): part.base.nbytes for part in parts}.values())
    listed = sum(part.rows.nbytes + part.targets.nbytes for part in parts)
    data = images * (1 if shared else seeds) + PER_EXAMPLE * listed * seeds
    return Memory(LIBRARIES, round(data), seeds * (COPIES * theta + state) + WORKING)


class _Known(NamedTuple):
    """What a recorded run tells: seconds a step, whether its method and processor are those wanted, what differs."""

    a_step: float
    own: bool
    here: bool
    differing: set[str]


def _known(wanted: Wanted, records: Iterable[Record]) -> Iterator[_Known]:
    """The complete runs on the same stream, network and kind of device."""
    network = wanted.settings.get("network")
    for record in records:
        same = (record.stream, record.provenance.device) == (wanted.stream, wanted.device)
        count = steps(record.settings, wanted.full)
        if same and record.status == "complete" and record.settings.get("network") == network and count is not None:
            own, here = record.method == wanted.method, record.provenance.processor == wanted.processor
            yield _Known(record.seconds / count, own, here, _differing(wanted, record))


def _from(wanted: Wanted, known: Sequence[_Known], name: str) -> Time | None:
    count = steps(wanted.settings, wanted.full)
    if count is None:
        return None
    least = min(len(each.differing) for each in known)
    near = [each for each in known if len(each.differing) == least]
    names = sorted(set().union(*(each.differing for each in near)))
    basis = f"from {len(near)} recorded {'run' if len(near) == 1 else 'runs'} of {name}"
    if any(name in SCALED for name in names):
        basis += ", scaled by the number of steps"
    others = [name for name in names if name not in ("tasks", "epochs", "train_examples")]
    if others:
        basis += (
            f"; their {' and '.join(others)} differ{'s' if len(others) == 1 else ''}, which is not taken into account"
        )
    return Time(median(each.a_step for each in near) * count, basis)


def _differing(wanted: Wanted, record: Record) -> set[str]:
    """The settings that the record has otherwise, as far as they can change how long a run takes."""
    ours, theirs = dict(wanted.settings), record.settings
    names = {name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)}
    if record.method != wanted.method:  # whose own settings say nothing about the other
        names = {name for name in names if name in Settings.model_fields or "." in name}
    return names - set(FREE) | ({"threads"} if record.provenance.threads != wanted.threads else set())
