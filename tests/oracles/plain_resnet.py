"""One seed on the ResNet as a plain PyTorch loop: a mixin for `tests.oracles.plain.PlainRun`, without dropout."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark.networks.resnet import ResNet18
from tests.networks.test_networks import PublishedResNet


class FlatImages(PublishedResNet):
    """The published model on images [n, 3 * 32 * 32]."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.view(-1, 3, 32, 32))


class OnResNet:
    """Parameters one after the other, each as PyTorch lays it out."""

    def network(self) -> FlatImages:
        """The untrained network, with the weights that the engine draws for this seed."""
        twin = ResNet18(self.stream.heads, self.stream.classes, 0.0, self.random)
        net = FlatImages(self.stream.heads * self.stream.classes)
        net.copy(twin.views(twin.theta), 0)
        return net

    def gradient(self, loss: Tensor) -> Tensor:
        """Flat gradient."""
        return torch.cat([piece.flatten() for piece in torch.autograd.grad(loss, list(self.net.parameters()))])

    def theta(self) -> Tensor:
        """Flat parameters."""
        return torch.cat([p.flatten() for p in self.net.parameters()])

    def move(self, direction: Tensor, rate: float) -> None:
        """theta <- theta - rate * direction."""
        for p in self.net.parameters():
            piece, direction = direction[: p.numel()], direction[p.numel() :]
            p.data -= rate * piece.view_as(p)
