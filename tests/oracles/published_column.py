"""The suite's methods on the network and the classes that Stable SGD was published with on Split CIFAR-100.

The published table compares naive and Stable SGD on one network and one order of classes with EWC, A-GEM and ER on
others (see published_cifar.py). Here all of them train on the first two's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.common.randomness import Randomness
from benchmark.networks.gradients import Dense
from benchmark.training.optimizers import Step
from methods.batch import Batch
from methods.method import Problem
from methods.registry import METHODS
from methods.settings import Settings
from tests.oracles.published_cifar import CLASSES, TASKS, Examples, PublishedResNet, accuracy, scaled


class Published:
    """The published network as the suite's methods want a network, of one seed: theta [1, P] holds its parameters."""

    def __init__(self, dropout: float) -> None:
        self.module = PublishedResNet(dropout)
        parameters = list(self.module.parameters())
        self.theta = torch.cat([p.detach().flatten() for p in parameters])[None]
        for p, piece in zip(parameters, self.theta[0].split([p.numel() for p in parameters]), strict=True):
            p.data = piece.view_as(p)

    def gradient(self, batch: Batch) -> Dense:
        """Of the mean cross-entropy, each example scored by its own head."""
        outputs = self.module.outputs(batch.images[0].contiguous(memory_format=torch.channels_last))
        own = outputs.unflatten(1, (TASKS, CLASSES))[torch.arange(len(outputs)), batch.heads[0]]
        loss = F.cross_entropy(own, batch.labels[0])
        return Dense(torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(self.module.parameters()))])[None])


@dataclass(frozen=True)
class Task:
    """A task's training examples, in the order in which they are met; what a method may ask of it when it is over."""

    images: Tensor  # float32 [n, 3, 32, 32]
    labels: Tensor  # [1, n]
    head: int

    def batch(self, rows: Tensor, steps_left: int) -> Batch:
        """Some examples as a batch of one seed."""
        labels = self.labels[:, rows]
        return Batch(self.images[rows][None], labels, torch.full_like(labels, self.head), self.head, steps_left)

    def take(self, positions: Tensor) -> Batch:
        """See methods.method.Recent."""
        return self.batch(positions[0], 0)


def train(
    method_id: str, settings: Settings, train: list[Examples], test: list[Examples], seed: int
) -> list[list[float]]:
    """The accuracy matrix a[t][i], 0 for the tasks to come."""
    torch.manual_seed(seed)
    net, random = Published(settings.dropout), Randomness([seed], torch.device("cpu"))
    method = METHODS[method_id](settings, Problem(1, TASKS, CLASSES, (3, 32, 32), random.device, random))
    matrix = []
    for head, (images, labels) in enumerate(train):
        order = random.order(len(labels))[0]
        task = Task(scaled(images[order]), labels[order][None], head)
        net.module.train()
        step = Step(net.theta, method.learning_rate(head), settings.momentum, method.penalty())
        pieces = torch.arange(len(labels)).split(settings.batch_size)
        for index, rows in enumerate(pieces):
            direction = method.direction(net, task.batch(rows, len(pieces) - 1 - index))
            with torch.no_grad():
                step(direction)
        with torch.no_grad():
            method.after_phase(net, task)
        seen = [accuracy(net.module, i, *test[i]) for i in range(head + 1)]
        matrix.append(seen + [0.0] * (TASKS - head - 1))
    return matrix
