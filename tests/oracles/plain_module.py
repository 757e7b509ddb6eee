"""The plain loop of tests/oracles/plain.py with an ordinary module as its network, seeded as the suite seeds it."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.common.randomness import Randomness
from methods.settings import Settings
from tests.oracles.plain import PlainRun


class PlainModuleRun(PlainRun):
    """One seed of one method; the module's parameters keep PyTorch's layout."""

    def __init__(self, method: str, stream, settings: Settings, make: Callable[[tuple[int, ...], int], nn.Module]):
        self.method, self.stream, self.settings = method, stream, settings
        self.random = Randomness([stream.seed], torch.device("cpu"))
        torch.manual_seed(int(self.random.draw(1, dtype=torch.float64).item() * 2**32))
        self.net = make(stream.shape, stream.heads * stream.classes)
        self.memory: list[tuple[Tensor, int, int]] = []
        self.room = settings.memory_per_class * stream.classes * len(stream.train)
        self.seen, self.anchor, self.fisher = 0, None, None

    def loss(self, examples: list[tuple[Tensor, int, int]]) -> Tensor:
        """Mean cross-entropy of (image, label, task) examples, each scored by its own head."""
        images, labels, tasks = zip(*examples)
        torch.manual_seed(int(self.random.uniform(1).item() * 2**32))
        outputs = self.net(torch.stack(images).reshape(-1, *self.stream.shape))
        classes = self.stream.classes
        starts = [task * classes if self.stream.heads > 1 else 0 for task in tasks]
        own = torch.stack([row[start : start + classes] for row, start in zip(outputs, starts)])
        return F.cross_entropy(own, torch.tensor(labels))

    def gradient(self, loss: Tensor) -> Tensor:
        """Flat gradient."""
        return torch.cat([piece.flatten() for piece in torch.autograd.grad(loss, list(self.net.parameters()))])

    def theta(self) -> Tensor:
        """Flat parameters, [P]."""
        return torch.cat([parameter.flatten() for parameter in self.net.parameters()])

    def move(self, direction: Tensor, rate: float) -> None:
        """theta <- theta - rate * direction."""
        for parameter in self.net.parameters():
            piece, direction = direction[: parameter.numel()], direction[parameter.numel() :]
            parameter.data -= rate * piece.view_as(parameter)

    @torch.no_grad()
    def evaluate(self) -> list[float]:
        """Test accuracy on every task."""
        self.net.eval()
        row = []
        for task, data in enumerate(self.stream.test):
            images = torch.stack([data[i][0] for i in range(len(data))]).reshape(-1, *self.stream.shape)
            outputs = self.net(images)
            if self.stream.heads > 1:
                outputs = outputs[:, task * self.stream.classes : (task + 1) * self.stream.classes]
            row.append((outputs.argmax(1) == torch.as_tensor(data.targets)).sum().item() / len(data))
        self.net.train()
        return row
