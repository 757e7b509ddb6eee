"""The engine: trains all seeds of a cell together and fills the accuracy matrix a[t, i] of each.

Shape letters: S seeds, P parameters, B batch, T tasks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from benchmark.common import cuda_graphs
from benchmark.common.device import compute_in_float32, denormals_as_zero
from benchmark.common.loading import file_of, is_external, shown
from benchmark.common.randomness import Randomness
from benchmark.networks.external import network_named
from benchmark.networks.registry import NetworkKind, check_fits
from benchmark.records.checkpoint import Outcome
from benchmark.streams.build import Stream, on_device
from benchmark.training.directions import guarded
from benchmark.training.measuring import Probes
from benchmark.training.optimizers import Optimizer, Step, TorchStep
from benchmark.training.phases import PhaseData, RecentData
from benchmark.training.probes import Asked
from benchmark.training.schedules import rates, schedule_of
from methods.batch import Batch
from methods.clock import Clock
from methods.method import Method, Problem
from methods.settings import Settings

MORE_ELSEWHERE = 8
"""Times as many test images at a time on a GPU, where calls cost more than the cache saves."""

NEVER = torch.iinfo(torch.int64).max
"""The step at which a seed that did not diverge diverged."""

Report = Callable[[int, int, int], None]


Begun = tuple[int, list[Outcome], Mapping[str, Tensor]]
Keep = Callable[["Cell"], None]


class Misfit(ValueError):
    """A saved state is not one of this cell."""


def train(
    method: type[Method],
    streams: list[Stream],
    settings: Settings,
    device: str,
    report: Report,
    begun: Begun | None = None,
    keep: Keep = lambda cell: None,
    measure: Sequence[Asked] = (),
    network: NetworkKind | None = None,
) -> list[Outcome]:
    """Train one network a stream (one stream a seed), all side by side: they must be of one form.

    `report(step, steps, phase)` is called now and then, `keep(cell)` after each phase and its evaluation.
    `begun` is what the same streams had reached, as kept there: phase, outcomes and Cell.state().
    `measure`: the probes that measure the networks meanwhile; no number depends on them.
    network: see network_of.
    Returns an Outcome a stream, in order. Raises Misfit where `begun` is of another kind of cell.
    """
    if len({stream.form for stream in streams}) > 1:
        raise ValueError("streams of unequal forms cannot be trained side by side")
    with torch.no_grad():
        cell = Cell(method, streams, settings, device, measure, network)
        if begun is not None:
            cell.restore(*begun)
        return cell.train(report, keep)


def network_of(settings: Settings, stream: Stream, network: NetworkKind | None = None) -> NetworkKind:
    """The network of a run: `network` where it is given, else the one that the settings name, else the stream's own.

    Raises InputError where it does not take the stream's examples, or the stream has none of its own.
    """
    name = settings.network or stream.kind.network
    return check_fits(network or (network_named(name) if name else None), stream.shape, stream.kind.id)


class Cell:
    """One method on one stream, S seeds side by side; `phase` counts the phases trained and evaluated."""

    def __init__(
        self,
        method: type[Method],
        streams: list[Stream],
        settings: Settings,
        device: str,
        measure: Sequence[Asked] = (),
        network: NetworkKind | None = None,
    ) -> None:
        first = streams[0]
        self.settings, self.device = settings, torch.device(device)
        compute_in_float32(self.device)
        self.streams = on_device(streams, self.device)
        self.random = Randomness([stream.seed for stream in streams], self.device)
        self.network = network_of(settings, first, network)
        self.net = self.network.build(first.shape, first.heads, first.classes, settings, self.random)
        problem = Problem(len(streams), len(first.train), first.classes, first.shape, self.device, self.random)
        self.method = method(settings, problem)
        if is_external(method):
            self.method.direction = guarded(self.method, shown(file_of(method)))
        self.optimizer = Optimizer(self.net.theta, settings)
        self.schedule = schedule_of(settings, self.method)
        self.outcomes = [Outcome() for _ in streams]
        self._broken = torch.full((len(streams),), NEVER, device=self.device)
        self.phase, self.phases = 0, self.method.phases(len(first.train))
        lengths = [sum(len(first.train[task]) for task in tasks) for tasks in self.phases]
        self.steps = [-(-length // settings.batch_size) * settings.epochs for length in lengths]  # of each phase
        self.probes = Probes(measure, self) if measure else None

    @property
    def finished(self) -> bool:
        """Whether all phases are trained and evaluated."""
        return self.phase == len(self.phases)

    def train(self, report: Report, keep: Keep = lambda cell: None) -> list[Outcome]:
        """Train through the phases that are left; fill and return the outcomes."""
        data = [PhaseData(self.streams, tasks, self.device) for tasks in self.phases]
        steps, started = self.steps, time.perf_counter()
        for phase in range(self.phase, len(data)):
            done, part = sum(steps[:phase]), data[phase]
            self.random.begin_phase()
            order = self._train_phase(phase, part, lambda step: report(done + step, sum(steps), phase))
            self._tell_divergence()
            self.method.after_phase(self.net, RecentData(part, order))
            self._evaluate(len(part.tasks))
            measuring = self.probes.after_phase(phase) if self.probes else 0.0
            self.phase, now = phase + 1, time.perf_counter()
            for outcome in self.outcomes:
                outcome.seconds += (now - started - measuring) / len(self.outcomes)
            started = now
            keep(self)
        for index, outcome in enumerate(self.outcomes):
            outcome.measurements = self.probes.measurements(index) if self.probes else None
        return self.outcomes

    def state(self) -> dict[str, Tensor]:
        """All that outlives a phase besides `phase` and `outcomes`, as tensors.

        The optimizer's state is in it where it lives for the run. Numbers drawn ahead are not.
        """
        buffers = {f"buffer.{name}": value for name, value in self.net.buffers.items()}
        own = {f"method.{name}": value for name, value in self.method.state().items()}
        steps = {f"optimizer.{name}": value for name, value in self.optimizer.state().items()}
        measured = self.probes.state() if self.probes else {}
        return {"theta": self.net.theta, "generators": self.random.state()} | buffers | own | steps | measured

    def restore(self, phase: int, outcomes: list[Outcome], tensors: Mapping[str, Tensor]) -> None:
        """Take back what an equal cell had reached. Raises Misfit where it was another kind of cell."""
        try:
            self.net.theta.copy_(tensors["theta"])
            for name, value in self.net.buffers.items():
                value.copy_(tensors[f"buffer.{name}"])
            self.random.restore(tensors["generators"])
            own = {name: value.to(self.device) for name, value in tensors.items() if name.startswith("method.")}
            self.method.restore({name.removeprefix("method."): value for name, value in own.items()})
            steps = {name: value for name, value in tensors.items() if name.startswith("optimizer.")}
            self.optimizer.restore({name.removeprefix("optimizer."): value for name, value in steps.items()})
            if self.probes:
                self.probes.restore(tensors)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise Misfit("the saved state does not fit the run") from error
        self.phase, self.outcomes = phase, [replace(outcome) for outcome in outcomes]

    @denormals_as_zero()
    def _train_phase(self, phase: int, data: PhaseData, report: Callable[[int], None]) -> Tensor:
        """One phase: its epochs of steps. Returns the order [S, N] of the last epoch."""
        rate = self.method.learning_rate(phase)
        penalty = self.method.penalty()
        steps = -(-len(data) // self.settings.batch_size)
        self._broken.fill_(NEVER)
        self.optimizer.begin_phase()
        for epoch in range(self.settings.epochs):
            rate_of = rates(self.schedule, rate, self._clock(phase, epoch, steps), steps)
            step = self.optimizer.begin_epoch(rate_of[0], penalty)
            take = self._step(step, len(set(rate_of)) == 1)
            order = self.random.order(len(data)) if self.settings.shuffle else data.own_order()
            later = (self.settings.epochs - 1 - epoch) * steps
            for index, batch in enumerate(data.batches(order, self.settings.batch_size, later)):
                step.at(rate_of[index])
                take(batch)
                if self.probes:
                    self.probes.after_step(phase, epoch * steps + index + 1)
                if index % 50 == 49 or index == steps - 1:
                    self._note_divergence(epoch * steps + index)
                    report(epoch * steps + index + 1)
        return order

    def _clock(self, phase: int, epoch: int, steps: int) -> Clock:
        """The clock at the start of an epoch of `steps` steps."""
        before, done = sum(self.steps[:phase]), epoch * steps
        counts = self.steps[phase], before + done, sum(self.steps)
        return Clock(phase, len(self.phases), epoch, self.settings.epochs, done, *counts)

    def _step(self, step: Step | TorchStep, one_rate: bool) -> cuda_graphs.Take:
        def take(batch: Batch) -> None:
            step(self.method.direction(self.net, batch))

        if not self.network.recordable:
            return take
        # a graph of a whole step would keep its rate, and torch.optim's count of steps, as they were recorded
        whole = one_rate and isinstance(step, Step)
        return cuda_graphs.steps(take, self.random, self.method.step_kind if whole else lambda: None)

    def _note_divergence(self, step: int) -> None:
        """Keep on the device which seeds are lost by now and since when, so that a GPU need not wait for the CPU."""
        now = torch.where(self.net.theta.sum(1).isfinite(), NEVER, step)
        torch.minimum(self._broken, now, out=self._broken)

    def _tell_divergence(self) -> None:
        for outcome, step in zip(self.outcomes, self._broken.tolist(), strict=True):
            if step != NEVER and outcome.diverged is None:
                outcome.status, outcome.diverged = "diverged", {"task": self.phase, "step": step}

    def _evaluate(self, rows: int) -> None:
        """Append the accuracy on every task met to each seed's matrix (a phase of T tasks has T rows)."""
        for index, (stream, outcome) in enumerate(zip(self.streams, self.outcomes, strict=True)):
            if outcome.status == "complete":
                outcome.add_rows(rows, len(stream.test), partial(self.accuracy, index))

    def accuracy(self, index: int, task: int, chosen: Tensor | None = None) -> float:
        """Accuracy of a seed's network on some rows [n] of a task's test set, by default on all; a fraction."""
        stream = self.streams[index]
        data, correct = stream.test[task], 0
        everything = torch.arange(len(data), device=self.device) if chosen is None else chosen.to(self.device)
        size = self.network.evaluation_batch * (1 if self.device.type == "cpu" else MORE_ELSEWHERE)
        for rows in everything.split(size):
            images = data.take(rows).float().div_(stream.scale)
            logits = self.net.logits(images, index, task if stream.heads > 1 else 0)
            correct += (logits.argmax(1) == data.targets[rows]).sum()
        return int(correct) / len(everything)
