"""The floor under a step: its matrix products or convolutions and nothing else, on fixed numbers."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.training.avalanche.modules import resnet_features
from tests.speed.plain_loop import PlainLoop

SIZES = (784, 256, 256, 10)
RATE = 1e-6  # a step so small that the weights stay ordinary numbers


def mlp_products(seeds: int, batches: list[int]) -> Callable[[], None]:
    """The products of one step: for each batch the outputs, input errors and weight gradients, seeds stacked.

    A weight gradient is added to its weights in the call that makes it: no step can do less.
    """
    weights = [torch.randn(seeds, a, b) / a**0.5 for a, b in zip(SIZES, SIZES[1:])]
    inputs = [[torch.rand(seeds, batch, size) for size in SIZES[:-1]] for batch in batches]
    errors = [[torch.randn(seeds, batch, size) for size in SIZES[1:]] for batch in batches]

    def work() -> None:
        for xs, ds in zip(inputs, errors):
            for x, weight in zip(xs, weights):
                torch.bmm(x, weight)
            for d, weight in zip(ds[1:], weights[1:]):  # nobody asks for the error of the images
                torch.bmm(d, weight.transpose(1, 2))
            for x, d, weight in zip(xs, ds, weights):
                weight.baddbmm_(x.transpose(1, 2), d, alpha=-RATE)

    return work


def network_passes(loop: PlainLoop, batches: list[int]) -> Callable[[], None]:
    """Forward and backward of a plain loop's network on fixed batches: no data, no method, no step."""
    parts = [(loop.images[:n], loop.labels[:n], loop.first[:n]) for n in batches]

    def work() -> None:
        for part in parts:
            torch.autograd.grad(loop.loss(part), loop.parameters)

    return work


def convolutions(batches: list[int]) -> Callable[[], None]:
    """Each convolution of the ResNet alone, forward and backward, channels last, one seed."""
    calls = [call for batch in batches for call in _recorded(batch)]

    @torch.no_grad()
    def work() -> None:
        for layer, x, y, wanted in calls:
            F.conv2d(x, layer.weight, None, layer.stride, layer.padding)
            torch.ops.aten.convolution_backward(
                y, x, layer.weight, None, layer.stride, layer.padding, [1, 1], False, [0, 0], 1, wanted
            )

    return work


def _recorded(batch: int) -> list[tuple[nn.Conv2d, Tensor, Tensor, list[bool]]]:
    """Every convolution with an input and an output of its size; the first one's input needs no gradient."""
    net, calls = resnet_features().to(memory_format=torch.channels_last), []

    def record(layer: nn.Conv2d, args: tuple[Tensor], output: Tensor) -> None:
        calls.append((layer, args[0].clone(), output.clone(), [bool(calls), True, False]))

    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(record)
    net(torch.rand(batch, 3, 32, 32).contiguous(memory_format=torch.channels_last))
    return calls
