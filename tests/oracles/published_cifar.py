"""The published network and loop of naive and Stable SGD on Split CIFAR-100, restated in plain PyTorch.

The published code differs from the suite's own runs in the network, whose residual blocks apply one convolution in
place of two, and in the tasks, which are the same for every seed. Each of the two can be put right by itself.
Source: github.com/imirzadeh/stable-continual-learning, stable_sgd/models.py and stable_sgd/main.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.streams.images import TaskImages

WIDTH, TASKS, CLASSES, BATCH = 20, 20, 5, 10


class PublishedBlock(nn.Module):
    """A residual block as it runs: convolution, ReLU, norm, dropout; the shortcut; ReLU, norm, dropout.

    `whole`: with the second convolution, after the first dropout, which the published code makes and never applies.
    """

    def __init__(self, inputs: int, width: int, stride: int, dropout: float, whole: bool) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False) if whole else nn.Identity()
        same = stride == 1 and inputs == width
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, width, 1, stride, bias=False)
        self.inner = nn.Sequential(nn.BatchNorm2d(width), nn.Dropout(dropout))
        self.outer = nn.Sequential(nn.BatchNorm2d(width), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(F.relu(self.second(self.inner(F.relu(self.convolution(x)))) + self.shortcut(x)))


class PublishedResNet(nn.Module):
    """The published network of Split CIFAR-100; only the five outputs of the task at hand count."""

    def __init__(self, dropout: float, whole: bool = False) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTH, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(WIDTH)
        widths = [WIDTH] + [WIDTH * 2**stage for stage in range(4) for _ in range(2)]
        strides = [1, 1, 2, 1, 2, 1, 2, 1]
        self.blocks = nn.Sequential(*map(PublishedBlock, widths, widths[1:], strides, [dropout] * 8, [whole] * 8))
        self.linear = nn.Linear(widths[-1], CLASSES * TASKS)

    def outputs(self, x: Tensor) -> Tensor:
        """Those of all tasks."""
        return self.linear(self.blocks(F.relu(self.norm(self.stem(x)))).mean((2, 3)))

    def forward(self, x: Tensor, task: int) -> Tensor:
        return self.outputs(x)[:, CLASSES * task : CLASSES * (task + 1)]


@dataclass(frozen=True)
class Run:
    """A run's learning rate, its decay, dropout and momentum; network and tasks as published unless put right."""

    rate: float
    decay: float
    dropout: float
    momentum: float
    whole: bool = False  # both convolutions of a block
    drawn: bool = False  # classes drawn by the seed, as the suite draws them


Examples = tuple[Tensor, Tensor]  # images uint8 [n, 3, 32, 32], labels in the head [n]


def published_tasks(images: Tensor, labels: Tensor) -> list[Examples]:
    """The classes 0 to 4, 5 to 9 and so on, whatever the seed."""
    own = [labels.div(CLASSES, rounding_mode="floor") == task for task in range(TASKS)]
    return [(images[mine], labels[mine] % CLASSES) for mine in own]


def drawn_tasks(tasks: list[TaskImages]) -> list[Examples]:
    """The tasks of one of the suite's streams."""
    return [(task.take(torch.arange(len(task))), task.targets) for task in tasks]


def train(run: Run, train: list[Examples], test: list[Examples], seed: int) -> list[list[float]]:
    """The accuracy matrix a[t][i], 0 for the tasks to come, as the published code leaves it."""
    torch.manual_seed(seed)
    net = PublishedResNet(run.dropout, run.whole).to(memory_format=torch.channels_last)
    matrix = []
    for task, (images, labels) in enumerate(train):
        net.train()
        sgd = torch.optim.SGD(net.parameters(), max(run.rate * run.decay ** (task + 1), 5e-5), run.momentum)
        for rows in torch.randperm(len(labels)).split(BATCH):
            loss = F.cross_entropy(net(scaled(images[rows]), task), labels[rows])
            sgd.zero_grad()
            loss.backward()
            sgd.step()
        seen = [accuracy(net, i, *test[i]) for i in range(task + 1)]
        matrix.append(seen + [0.0] * (TASKS - task - 1))
    return matrix


def scaled(images: Tensor) -> Tensor:
    """Pixels in [0, 1], channels last."""
    return images.float().div_(255).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def accuracy(net: PublishedResNet, task: int, images: Tensor, labels: Tensor) -> float:
    """The part of a task's test images that the network classes rightly."""
    net.eval()
    parts = zip(images.split(125), labels.split(125))
    return sum(int((net(scaled(x), task).argmax(1) == y).sum()) for x, y in parts) / len(labels)
