"""The networks of the table as ordinary PyTorch modules, for Avalanche's strategies and the plain loop."""

from __future__ import annotations

from avalanche.models import MultiTaskModule
from torch import Tensor, nn

from benchmark.resnet import WIDTH
from methods.settings import Settings


def mlp(settings: Settings, pixels: int = 784, outputs: int = 10) -> nn.Sequential:
    """D-H-H-outputs with ReLU, dropout after it where the settings have any."""
    dropout = [nn.Dropout(settings.dropout)] if settings.dropout else []
    hidden = settings.hidden
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(pixels, hidden), nn.ReLU(), *dropout,
        nn.Linear(hidden, hidden), nn.ReLU(), *dropout,
        nn.Linear(hidden, outputs),
    )


class Block(nn.Module):
    """Residual block with batch norm after ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.first_norm, self.second_norm = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, h, w] -> [B, outputs, h / stride, w / stride]."""
        inner = self.first_norm(self.first(x).relu())
        return self.second_norm((self.second(inner) + self.shortcut(x)).relu())


def features() -> nn.Sequential:
    """The reduced ResNet-18 up to its features: [B, 3, 32, 32] -> [B, 160]."""
    widths = [WIDTH] + [WIDTH * 2**stage for stage in range(4) for _ in range(2)]
    blocks = [Block(a, b, 2 if b > a else 1) for a, b in zip(widths, widths[1:])]
    stem = [nn.Conv2d(3, WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU()]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class HeadedResNet(MultiTaskModule):
    """The reduced ResNet-18 with one head a task, as Avalanche addresses heads."""

    def __init__(self, heads: int, classes: int) -> None:
        super().__init__()
        self.features, self.classes = features(), classes
        self.linear = nn.Linear(8 * WIDTH, heads * classes)

    def forward_single_task(self, x: Tensor, task_label: int) -> Tensor:
        """The outputs [B, C] of one task's head."""
        first = task_label * self.classes
        return self.linear(self.features(x))[:, first : first + self.classes]
