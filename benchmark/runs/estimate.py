"""Estimates before training: the time of runs and the memory of a process.

Time is estimated from the most similar recorded runs, memory from the sizes of tensors.
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
"""Training examples of each built-in data set, all classes together."""
FREE = ("learning_rate", "learning_rate_decay", "ewc_lambda")
"""Settings that do not affect the time of a step."""
SCALED = ("tasks", "epochs", "train_examples", "batch_size")
"""Settings that determine the number of steps."""

MIB = 2**20
LIBRARIES = 490 * MIB
"""Resident memory of a process with PyTorch and Avalanche but no data (measured on Linux, torch 2.13, CPU)."""
PER_EXAMPLE = 1.5
"""Memory of a seed's tasks, relative to the tensors of rows and labels: Avalanche keeps a copy of labels (measured)."""
COPIES = 8
"""Tensors of the size of theta: theta itself, momentum, a gradient, tensors of a penalty, a checkpoint."""
WORKING = 48 * MIB
"""Bytes for prefetched batches and for the activations of a step or an evaluation."""


@dataclass(frozen=True)
class Wanted:
    """A run whose time is to be estimated.

    full: training examples of a whole task, which train_examples=0 selects; None if unknown.
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
    """An estimate: seconds for one seed, and a text that says which recorded runs it is based on."""

    seconds: float
    basis: str


@dataclass(frozen=True)
class Memory:
    """An estimate of the memory of a process, in bytes."""

    libraries: int
    data: int
    training: int

    @property
    def total(self) -> int:
        """The sum of the parts."""
        return self.libraries + self.data + self.training


def full_task(kind: StreamKind) -> float | None:
    """Average training examples of a whole task of a built-in stream; None for an external stream."""
    examples = TRAIN_EXAMPLES.get(kind.dataset)
    return examples / kind.tasks if examples and kind.heads == "per task" else examples


def steps(settings: Mapping[str, Any], full: float | None) -> float | None:
    """Training steps: tasks * epochs * max(1, examples / batch_size).

    None if train_examples is 0 and `full` is unknown.
    """
    examples = settings["train_examples"] or full
    if examples is None:
        return None
    return settings["tasks"] * settings["epochs"] * max(1.0, examples / settings["batch_size"])


def time_of(wanted: Wanted, records: Iterable[Record]) -> Time | None:
    """Estimate the time of a run: median seconds per step of the most similar recorded runs, times its steps.

    Runs on the same processor are preferred to runs on other processors, then runs of the same method to runs of
    other methods. Of these, the runs that differ in the fewest settings are used.
    None if no complete run on the same stream, network and kind of device is recorded.
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
    """The time until the last unit ends. The longest unit starts first, each as soon as a process is free."""
    free = [0.0] * at_once
    for duration in sorted(durations, reverse=True):
        heapq.heapreplace(free, free[0] + duration)
    return max(free)


def memory_of(first: Stream, seeds: int, theta: int, state: int, shared: bool) -> Memory:
    """The memory of a process that trains `seeds` seeds together on a CPU.

    first: the stream of one seed; theta: bytes of a seed's parameters; state: bytes of all other state that method
    and network hold for a seed at the start; shared: whether the streams of all seeds share their images in memory.
    """
    parts = (*first.train, *first.test)
    images = sum({id(part.base): part.base.nbytes for part in parts}.values())
    listed = sum(part.rows.nbytes + part.targets.nbytes for part in parts)
    data = images * (1 if shared else seeds) + PER_EXAMPLE * listed * seeds
    return Memory(LIBRARIES, round(data), seeds * (COPIES * theta + state) + WORKING)


class _Known(NamedTuple):
    """A recorded run to estimate from."""

    a_step: float  # seconds
    own: bool  # same method
    here: bool  # same processor
    differing: set[str]  # settings


def _known(wanted: Wanted, records: Iterable[Record]) -> Iterator[_Known]:
    """The complete recorded runs with the same stream, network and kind of device."""
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
        basis += f"; {' and '.join(others)} differ{'s' if len(others) == 1 else ''}, which the estimate ignores"
    return Time(median(each.a_step for each in near) * count, basis)


def _differing(wanted: Wanted, record: Record) -> set[str]:
    """The settings in which the record differs and which can affect the time of a run."""
    ours, theirs = dict(wanted.settings), record.settings
    names = {name for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)}
    if record.method != wanted.method:  # settings of one method cannot be compared with those of another
        names = {name for name in names if name in Settings.model_fields or "." in name}
    return names - set(FREE) | ({"threads"} if record.provenance.threads != wanted.threads else set())
