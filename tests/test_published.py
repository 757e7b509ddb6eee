"""The restatement of the published network of Split CIFAR-100."""

import torch
import torch.nn.functional as F

from published import PublishedResNet


def test_its_size_and_the_outputs_that_learn():
    net = PublishedResNet(0.0)
    convolutions = 9 * (3 * 20 + 2 * 20 * 20 + 20 * 40 + 40 * 40 + 40 * 80 + 80 * 80 + 80 * 160 + 160 * 160)
    shortcuts = 20 * 40 + 40 * 80 + 80 * 160
    norms = 2 * (20 + 2 * 2 * (20 + 40 + 80 + 160))
    linear = 160 * 100 + 100
    assert sum(p.numel() for p in net.parameters()) == convolutions + shortcuts + norms + linear

    F.cross_entropy(net(torch.rand(10, 3, 32, 32), 3), torch.arange(10) % 5).backward()
    learning = net.linear.weight.grad.abs().sum(1) > 0
    assert learning.nonzero()[:, 0].tolist() == [15, 16, 17, 18, 19]


def test_in_evaluation_nothing_is_dropped():
    net = PublishedResNet(0.5).eval()
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(net(images, 0), net(images, 0))
    net.train()
    assert not torch.equal(net(images, 0), net(images, 0))
