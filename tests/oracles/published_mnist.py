"""The published code of EWC, A-GEM and ER on the MNIST streams, restated in plain PyTorch.

Where it does something else than the paper says, so does this file: 23 tasks of 50,000 examples; a quarter of the
hidden units dropped whatever the settings, in evaluation too; weights from a normal distribution of deviation 0.1, cut
off at 0.2; rotations in steps of 180 / 23 degrees; a reservoir that draws from one place too few; the Fisher's windows
counted from the task's start. It shares nothing with the suite but the images and the order of examples.
Source: github.com/imirzadeh/stable-continual-learning at be4049c, external_libs/continual_learning_algorithms:
fc_mnist.py, model/model.py, utils/utils.py, utils/data_utils.py, replicate_mnist.sh.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.functional import rotate

from benchmark.streams.datasets import ImageData

TASKS, AVAILABLE, EXAMPLES = 23, 55_000, 50_000
SIZES, DROPPED, DEVIATION, BIAS = (784, 256, 256, 10), 0.25, 0.1, 0.1
RATE, BATCH, MEMORY, MEMORY_BATCH = 0.1, 32, 10 * TASKS, 64
STRENGTH, WINDOW, NEWEST = 10.0, 10, 0.9

Examples = tuple[Tensor, Tensor]  # images [n, 784], labels [n]


def maps(stream: str, random: np.random.RandomState) -> list[Callable[[Tensor], Tensor]]:
    """What each task does to images [n, 784]."""
    if stream == "permuted-mnist":
        orders = [torch.from_numpy(random.permutation(SIZES[0])) for _ in range(TASKS)]
        return [lambda images, order=order: images[:, order] for order in orders]
    step = 180 / TASKS
    angles = [(task - 1 - random.rand()) * step for task in range(TASKS)]
    return [lambda images, angle=angle: rotate(images.view(-1, 1, 28, 28), angle).flatten(1) for angle in angles]


class PublishedMLP:
    """784-256-256-10 with ReLU; its parameters are weights [in, out] and biases [out] in turn."""

    def __init__(self) -> None:
        self.parameters = []
        for inputs, outputs in zip(SIZES, SIZES[1:]):
            weight = torch.empty(inputs, outputs)
            torch.nn.init.trunc_normal_(weight, 0, DEVIATION, -2 * DEVIATION, 2 * DEVIATION)
            self.parameters += [weight.requires_grad_(), torch.full((outputs,), BIAS, requires_grad=True)]

    def outputs(self, images: Tensor, drop: bool = True) -> Tensor:
        """[n, 10]; the published code always drops."""
        *hidden, (weight, bias) = zip(self.parameters[::2], self.parameters[1::2])
        for w, b in hidden:
            images = F.dropout(torch.relu(torch.addmm(b, images, w)), DROPPED, drop)
        return torch.addmm(bias, images, weight)

    def gradient(self, examples: Examples) -> Sequence[Tensor]:
        """Of the mean cross-entropy."""
        with torch.enable_grad():
            return torch.autograd.grad(F.cross_entropy(self.outputs(examples[0]), examples[1]), self.parameters)


class PublishedMethod:
    """One seed of a method; its subclasses say what the scripts' methods add."""

    def __init__(self, random: np.random.RandomState) -> None:
        self.net, self.random, self.task = PublishedMLP(), random, 0
        self.images, self.labels = torch.zeros(MEMORY, SIZES[0]), torch.zeros(MEMORY, dtype=torch.int64)

    def direction(self, batch: Examples, step: int) -> Sequence[Tensor]:
        """What a step goes along."""
        return self.net.gradient(batch)

    def after_task(self, examples: Examples) -> None:
        """Called with the task's examples in the order in which they were met."""

    def learn(self, examples: Examples) -> None:
        """One epoch of a task; its last batch repeats some of its first examples, as published."""
        images, labels = examples
        for step in range(len(labels) // BATCH):
            start = step * BATCH % (len(labels) - BATCH)
            batch = images[start : start + BATCH], labels[start : start + BATCH]
            for parameter, piece in zip(self.net.parameters, self.direction(batch, step)):
                parameter.sub_(piece, alpha=RATE)
        self.after_task(examples)
        self.task += 1

    def sample(self, held: int) -> Examples:
        """A memory batch of the `held` examples, without replacement; all of them while they are fewer."""
        chosen = np.arange(held) if held <= MEMORY_BATCH else self.random.choice(held, MEMORY_BATCH, replace=False)
        return self.images[chosen], self.labels[chosen]


class PublishedEWC(PublishedMethod):
    """Penalty strength * F (theta - anchor)^2 with the last task's Fisher, rescaled to [0, 1]."""

    def __init__(self, random: np.random.RandomState) -> None:
        super().__init__(random)
        self.running = [torch.zeros_like(p) for p in self.net.parameters]
        self.window = [torch.zeros_like(p) for p in self.net.parameters]
        self.fisher: list[Tensor] = []

    def direction(self, batch: Examples, step: int) -> Sequence[Tensor]:
        gradient = self.net.gradient(batch)
        if (step + 1) % WINDOW == 0:
            for running, window in zip(self.running, self.window):
                running.mul_(1 - NEWEST).add_(window, alpha=NEWEST / WINDOW)
                window.zero_()
        for window, piece in zip(self.window, gradient):
            window.addcmul_(piece, piece)
        if not self.fisher:
            return gradient
        held = zip(gradient, self.fisher, self.net.parameters, self.anchor)
        return [piece + 2 * STRENGTH * fisher * (p - anchor) for piece, fisher, p, anchor in held]

    def after_task(self, examples: Examples) -> None:
        low, high = min(f.min() for f in self.running), max(f.max() for f in self.running)
        self.fisher = [(running - low) / (high - low) for running in self.running]
        self.anchor = [p.clone() for p in self.net.parameters]


class PublishedAGEM(PublishedMethod):
    """Projection on the gradient of a memory batch; the memory holds each class's last example of each past task."""

    def direction(self, batch: Examples, step: int) -> Sequence[Tensor]:
        gradient = self.net.gradient(batch)
        if not self.task:
            return gradient
        reference = self.net.gradient(self.sample(10 * self.task))
        conflict = sum((a * b).sum() for a, b in zip(gradient, reference))
        if conflict >= 0:
            return gradient
        share = conflict / sum((b * b).sum() for b in reference)
        return [a - share * b for a, b in zip(gradient, reference)]

    def after_task(self, examples: Examples) -> None:
        images, labels = examples
        for label in range(10):
            place, last = 10 * self.task + label, (labels == label).nonzero()[-1, 0]
            self.images[place], self.labels[place] = images[last], label


class PublishedER(PublishedMethod):
    """Every batch joined with a memory batch; then the batch is offered to the reservoir."""

    seen = 0

    def direction(self, batch: Examples, step: int) -> Sequence[Tensor]:
        joined = tuple(torch.cat(parts) for parts in zip(self.sample(min(self.seen, MEMORY)), batch))
        for image, label in zip(*batch):
            place = self.seen if self.seen < MEMORY else self.random.randint(0, self.seen)
            if place < MEMORY:
                self.images[place], self.labels[place] = image, label
            self.seen += 1
        return self.net.gradient(joined)


METHODS: dict[str, type[PublishedMethod]] = {"ewc": PublishedEWC, "agem": PublishedAGEM, "er-reservoir": PublishedER}


@torch.no_grad()
def train(method: str, stream: str, data: ImageData, seed: int) -> dict[bool, list[list[float | None]]]:
    """The accuracy matrix a[t][i], measured with dropout (True, as published) and without it (False)."""
    torch.manual_seed(seed)
    random = np.random.RandomState(seed)
    tasks, run = maps(stream, random), METHODS[method](random)
    images, tests = (part.flatten(1) / data.scale for part in (data.train_images[:AVAILABLE], data.test_images))
    tests = [mapped(tests) for mapped in tasks]
    matrices = {True: [], False: []}
    for task, mapped in enumerate(tasks):
        order = torch.from_numpy(random.permutation(AVAILABLE)[:EXAMPLES])
        run.learn((mapped(images)[order], data.train_labels[:AVAILABLE][order]))
        for drop, matrix in matrices.items():
            row = [_accuracy(run.net.outputs(seen, drop), data.test_labels) for seen in tests[: task + 1]]
            matrix.append(row + [None] * (TASKS - task - 1))
    return matrices


def _accuracy(outputs: Tensor, labels: Tensor) -> float:
    return (outputs.argmax(1) == labels).float().mean().item()
