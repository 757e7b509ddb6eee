"""The suite's test oracle: one seed at a time, a plain PyTorch loop with autograd, one `if` a method.

It takes its random numbers in the order in which the engine takes them, and shares nothing else with it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.common.randomness import Randomness
from benchmark.networks.mlp import CACHE_LINE
from methods.settings import Settings

RESTATED = ("naive", "ewc", "agem", "er-reservoir", "stable-sgd", "multitask")
"""The methods whose rules stand below."""


def in_a_row(values: Tensor) -> Tensor:
    """One value a parameter, [P], as in a row of the engine: zeros follow up to the next cache line."""
    return F.pad(values, (0, -len(values) % CACHE_LINE))


class PlainMLP(nn.Module):
    """An ordinary MLP that takes its dropout masks from the run's random numbers."""

    def __init__(self, pixels: int, settings: Settings, outputs: int, random: Randomness) -> None:
        super().__init__()
        sizes = [pixels, settings.hidden, settings.hidden, outputs]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes, sizes[1:]))
        self.dropout, self.random = settings.dropout, random
        numbers = random.draw(sum((a + 1) * b for a, b in zip(sizes, sizes[1:])))[0] * 2 - 1
        for layer, (a, b) in zip(self.layers, zip(sizes, sizes[1:])):
            weight, bias, numbers = numbers.split([a * b, b, len(numbers) - (a + 1) * b])
            layer.weight.data = weight.view(a, b).t().contiguous() / a**0.5
            layer.bias.data = bias / a**0.5

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = layer(x).relu()
            if self.training and self.dropout:
                keep = self.random.uniform(*x.shape, dtype=torch.float32)[0] >= self.dropout
                x = x * keep / (1 - self.dropout)
        return self.layers[-1](x)


class PlainRun:
    """One seed of one method."""

    def __init__(self, method: str, stream, settings: Settings) -> None:
        self.method, self.stream, self.settings = method, stream, settings
        self.random = Randomness([stream.seed], torch.device("cpu"))
        self.net = self.network()
        self.memory: list[tuple[Tensor, int, int]] = []
        self.room = settings.memory_per_class * stream.classes * len(stream.train)
        self.seen, self.anchor, self.fisher = 0, None, None

    def network(self) -> nn.Module:
        """The untrained network."""
        return PlainMLP(self.stream.shape[0], self.settings, self.stream.heads * self.stream.classes, self.random)

    def outputs(self, examples: list[tuple]) -> Tensor:
        """The outputs of all heads for (image, label, task, ...) examples, [n, heads * C]."""
        return self.net(torch.stack([example[0] for example in examples]).flatten(1))

    def own_head(self, outputs: Tensor, examples: list[tuple]) -> Tensor:
        """The outputs of each example's own head, [n, C]."""
        classes = self.stream.classes
        starts = [example[2] * classes if self.stream.heads > 1 else 0 for example in examples]
        return torch.stack([row[start : start + classes] for row, start in zip(outputs, starts)])

    def loss(self, examples: list[tuple]) -> Tensor:
        """Mean cross-entropy of (image, label, task) examples, each scored by its own head."""
        own = self.own_head(self.outputs(examples), examples)
        return F.cross_entropy(own, torch.tensor([example[1] for example in examples]))

    def gradient(self, loss: Tensor) -> Tensor:
        """Flat gradient, weights in the engine's [in, out] layout."""
        pieces = torch.autograd.grad(loss, list(self.net.parameters()))
        return torch.cat([piece.t().flatten() if piece.ndim == 2 else piece for piece in pieces])

    def theta(self) -> Tensor:
        """Flat parameters in the engine's layout, [P]."""
        return torch.cat([p.t().flatten() if p.ndim == 2 else p for p in self.net.parameters()])

    def move(self, direction: Tensor, rate: float) -> None:
        """theta <- theta - rate * direction."""
        for p in self.net.parameters():
            piece, direction = direction[: p.numel()], direction[p.numel() :]
            p.data -= rate * (piece.view(p.shape[::-1]).t() if p.ndim == 2 else piece)

    def sample(self) -> list[tuple[Tensor, int, int]]:
        """Examples of the memory, drawn as the engine draws them."""
        draws = self.random.uniform(self.room)[0, : len(self.memory)]
        chosen = draws.topk(min(self.settings.memory_batch, len(self.memory))).indices
        return [self.memory[i] for i in chosen]

    def direction(self, batch: list[tuple[Tensor, int, int]], steps_left: int) -> Tensor:
        """What the method steps along, from its definition."""
        if self.method == "er-reservoir":
            joined = batch + (self.sample() if self.memory else [])
            self.reservoir(batch)
            return self.gradient(self.loss(joined))
        if self.method == "agem" and self.memory:
            g = self.gradient(self.loss(batch))
            r = self.gradient(self.loss(self.sample()))
            return g - (g @ r) / (r @ r) * r if g @ r < 0 else g
        if self.method == "ewc":
            g = self.gradient(self.loss(batch))
            window = steps_left // self.settings.fisher_window
            if window < 8:
                self.squares += 0.9 * 0.1**window * g**2 / self.settings.fisher_window
            if self.anchor is not None:
                flat = self.theta().detach().requires_grad_()
                penalty = self.settings.ewc_lambda * (self.fisher * (flat - self.anchor) ** 2).sum()
                g = g + torch.autograd.grad(penalty, flat)[0]
            return g
        return self.gradient(self.loss(batch))

    def reservoir(self, batch: list[tuple[Tensor, int, int]]) -> None:
        """Vitter's algorithm R, one example after the other."""
        for example, draw in zip(batch, self.random.uniform(len(batch))[0].tolist()):
            place = int(draw * (self.seen + 1))
            if self.seen < self.room:
                self.memory.append(example)
            elif place < self.room:
                self.memory[place] = example
            self.seen += 1

    def train(self) -> list[list[float]]:
        """Train through the stream; returns the accuracy matrix."""
        tasks = range(len(self.stream.train))
        phases = [list(tasks)] if self.method == "multitask" else [[task] for task in tasks]
        matrix = []
        for k, phase in enumerate(phases):
            self.random.begin_phase()
            rate = self.settings.learning_rate * self.settings.learning_rate_decay ** (k + 1)
            examples = [(*self.stream.train[t][i], t) for t in phase for i in range(len(self.stream.train[t]))]
            self.squares = torch.zeros_like(self.theta())
            order = self.train_phase(examples, max(rate, 5e-5))
            if self.method == "agem":
                self.keep_last([examples[i] for i in order])
            if self.method == "ewc":
                self.fisher = (self.squares - self.squares.min()) / (self.squares.max() - self.squares.min())
                self.anchor = self.theta().detach().clone()
            matrix += [self.evaluate()] * len(phase)
        return matrix

    def train_phase(self, examples: list[tuple[Tensor, int, int]], rate: float) -> list[int]:
        """The epochs of one phase; returns the order of the last."""
        size, epochs = self.settings.batch_size, self.settings.epochs
        total = -(-len(examples) // size) * epochs
        self.net.train()
        for _ in range(epochs):
            order = self.random.order(len(examples))[0].tolist()
            velocity = torch.zeros_like(self.theta())
            for start in range(0, len(order), size):
                total -= 1
                batch = [examples[i] for i in order[start : start + size]]
                velocity = self.settings.momentum * velocity + self.direction(batch, total)
                self.move(velocity, rate)
        return order

    def keep_last(self, examples: list[tuple[Tensor, int, int]]) -> None:
        """The last example of each class of a finished task, newest rank first (as many as memory_per_class)."""
        ranked: list[tuple[int, int]] = []
        counts: dict[int, int] = {}
        for position in reversed(range(len(examples))):
            label = examples[position][1]
            counts[label] = counts.get(label, 0) + 1
            ranked.append((counts[label], position))
        wanted = self.settings.memory_per_class * self.stream.classes
        self.memory += [examples[position] for _, position in sorted(ranked)[:wanted]]

    @torch.no_grad()
    def evaluate(self) -> list[float]:
        """Test accuracy on every task."""
        self.net.eval()
        row = []
        for task, data in enumerate(self.stream.test):
            outputs = self.net(torch.stack([data[i][0] for i in range(len(data))]).flatten(1))
            if self.stream.heads > 1:
                outputs = outputs[:, task * self.stream.classes : (task + 1) * self.stream.classes]
            right = (outputs.argmax(1) == torch.as_tensor(data.targets)).sum().item()
            row.append(right / len(data))
        self.net.train()
        return row
