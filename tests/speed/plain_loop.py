"""A plain eager PyTorch loop over tensors: one seed, autograd, torch.optim, the method's own arithmetic."""

from __future__ import annotations

import random
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.common.randomness import Randomness
from benchmark.streams.build import Stream
from benchmark.training.avalanche.modules import module_for
from methods.ewc import FISHER_MOVING_AVERAGE
from tests.speed.ours import BATCH, PRIMED, STEPS_A_TASK, TASKS, settings_of, streams

Examples = tuple[Tensor, Tensor, Tensor]  # images [n, ...], labels [n], first output of the head [n]


def tensors(stream: Stream, task: int) -> Examples:
    """A task's training examples as the network wants them."""
    data = stream.train[task]
    images = data.take(torch.arange(len(data))).float().div_(stream.scale)
    first = task * stream.classes if stream.heads > 1 else 0
    return images, data.targets, torch.full_like(data.targets, first)


@cache  # made once, timed in every turn
def plain_loop(method: str, stream_id: str, count: int, memory_format=torch.contiguous_format) -> PlainLoop:
    """The one loop of this description."""
    return PlainLoop(method, stream_id, count, memory_format)


class PlainLoop:
    """One seed of one method inside a task: `steps()` takes `count` steps."""

    def __init__(self, method: str, stream_id: str, count: int, memory_format: torch.memory_format) -> None:
        self.method, self.count, self.settings = method, count, settings_of(method, stream_id)
        union = method == "multitask"
        self.stream = streams(stream_id, 1, count * BATCH // (TASKS if union else 1))[0]
        mine = range(TASKS) if union else [PRIMED[stream_id]]
        parts = [tensors(self.stream, task) for task in mine]
        images, self.labels, self.first = (torch.cat(part) for part in zip(*parts))
        self.net = module_for(self.stream, self.settings, Randomness([0], torch.device("cpu")))
        if images.ndim == 4:
            self.net.to(memory_format=memory_format)
            images = images.contiguous(memory_format=memory_format)
        self.images, self.parameters = images, list(self.net.parameters())
        self.optimizer = torch.optim.SGD(
            self.parameters, lr=self.settings.learning_rate, momentum=self.settings.momentum
        )
        self.feeds_fisher = STEPS_A_TASK[stream_id] <= 5 * self.settings.fisher_window
        self._remember(range(PRIMED[stream_id]))

    def steps(self) -> None:
        """`count` steps in a new order."""
        for rows in torch.randperm(len(self.labels))[: self.count * BATCH].split(BATCH):
            getattr(self, f"_{self.method.replace('-', '_')}", self._sgd)(
                (self.images[rows], self.labels[rows], self.first[rows])
            )
            self.optimizer.step()

    def loss(self, examples: Examples) -> Tensor:
        """Mean cross-entropy, each example scored by its own head."""
        images, labels, first = examples
        if self.stream.heads == 1:
            return F.cross_entropy(self.net(images), labels)
        outputs = self.net.classifier(self.net.features(images))
        own = outputs.gather(1, first[:, None] + torch.arange(self.stream.classes))
        return F.cross_entropy(own, labels)

    def _sgd(self, batch: Examples) -> None:
        self.optimizer.zero_grad()
        self.loss(batch).backward()

    def _ewc(self, batch: Examples) -> None:
        self._sgd(batch)
        for p, fisher, squares, anchor in zip(self.parameters, self.fisher, self.squares, self.anchor):
            if self.feeds_fisher:
                squares.addcmul_(p.grad, p.grad, value=FISHER_MOVING_AVERAGE / self.settings.fisher_window)
            p.grad.add_(fisher * (p.detach() - anchor), alpha=2 * self.settings.ewc_lambda)

    def _agem(self, batch: Examples) -> None:
        self._sgd(self._sample())
        reference = torch.cat([p.grad.flatten() for p in self.parameters])
        self._sgd(batch)
        gradient = torch.cat([p.grad.flatten() for p in self.parameters])
        conflict = gradient @ reference
        if conflict < 0:
            gradient -= conflict / (reference @ reference) * reference
            pieces = gradient.split([p.numel() for p in self.parameters])
            for p, piece in zip(self.parameters, pieces):
                p.grad.copy_(piece.view_as(p))

    def _er_reservoir(self, batch: Examples) -> None:
        joined = tuple(torch.cat(pair) for pair in zip(batch, self._sample()))
        for row in range(BATCH):
            self.seen += 1
            place = random.randrange(self.seen)
            if place < len(self.memory[1]):
                for kept, new in zip(self.memory, batch):
                    kept[place] = new[row]
        self._sgd(joined)

    def _sample(self) -> Examples:
        chosen = torch.randperm(len(self.memory[1]))[: self.settings.memory_batch]
        return tuple(part[chosen] for part in self.memory)

    def _remember(self, tasks: range) -> None:
        """A memory as full, and a penalty as strong, as they are at this point of a run."""
        room = (
            self.settings.memory_per_class
            * self.stream.classes
            * (TASKS if self.method == "er-reservoir" else len(tasks))
        )
        parts = [torch.cat(part) for part in zip(*(tensors(self.stream, task) for task in tasks))]
        chosen = torch.randperm(len(parts[1]))[:room]
        self.memory, self.seen = tuple(part[chosen] for part in parts), len(parts[1])
        self.fisher = [torch.rand_like(p) ** 8 for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]
        self.anchor = [p.detach().clone() for p in self.parameters]
