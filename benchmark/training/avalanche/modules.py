"""The networks of the table as ordinary PyTorch modules, one seed each, for Avalanche's strategies and plain loops."""

from __future__ import annotations

import benchmark.common.imports  # noqa: F401  (before avalanche)

import math
from collections.abc import Iterator

import torch
from avalanche.models import MultiTaskModule
from torch import Tensor, nn

from benchmark.common.randomness import Randomness
from benchmark.networks.heads import own_logits
from benchmark.networks.mlp import MLP
from benchmark.networks.module import ModuleNetwork
from benchmark.networks.registry import NetworkKind
from benchmark.networks.resnet import WIDTH, ResNet18
from benchmark.streams.build import Stream
from benchmark.training.engine import network_of
from methods.settings import Settings


def mlp_features(pixels: int, settings: Settings) -> nn.Sequential:
    """The MLP up to its features: [B, ...] -> [B, hidden], dropout after ReLU where the settings have any."""
    hidden = settings.hidden
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(pixels, hidden),
        nn.ReLU(),
        *_dropout(settings.dropout),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        *_dropout(settings.dropout),
    )


def _dropout(share: float) -> list[nn.Module]:
    return [nn.Dropout(share)] if share else []


class Block(nn.Module):
    """Residual block with batch norm after ReLU, and dropout after it where there is any."""

    def __init__(self, inputs: int, outputs: int, stride: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.Sequential(nn.BatchNorm2d(outputs), *_dropout(dropout))
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.Sequential(nn.BatchNorm2d(outputs), *_dropout(dropout))
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, h, w] -> [B, outputs, h / stride, w / stride]."""
        inner = self.first_norm(self.first(x).relu())
        return self.second_norm((self.second(inner) + self.shortcut(x)).relu())


def resnet_features(dropout: float = 0.0) -> nn.Sequential:
    """The reduced ResNet-18 up to its features: [B, 3, 32, 32] -> [B, 160]."""
    widths = [WIDTH] + [WIDTH * 2**stage for stage in range(4) for _ in range(2)]
    blocks = [Block(a, b, 2 if b > a else 1, dropout) for a, b in zip(widths, widths[1:])]
    stem = [nn.Conv2d(3, WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU()]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class OneHead(nn.Module):
    """Features and one head; the names are those that Avalanche's strategies look for."""

    def __init__(self, features: nn.Module, classifier: nn.Linear) -> None:
        super().__init__()
        self.features, self.classifier = features, classifier

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, ...] -> outputs [B, C]."""
        return self.classifier(self.features(x))


class ManyHeads(MultiTaskModule):
    """Features and one head of `classes` outputs a task, as Avalanche addresses heads."""

    def __init__(self, features: nn.Module, classifier: nn.Linear, classes: int) -> None:
        super().__init__()
        self.features, self.classifier, self.classes = features, classifier, classes

    def forward_single_task(self, x: Tensor, task_label: int) -> Tensor:
        """The outputs [B, C] of one task's head."""
        first = task_label * self.classes
        return self.classifier(self.features(x))[:, first : first + self.classes]


class Whole(MultiTaskModule):
    """An external network with one head of `classes` outputs a task; it is not cut into features and head."""

    def __init__(self, module: nn.Module, classes: int) -> None:
        super().__init__()
        self.module, self.classes = module, classes

    def forward_single_task(self, x: Tensor, task_label: int) -> Tensor:
        """The outputs [B, C] of one task's head."""
        return own_logits(self.module(x), task_label, self.classes)


class Flat(nn.Module):
    """An external network for flat images, of which Avalanche has [B, 1, side, side]."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, ...] -> outputs of the module for [B, D]."""
        return self.module(x.flatten(1))


def module_for(stream: Stream, settings: Settings, random: Randomness, network: NetworkKind | None = None) -> nn.Module:
    """The network that the engine trains on a stream, with the parameters that it begins with.

    random: of one seed, and new; what it draws next is what the engine would draw. network: see engine.network_of.
    """
    kind = network_of(settings, stream, network)
    drawn = kind.build(stream.shape, stream.heads, stream.classes, settings, random)
    if isinstance(drawn, ModuleNetwork):
        module = Flat(drawn.modules[0]) if len(stream.shape) == 1 else drawn.modules[0]
        return module if stream.heads == 1 else Whole(module, stream.classes)
    if isinstance(drawn, MLP):
        features, width = mlp_features(math.prod(stream.shape), settings), settings.hidden
    else:
        features, width = resnet_features(settings.dropout), 8 * WIDTH
    classifier = nn.Linear(width, stream.heads * stream.classes)
    one = stream.heads == 1
    module = OneHead(features, classifier) if one else ManyHeads(features, classifier, stream.classes)
    with torch.no_grad():
        for parameter, value in zip(module.parameters(), _parameters(drawn), strict=True):
            parameter.copy_(value)
    return module


def _parameters(drawn: MLP | ResNet18) -> Iterator[Tensor]:
    """The first seed's parameters in PyTorch's layout: [out, in], [out, in, height, width] and vectors."""
    views = drawn.views(drawn.theta)
    if isinstance(drawn, MLP):
        named = [pair for weight, bias in views for pair in (("linear", weight), ("linear.bias", bias))]
    else:
        named = views.items()
    for name, value in named:
        if name.endswith(("norm", "bias")):
            yield from value[0]
        else:
            yield value[0].t() if value.ndim == 3 else value[0].permute(0, 3, 1, 2)
