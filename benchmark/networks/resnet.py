"""The reduced ResNet-18 for Split CIFAR-100: S networks that train together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmark.common.cuda_graphs import captured
from benchmark.common.randomness import Randomness
from benchmark.networks.dropout import mask
from benchmark.networks.gradients import Parts
from benchmark.networks.heads import chosen_logits, own_logits, shown_outputs, summed_loss
from methods.batch import Batch
from methods.method import Loss, Snapshot

WIDTH = 20
"""Channels of the first stage. The four stages have 1, 2, 4 and 8 times as many, which gives about 1.1 M parameters."""

IMAGE_SIDE = 32


class Block(NamedTuple):
    """A residual block: two 3x3 convolutions, and a 1x1 convolution as shortcut if the shape changes."""

    name: str
    inputs: int
    outputs: int
    stride: int


def _blocks() -> list[Block]:
    channels = [WIDTH] + [WIDTH * 2**stage for stage in range(4) for _ in range(2)]
    pairs = zip(channels, channels[1:])
    return [Block(f"block{i}", a, b, 2 if i in (2, 4, 6) else 1) for i, (a, b) in enumerate(pairs)]


def _shapes(outputs: int) -> dict[str, tuple[int, ...]]:
    """The shapes of the parameters by name. Convolutions have [out, height, width, in], the channels-last order."""
    shapes: dict[str, tuple[int, ...]] = {"stem": (WIDTH, 3, 3, 3), "stem.norm": (2, WIDTH)}
    for name, inputs, width, stride in _blocks():
        shapes |= {f"{name}.first": (width, 3, 3, inputs), f"{name}.first.norm": (2, width)}
        shapes |= {f"{name}.second": (width, 3, 3, width), f"{name}.second.norm": (2, width)}
        if stride != 1 or inputs != width:
            shapes[f"{name}.shortcut"] = (width, 1, 1, inputs)
    return shapes | {"linear": (8 * WIDTH, outputs), "linear.bias": (1, outputs)}


def _dropout_shapes(examples: int) -> list[tuple[int, ...]]:
    """The shapes [B, side, side, channels] of the random numbers for the two dropouts of each block."""
    side, shapes = IMAGE_SIDE, []
    for _, _, channels, stride in _blocks():
        side //= stride
        shapes += [(examples, side, side, channels)] * 2
    return shapes


def _cut(flat: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """Consecutive views [S, *shape] of a tensor [S, n]."""
    pieces = flat.split([math.prod(shape) for shape in shapes], dim=1)
    return [piece.view(len(flat), *shape) for piece, shape in zip(pieces, shapes, strict=True)]


class ResNet18:
    """The published model: batch norm follows ReLU, and dropout follows each batch norm of the blocks.

    The convolutions of all seeds run as one grouped convolution, and their batch norms as one over S * C channels. So
    each seed has its own statistics. theta: [S, P], all parameters. buffers: the running statistics. Weights are
    initialized like those of nn.Conv2d and nn.Linear, batch norm with scale 1 and shift 0.
    """

    def __init__(self, heads: int, classes: int, dropout: float, random: Randomness) -> None:
        self.heads, self.classes, self.dropout, self.random = heads, classes, dropout, random
        self.shapes = _shapes(heads * classes)
        self.theta = random.draw(sum(math.prod(shape) for shape in self.shapes.values())).mul_(2).sub_(1)
        self.seeds = self.theta.shape[0]
        self._parameters = {name: view.requires_grad_() for name, view in self.views(self.theta.detach()).items()}
        self._scale_initial_weights()
        self.buffers = {
            f"{name}.{kind}": self.theta.new_full((self.seeds * shape[1],), float(kind == "variance"))
            for name, shape in self.shapes.items()
            if name.endswith("norm")
            for kind in ("mean", "variance")
        }
        self._passes = captured(self._forward_and_back, random.device, self.buffers.values())

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Each parameter [S, *shape] as a view of a tensor [S, P]."""
        return dict(zip(self.shapes, _cut(flat, list(self.shapes.values())), strict=True))

    def gradient(self, batch: Batch, loss: Loss | None = None, every_head: bool = False) -> Parts:
        """Gradient of each seed's loss over its batch, by default of its mean cross-entropy.

        The call updates the running statistics of batch norm.
        """
        draws = self._draws(batch)
        if loss is None:
            gradients = self._passes(batch.images, batch.labels, batch.heads, *draws)
        else:
            with torch.enable_grad():
                outputs = self._outputs(batch.images, self._parameters, self.buffers, draws)
                total = summed_loss(loss, outputs, batch, self.heads, every_head)
                gradients = torch.autograd.grad(total, list(self._parameters.values()))
        return Parts(list(gradients), lambda flat: list(self.views(flat).values()))

    @torch.no_grad()
    def outputs(self, batch: Batch, snapshot: Snapshot | None = None, every_head: bool = False) -> Tensor:
        """Outputs in training mode, or those of a snapshot in evaluation mode. See `methods.method.Network`."""
        if snapshot is None:
            outputs = self._outputs(batch.images, self._parameters, {}, self._draws(batch))
        else:
            buffers = {name: snapshot[f"buffer.{name}"] for name in self.buffers}
            outputs = self._outputs(batch.images, self.views(snapshot["theta"]), buffers, [], training=False)
        return shown_outputs(outputs, batch, self.heads, every_head)

    def snapshot(self) -> Snapshot:
        """A copy of the parameters and of the running statistics."""
        return {"theta": self.theta.clone()} | {f"buffer.{name}": value.clone() for name, value in self.buffers.items()}

    def _draws(self, batch: Batch) -> list[Tensor]:
        shapes = _dropout_shapes(batch.labels.shape[1]) if self.dropout else []
        return [self.random.draw(sum(map(math.prod, shapes)))] if shapes else []

    def _outputs(
        self,
        images: Tensor,
        parameters: dict[str, Tensor],
        buffers: dict[str, Tensor],
        draws: Sequence[Tensor],
        training: bool = True,
    ) -> Tensor:
        """Outputs [S, B, heads * C] for images [S, B, 3, 32, 32]. Without buffers, no statistics are updated."""
        masks = self._masks(draws[0], images.shape[1]) if draws else []
        features = self._features(images, parameters, buffers, iter(masks), training)
        return torch.baddbmm(parameters["linear.bias"], features, parameters["linear"])

    def _forward_and_back(self, images: Tensor, labels: Tensor, heads: Tensor, *draws: Tensor) -> tuple[Tensor, ...]:
        """The gradient with respect to each parameter."""
        with torch.enable_grad():
            outputs = self._outputs(images, self._parameters, self.buffers, draws)
            logits = chosen_logits(outputs, Batch(images, labels, heads), self.heads).flatten(0, 1)
            loss = F.cross_entropy(logits, labels.flatten(), reduction="sum") / labels.shape[1]
            return torch.autograd.grad(loss, list(self._parameters.values()))

    def logits(self, images: Tensor, seed: int, head: int) -> Tensor:
        """Outputs [N, C] of one head of the network with index `seed` for images [N, 3, 32, 32], in evaluation mode."""
        own = {name: value[seed : seed + 1] for name, value in self._parameters.items()}
        buffers = {name: value.view(self.seeds, -1)[seed] for name, value in self.buffers.items()}
        features = self._features(images[None], own, buffers, iter(()), training=False)
        return own_logits(torch.addmm(own["linear.bias"][0], features[0], own["linear"][0]), head, self.classes)

    def _features(
        self,
        images: Tensor,
        parameters: dict[str, Tensor],
        buffers: dict[str, Tensor],
        masks: Iterator[Tensor],
        training: bool,
    ) -> Tensor:
        """Features [S, B, 160] of images [S, B, 3, 32, 32]."""
        seeds = images.shape[0]

        def convolved(x: Tensor, name: str, stride: int = 1) -> Tensor:
            weight = parameters[name].flatten(0, 1).permute(0, 3, 1, 2)
            return F.conv2d(x, weight, stride=stride, padding=weight.shape[2] // 2, groups=seeds)

        def normalized(x: Tensor, name: str) -> Tensor:
            scale, shift = parameters[name].unbind(1)
            statistics = buffers.get(f"{name}.mean"), buffers.get(f"{name}.variance")
            return F.batch_norm(x, *statistics, scale.flatten(), shift.flatten(), training)

        def dropped(x: Tensor) -> Tensor:
            return x * next(masks) if training and self.dropout else x

        x = images.transpose(0, 1).flatten(1, 2).contiguous(memory_format=torch.channels_last)
        x = normalized(convolved(x, "stem"), "stem.norm").relu_()  # unlike in the blocks, batch norm precedes ReLU
        for name, _, _, stride in _blocks():
            inner = convolved(x, f"{name}.first", stride).relu_()
            inner = dropped(normalized(inner, f"{name}.first.norm"))
            inner = convolved(inner, f"{name}.second")
            short = convolved(x, f"{name}.shortcut", stride) if f"{name}.shortcut" in parameters else x
            x = dropped(normalized(inner.add_(short).relu_(), f"{name}.second.norm"))
        return x.mean((2, 3)).unflatten(1, (seeds, -1)).transpose(0, 1)

    def _masks(self, draws: Tensor, examples: int) -> list[Tensor]:
        """The mask [B, S * C, side, side] of each dropout."""
        cut = _cut(mask(draws, self.dropout), _dropout_shapes(examples))
        return [each.permute(1, 0, 4, 2, 3).flatten(1, 2) for each in cut]

    def _scale_initial_weights(self) -> None:
        views = self.views(self.theta)
        for name, shape in self.shapes.items():
            if name.endswith("norm"):
                views[name].copy_(torch.tensor([1.0, 0.0])[:, None].expand(shape))
            else:
                inputs = self.shapes["linear"][0] if name.startswith("linear") else math.prod(shape[1:])
                views[name].mul_(1 / math.sqrt(inputs))
