"""The engine: trains all seeds of a cell together and fills the accuracy matrix a[t, i] of each.

Shape letters: S seeds, P parameters, B batch, T tasks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from benchmark.mlp import MLP
from benchmark.phases import PhaseData, RecentData
from benchmark.randomness import Randomness
from benchmark.resnet import ResNet18
from benchmark.step import Step
from benchmark.streams import Stream
from methods.method import Method, Problem
from methods.settings import Settings

EVALUATION_BATCH = {"mlp": 2500, "resnet18": 125}
"""Test images at a time: as many as keep the activations in the cache."""

Report = Callable[[int, int, int], None]


@dataclass
class Outcome:
    """What came of one seed: a[t][i] for the tasks trained, and where it diverged if it did."""

    accuracy_matrix: list[list[float]] = field(default_factory=list)
    status: str = "complete"
    diverged: dict[str, int] | None = None
    seconds: float = 0.0


def train(
    method: type[Method], streams: list[Stream], settings: Settings, device: str, report: Report
) -> list[Outcome]:
    """Train one network a stream (one stream a seed), all side by side: their tasks must be equally long.

    `report(step, steps, phase)` is called now and then. Returns an Outcome a stream, in order.
    """
    if len({tuple(len(task) for task in stream.train) for stream in streams}) > 1:
        raise ValueError("streams of unequal lengths cannot be trained side by side")
    with torch.no_grad():
        return Cell(method, streams, settings, device).train(report)


class Cell:
    """One method on one stream, S seeds side by side."""

    def __init__(self, method: type[Method], streams: list[Stream], settings: Settings, device: str) -> None:
        first = streams[0]
        self.streams, self.settings, self.device = streams, settings, torch.device(device)
        self.random = Randomness([stream.seed for stream in streams], self.device)
        if first.kind.network == "mlp":
            self.net = MLP(first.shape[0], settings.hidden, first.heads, first.classes, settings.dropout, self.random)
        else:
            self.net = ResNet18(first.heads, first.classes, settings.dropout, self.random)
        problem = Problem(
            len(streams), len(first.train), first.classes, first.shape, self.device, self.random
        )
        self.method = method(settings, problem)
        self.outcomes = [Outcome() for _ in streams]

    def train(self, report: Report) -> list[Outcome]:
        """Train through all phases; fill and return the outcomes."""
        started, done = time.perf_counter(), 0
        phases = self.method.phases(len(self.streams[0].train))
        data = [PhaseData(self.streams, tasks, self.device) for tasks in phases]
        steps = sum(-(-len(part) // self.settings.batch_size) for part in data) * self.settings.epochs
        for phase, part in enumerate(data):
            self.random.begin_phase()
            order = self._train_phase(phase, part, lambda step: report(done + step, steps, phase))
            done += -(-len(part) // self.settings.batch_size) * self.settings.epochs
            self.method.after_phase(self.net, RecentData(part, order))
            self._evaluate(len(part.tasks))
        for outcome in self.outcomes:
            outcome.seconds = (time.perf_counter() - started) / len(self.outcomes)
        return self.outcomes

    def _train_phase(self, phase: int, data: PhaseData, report: Callable[[int], None]) -> Tensor:
        """One phase: its epochs of steps. Returns the order [S, N] of the last epoch."""
        rate = self.method.learning_rate(phase)
        penalty = self.method.penalty()
        steps = -(-len(data) // self.settings.batch_size)
        for epoch in range(self.settings.epochs):
            step = Step(self.net.theta, rate, self.settings.momentum, penalty)
            order = self.random.order(len(data)).cpu()
            later = (self.settings.epochs - 1 - epoch) * steps
            for index, batch in enumerate(data.batches(order, self.settings.batch_size, later)):
                step(self.method.direction(self.net, batch))
                if index % 50 == 49 or index == steps - 1:
                    self._notice_divergence(phase, epoch * steps + index)
                    report(epoch * steps + index + 1)
        return order

    def _notice_divergence(self, phase: int, step: int) -> None:
        finite = self.net.theta.sum(1).isfinite().tolist()
        for outcome, fine in zip(self.outcomes, finite, strict=True):
            if not fine and outcome.diverged is None:
                outcome.status, outcome.diverged = "diverged", {"task": phase, "step": step}

    def _evaluate(self, rows: int) -> None:
        """Append the accuracy on every task to each seed's matrix, `rows` times (a phase of T tasks has T rows)."""
        for index, (stream, outcome) in enumerate(zip(self.streams, self.outcomes, strict=True)):
            if outcome.status == "complete":
                row = [self._accuracy(index, stream, task) for task in range(len(stream.test))]
                outcome.accuracy_matrix.extend([row] * rows)

    def _accuracy(self, index: int, stream: Stream, task: int) -> float:
        data, correct = stream.test[task], 0
        for rows in torch.arange(len(data)).split(EVALUATION_BATCH[stream.kind.network]):
            images = data.take(rows).to(self.device).float().div_(stream.scale)
            logits = self.net.logits(images, index, task if stream.heads > 1 else 0)
            correct += (logits.argmax(1) == data.targets[rows].to(self.device)).sum()
        return int(correct) / len(data)
