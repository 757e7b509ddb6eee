"""The published network and loop of naive and Stable SGD on Split CIFAR-100, restated in plain PyTorch.

The restatement differs from the suite's own run in the network, whose residual blocks apply one convolution in place of
two, and shares nothing with the engine but the task stream.
Source: github.com/imirzadeh/stable-continual-learning, stable_sgd/models.py and stable_sgd/main.py.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.streams import Stream

WIDTH, TASKS, BATCH = 20, 20, 10


class PublishedBlock(nn.Module):
    """A residual block as it runs: convolution, ReLU, norm, dropout; the shortcut; ReLU, norm, dropout."""

    def __init__(self, inputs: int, width: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        same = stride == 1 and inputs == width
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, width, 1, stride, bias=False)
        self.inner = nn.Sequential(nn.BatchNorm2d(width), nn.Dropout(dropout))
        self.outer = nn.Sequential(nn.BatchNorm2d(width), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(F.relu(self.inner(F.relu(self.convolution(x))) + self.shortcut(x)))


class PublishedResNet(nn.Module):
    """The published network of Split CIFAR-100; only the five outputs of the task at hand count."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTH, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(WIDTH)
        widths = [WIDTH] + [WIDTH * 2**stage for stage in range(4) for _ in range(2)]
        strides = [1, 1, 2, 1, 2, 1, 2, 1]
        self.blocks = nn.Sequential(*map(PublishedBlock, widths, widths[1:], strides, [dropout] * 8))
        self.linear = nn.Linear(widths[-1], 5 * TASKS)

    def forward(self, x: Tensor, task: int) -> Tensor:
        x = self.blocks(F.relu(self.norm(self.stem(x)))).mean((2, 3))
        return self.linear(x)[:, 5 * task : 5 * task + 5]


def train(stream: Stream, rate: float, decay: float, dropout: float, momentum: float) -> list[list[float]]:
    """The accuracy matrix a[t][i], 0 for the tasks to come, as the published code leaves it."""
    torch.manual_seed(stream.seed)
    net = PublishedResNet(dropout).to(memory_format=torch.channels_last)
    matrix = []
    for task, data in enumerate(stream.train):
        net.train()
        sgd = torch.optim.SGD(net.parameters(), max(rate * decay ** (task + 1), 5e-5), momentum)
        for rows in torch.randperm(len(data)).split(BATCH):
            loss = F.cross_entropy(net(_images(stream, data, rows), task), data.targets[rows])
            sgd.zero_grad()
            loss.backward()
            sgd.step()
        seen = [_accuracy(net, stream, i) for i in range(task + 1)]
        matrix.append(seen + [0.0] * (len(stream.train) - task - 1))
    return matrix


def _images(stream: Stream, data, rows: Tensor) -> Tensor:
    images = data.take(rows).float().div_(stream.scale)
    return images.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def _accuracy(net: PublishedResNet, stream: Stream, task: int) -> float:
    net.eval()
    data, correct = stream.test[task], 0
    for rows in torch.arange(len(data)).split(125):
        correct += int((net(_images(stream, data, rows), task).argmax(1) == data.targets[rows]).sum())
    return correct / len(data)
