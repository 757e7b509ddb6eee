"""What the published PyTorch code itself gives on Split CIFAR-100: its network and loop, restated in plain PyTorch.

`make published` runs every line of RUNS that is not in results/published.json yet (minutes each, on one thread)
and puts the table into docs/reproduction.md. The restatement differs from the suite's own run in the network, whose
residual blocks apply one convolution in place of two, and shares nothing with the engine but the task stream.
Source: github.com/imirzadeh/stable-continual-learning, stable_sgd/models.py and stable_sgd/main.py.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from tabulate import tabulate
from torch import Tensor, nn

from benchmark import atomic, metrics
from benchmark.insertion import insert
from benchmark.provenance import processor, versions
from benchmark.search import SEED
from benchmark.streams import Stream, build

WIDTH, TASKS, BATCH = 20, 20, 10
# (whose values, learning rate, decay, dropout, momentum)
RUNS = [
    ("Stable SGD, the author's correction", 0.15, 0.85, 0.1, 0.8),
    ("naive SGD, the scripts' values", 0.01, 1.0, 0.0, 0.8),
    ("Stable SGD, the scripts' values", 0.1, 0.8, 0.5, 0.8),
    ("Stable SGD, without dropout", 0.15, 0.85, 0.0, 0.8),
    ("Stable SGD, without momentum", 0.15, 0.85, 0.1, 0.0),
]
HEADERS = ["run", "learning rate", "decay", "dropout", "momentum", "accuracy %", "forgetting", "learning accuracy %"]


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


def text(done: dict[str, dict]) -> str:
    """The Markdown table of the runs that are done and what they ran on."""
    names = ("accuracy", "forgetting", "learning")
    rows = [[*run, *(done[run[0]]["metrics"][name] for name in names)] for run in RUNS if run[0] in done]
    table = tabulate(rows, headers=HEADERS, tablefmt="pipe", floatfmt=("", "g", "g", "g", "g", ".1f", ".2f", ".1f"))
    any_run = next(iter(done.values()))
    return f"{table}\n\n`make published`, seed {SEED}, {any_run['processor']}, torch {any_run['versions']['torch']}."


def main(store: Path, document: Path) -> None:
    """Run what is missing, keeping each run as it ends and writing the table into the document."""
    torch.set_num_threads(1)
    done = json.loads(store.read_text()) if store.exists() else {}
    data = os.environ.get("BENCHMARK_DATA")
    for name, *values in RUNS:
        if name in done:
            continue
        matrix = train(build("split-cifar100", SEED, TASKS, 0, data and Path(data)), *values)
        summary = metrics.summarize(matrix)
        done[name] = {
            "metrics": {"accuracy": 100 * summary["average_accuracy"], "forgetting": summary["average_forgetting"],
                        "learning": 100 * summary["learning_accuracy"]},
            "accuracy_matrix": matrix, "processor": processor(), "versions": versions(),
        }
        atomic.write(store, json.dumps(done, indent=1).encode(), store.with_suffix(".tmp"))
        print(name, done[name]["metrics"], flush=True)
        insert(text(done), document, "published")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
