"""The stacked networks and their gradients against ordinary PyTorch modules and autograd."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmark.common.randomness import Randomness
from benchmark.networks.dropout import mask
from benchmark.networks.gradients import Dense
from benchmark.networks.mlp import CACHE_LINE, MLP
from benchmark.networks.resnet import ResNet18, _dropout_shapes
from methods.batch import Batch


def batch_of(seeds, count, shape, classes, heads, start=0):
    generator = torch.Generator().manual_seed(start)
    return Batch(
        torch.rand(seeds, count, *shape, generator=generator),
        torch.randint(0, classes, (seeds, count), generator=generator),
        torch.randint(0, heads, (seeds, count), generator=generator),
    )


def mlp(heads=1, seeds=(0, 1, 2)):
    return MLP(12, 9, heads, 4, 0.0, Randomness(list(seeds), torch.device("cpu")))


def own_head_loss(outputs, batch, seed, classes):
    rows = [out[h * classes : (h + 1) * classes] for out, h in zip(outputs, batch.heads[seed].tolist())]
    return F.cross_entropy(torch.stack(rows), batch.labels[seed])


@pytest.mark.parametrize("heads", [1, 3])
def test_mlp_gradient_equals_autograd(heads):
    net, batch = mlp(heads), batch_of(3, 7, (12,), 4, heads)
    theta = net.theta.clone().requires_grad_()
    for seed in range(3):
        unit = batch.images[seed]
        layers = net.views(theta)
        for weight, bias in layers[:-1]:
            unit = (unit @ weight[seed] + bias[seed]).relu()
        loss = own_head_loss(unit @ layers[-1][0][seed] + layers[-1][1][seed], batch, seed, 4)
        expected = torch.autograd.grad(loss, theta)[0][seed]
        assert torch.allclose(net.gradient(batch).dense()[seed], expected, atol=1e-6)


def test_factored_algebra_equals_dense_algebra():
    net = mlp()
    g, r = net.gradient(batch_of(3, 7, (12,), 4, 1)), net.gradient(batch_of(3, 5, (12,), 4, 1, start=1))
    a, b = Dense(g.dense()), Dense(r.dense())
    scale = torch.tensor([0.5, -2.0, 0.0])
    assert torch.allclose(g.dot(r), a.dot(b), atol=1e-6)
    assert torch.allclose(g.minus(scale, r).dense(), a.minus(scale, b).dense(), atol=1e-6)
    for keep in (1.0, 0.3, 0.0):
        one, two = (torch.linspace(-1, 1, a.values.numel()).view_as(a.values) * net.theta.ne(0) for _ in range(2))
        g.add_to(one, -0.7, keep)
        a.add_to(two, -0.7, keep)
        assert torch.allclose(one, two, atol=1e-6)


def test_every_seeds_row_of_the_mlp_begins_with_a_cache_line_and_ends_with_zeros():
    net = mlp()
    count = (12 + 1) * 9 + (9 + 1) * 9 + (9 + 1) * 4
    assert all(row.data_ptr() % 64 == 0 for row in net.theta)
    assert count % CACHE_LINE and net.theta[:, :count].all() and not net.theta[:, count:].any()


def test_initial_weights_are_those_of_linear_layers():
    net = MLP(100, 400, 1, 10, 0.0, Randomness([0], torch.device("cpu")))
    for (weight, bias), inputs in zip(net.views(net.theta), (100, 400, 400)):
        bound = inputs**-0.5
        for values in (weight, bias):
            assert values.abs().max() <= bound
        assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.03)


def test_dropout_scales_by_keep_and_is_off_in_evaluation():
    net = MLP(12, 50, 1, 4, 0.4, Randomness([0], torch.device("cpu")))
    factors = mask(net.random.uniform(2000, 50, dtype=torch.float32), 0.4)
    assert factors.unique().tolist() == pytest.approx([0.0, 1 / 0.6])
    assert factors.mean().item() == pytest.approx(1, abs=0.02)
    images = torch.rand(5, 12)
    assert torch.equal(net.logits(images, 0, 0), net.logits(images, 0, 0))


class PublishedBlock(nn.Module):
    """The residual block as the suite documents it: batch norm after ReLU."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)])
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if stride > 1 or inputs != outputs else None

    def forward(self, x):
        inner = self.second(self.norms[0](self.first(x).relu()))
        return self.norms[1]((inner + (x if self.shortcut is None else self.shortcut(x))).relu())


class PublishedResNet(nn.Module):
    """An ordinary module with the parameters of one seed of a stacked one."""

    def __init__(self, outputs):
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(3, 20, 3, 1, 1, bias=False), nn.BatchNorm2d(20)
        widths = [
            (20, 20, 1),
            (20, 20, 1),
            (20, 40, 2),
            (40, 40, 1),
            (40, 80, 2),
            (80, 80, 1),
            (80, 160, 2),
            (160, 160, 1),
        ]
        self.blocks = nn.Sequential(*[PublishedBlock(*width) for width in widths])
        self.linear = nn.Linear(160, outputs)

    def forward(self, x):
        x = self.blocks(self.stem_norm(self.stem(x)).relu())
        return self.linear(F.avg_pool2d(x, 4).flatten(1))

    def named(self):
        yield "stem", self.stem.weight
        yield "stem.norm", self.stem_norm
        for i, block in enumerate(self.blocks):
            yield f"block{i}.first", block.first.weight
            yield f"block{i}.first.norm", block.norms[0]
            yield f"block{i}.second", block.second.weight
            yield f"block{i}.second.norm", block.norms[1]
            if block.shortcut is not None:
                yield f"block{i}.shortcut", block.shortcut.weight
        yield "linear", self.linear.weight
        yield "linear.bias", self.linear.bias

    def copy(self, views, seed):
        for name, target in self.named():
            value = views[name][seed]
            if isinstance(target, nn.BatchNorm2d):
                target.weight.data, target.bias.data = value[0].clone(), value[1].clone()
            else:
                target.data = (
                    (value.permute(0, 3, 1, 2) if value.ndim == 4 else value.t()).reshape(target.shape).clone()
                )

    def gradients(self):
        for name, target in self.named():
            if isinstance(target, nn.BatchNorm2d):
                yield name, torch.stack([target.weight.grad, target.bias.grad])
            else:
                g = target.grad
                yield name, g.permute(0, 2, 3, 1) if g.ndim == 4 else g.t()


@pytest.fixture(scope="module")
def resnets():
    """Two stacked seeds, a batch, and each seed's ordinary module."""
    with torch.no_grad():
        net = ResNet18(4, 5, 0.0, Randomness([3, 8], torch.device("cpu")))
        modules = [PublishedResNet(20) for _ in range(2)]
        for seed, module in enumerate(modules):
            module.copy(net.views(net.theta), seed)
        return net, batch_of(2, 6, (3, 32, 32), 5, 4), modules


def test_resnet_has_the_published_size(resnets):
    net, _, modules = resnets
    assert net.theta.shape[1] == sum(p.numel() for p in modules[0].parameters()) == pytest.approx(1.1e6, rel=0.03)


def test_resnet_gradient_statistics_and_logits_equal_ordinary_modules(resnets):
    net, batch, modules = resnets
    gradient = net.views(net.gradient(batch).dense())
    for seed, module in enumerate(modules):
        own_head_loss(module(batch.images[seed]), batch, seed, 5).backward()
        for name, expected in module.gradients():
            assert torch.allclose(gradient[name][seed].reshape(expected.shape), expected, atol=2e-5), name
        mean = net.buffers["block3.second.norm.mean"].view(2, -1)[seed]
        variance = net.buffers["block3.second.norm.variance"].view(2, -1)[seed]
        assert torch.allclose(mean, module.blocks[3].norms[1].running_mean, atol=1e-6)
        assert torch.allclose(variance, module.blocks[3].norms[1].running_var, atol=1e-6)
        module.eval()
        with torch.no_grad():
            expected = module(batch.images[seed])[:, 10:15]
            assert torch.allclose(net.logits(batch.images[seed], seed, 2), expected, atol=1e-5)


def test_resnet_dropout_draws_for_each_seed_alone():
    def first(seeds):
        net = ResNet18(1, 5, 0.3, Randomness(seeds, torch.device("cpu")))
        units = sum(map(math.prod, _dropout_shapes(4)))
        return net._masks(net.random.draw(units), 4)[0].unflatten(1, (len(seeds), 20))

    together = first([1, 2])
    assert torch.equal(together[:, 1], first([2])[:, 0])
    assert (together == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert together.mean().item() == pytest.approx(1, abs=0.03)
