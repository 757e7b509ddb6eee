"""Gradients of a given loss, outputs and snapshots of the stacked networks, against ordinary modules and autograd."""

import pytest
import torch
import torch.nn.functional as F

from benchmark.common.randomness import Randomness
from benchmark.networks import heads as heads_
from benchmark.networks import mlp as mlp_
from benchmark.networks import resnet as resnet_
from benchmark.networks.mlp import MLP
from benchmark.networks.resnet import ResNet18
from methods.losses import cross_entropy, own_head
from tests.networks.test_networks import PublishedResNet, batch_of

CLASSES, SEEDS = 4, (0, 1, 2)


@pytest.fixture(autouse=True)
def no_grad():
    """As in the engine."""
    with torch.no_grad():
        yield


def mlp(heads=1, dropout=0.0, seeds=SEEDS):
    return MLP(12, 9, heads, CLASSES, dropout, Randomness(list(seeds), torch.device("cpu")))


def resnet(heads=2, dropout=0.0, seeds=(3, 8)):
    return ResNet18(heads, CLASSES, dropout, Randomness(list(seeds), torch.device("cpu")))


NETWORKS = {
    "mlp": (lambda dropout=0.0, seeds=SEEDS: mlp(3, dropout, seeds), (12,), 3),
    "resnet": (lambda dropout=0.0, seeds=(3, 8): resnet(2, dropout, seeds), (3, 32, 32), 2),
}


@pytest.fixture(params=NETWORKS)
def network(request):
    """Builds one, and a batch of given length for it."""
    build, shape, heads = NETWORKS[request.param]
    return build, lambda net, count=6, start=0: batch_of(len(net.theta), count, shape, CLASSES, heads, start)


def distilled(outputs, batch):
    """A loss that no closed form in the code knows: [S, B, C] -> [S]."""
    targets = torch.linspace(-1, 1, outputs.shape[2])
    smooth = -(outputs / 2).log_softmax(2).mean((1, 2))
    return smooth + 0.3 * (outputs - targets).square().sum(2).mean(1) + cross_entropy(outputs, batch)


def distilled_one(outputs, labels):
    """The same for one seed: [B, C] -> []."""
    targets, terms = torch.linspace(-1, 1, outputs.shape[1]), []
    for row, label in zip(outputs, labels):
        smooth = -F.log_softmax(row / 2, 0).sum() / len(row)
        terms.append(smooth + 0.3 * ((row - targets) ** 2).sum() - F.log_softmax(row, 0)[label])
    return sum(terms) / len(terms)


def rows_of_heads(outputs, batch, seed):
    starts = [head * CLASSES for head in batch.heads[seed].tolist()]
    return torch.stack([row[start : start + CLASSES] for row, start in zip(outputs, starts)])


def plain_mlp(net, theta, images, seed, draws=()):
    """[B, heads * C] of one seed, layer by layer."""
    unit, layers = images[seed], net.views(theta)
    for layer, (weight, bias) in enumerate(layers[:-1]):
        unit = (unit @ weight[seed] + bias[seed]).relu()
        if draws:
            unit = unit * (draws[layer][seed] >= net.dropout) / (1 - net.dropout)
    return unit @ layers[-1][0][seed] + layers[-1][1][seed]


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("heads", [1, 3])
def test_the_mlps_gradient_of_a_loss_is_autograds(heads, dropout):
    net, twin, batch = mlp(heads, dropout), mlp(heads, dropout), batch_of(3, 7, (12,), CLASSES, heads)
    draws = [twin.random.uniform(7, 9, dtype=torch.float32) for _ in range(2)] if dropout else ()
    given = net.gradient(batch, distilled).dense()
    with torch.enable_grad():
        for seed in range(3):
            theta = net.theta.clone().requires_grad_()
            own = rows_of_heads(plain_mlp(net, theta, batch.images, seed, draws), batch, seed)
            expected = torch.autograd.grad(distilled_one(own, batch.labels[seed]), theta)[0][seed]
            assert torch.allclose(given[seed], expected, atol=1e-6) and expected.abs().max() > 0.01


def test_the_mlps_gradient_of_a_loss_of_all_heads_is_autograds():
    def loss(outputs, batch):  # every head answers every image
        assert outputs.shape == (3, 7, 3, CLASSES)
        return outputs.square().sum((2, 3)).mean(1) + cross_entropy(own_head(outputs, batch), batch)

    net, batch = mlp(3), batch_of(3, 7, (12,), CLASSES, 3)
    given = net.gradient(batch, loss, every_head=True).dense()
    with torch.enable_grad():
        for seed in range(3):
            theta = net.theta.clone().requires_grad_()
            outputs = plain_mlp(net, theta, batch.images, seed)
            total = (outputs**2).sum() / 7 + F.cross_entropy(rows_of_heads(outputs, batch, seed), batch.labels[seed])
            expected = torch.autograd.grad(total, theta)[0][seed]
            assert torch.allclose(given[seed], expected, atol=1e-6)


def modules_of(net):
    modules = [PublishedResNet(2 * CLASSES) for _ in net.theta]
    for seed, module in enumerate(modules):
        module.copy(net.views(net.theta), seed)
    return modules


@torch.enable_grad()
def test_the_resnets_gradient_of_a_loss_and_its_statistics_are_an_ordinary_modules():
    net, batch = resnet(), batch_of(2, 6, (3, 32, 32), CLASSES, 2)
    modules = modules_of(net)
    given = net.views(net.gradient(batch, distilled).dense())
    for seed, module in enumerate(modules):
        own = rows_of_heads(module(batch.images[seed]), batch, seed)
        distilled_one(own, batch.labels[seed]).backward()
        for name, expected in module.gradients():
            error = (given[name][seed].reshape(expected.shape) - expected).norm()
            assert error < 1e-3 * expected.norm() + 1e-5, name
        mean = net.buffers["block3.second.norm.mean"].view(2, -1)[seed]
        assert torch.allclose(mean, module.blocks[3].norms[1].running_mean, atol=1e-6)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_cross_entropy_given_as_a_loss_has_the_gradient_of_the_default(network, dropout):
    build, batch_for = network
    net, twin = build(dropout), build(dropout)
    batch = batch_for(net)
    default, given = net.gradient(batch), twin.gradient(batch, cross_entropy)
    scale = default.dense().norm()
    assert (default.dense() - given.dense()).norm() < 1e-4 * scale
    assert net.buffers.keys() == twin.buffers.keys()
    assert all(torch.equal(value, twin.buffers[name]) for name, value in net.buffers.items())
    assert type(default) is type(given)
    assert torch.allclose(default.dot(given), default.dot(default), rtol=1e-3)


def test_without_a_loss_autograd_has_no_part_in_the_mlp(monkeypatch):
    """The default path stays what it was, in bits and in cost; a given loss takes another."""
    for module in (mlp_, resnet_, heads_):
        for name in ("loss_errors", "summed_loss"):
            monkeypatch.delattr(module, name, raising=False)
    monkeypatch.delattr(torch.autograd, "grad")
    net, batch = mlp(3), batch_of(3, 7, (12,), CLASSES, 3)
    net.gradient(batch)
    with pytest.raises(NameError):
        net.gradient(batch, cross_entropy)


def test_the_gradient_of_a_seed_depends_on_that_seed_alone(network):
    build, batch_for = network
    seeds = build().random.generators
    together = build()
    batch = batch_for(together)
    rows = together.gradient(batch, distilled).dense()
    for index in range(len(seeds)):
        alone = build(seeds=([0, 1, 2] if len(seeds) == 3 else [3, 8])[index : index + 1])
        parts = (values[index : index + 1] for values in (batch.images, batch.labels, batch.heads))
        own = alone.gradient(type(batch)(*parts), distilled).dense()[0]
        assert (own - rows[index]).norm() < 1e-4 * own.norm()


def test_the_loss_is_called_once_with_the_outputs_of_training(network):
    build, batch_for = network
    net, twin, seen = build(0.3), build(0.3), []
    batch = batch_for(net)

    def loss(outputs, given):
        seen.append(outputs.detach().clone())
        assert given is batch
        return cross_entropy(outputs, given)

    net.gradient(batch, loss)
    assert len(seen) == 1 and seen[0].shape == (*batch.labels.shape, CLASSES)
    assert torch.allclose(seen[0], twin.outputs(batch), atol=1e-5), "the same draws give the same outputs"


def test_outputs_draw_masks_and_change_nothing_else(network):
    build, batch_for = network
    net, batch = build(0.3), batch_for(build())
    before = net.snapshot()
    with torch.enable_grad():
        first = net.outputs(batch)
    assert not torch.equal(first, net.outputs(batch)), "each call draws masks of its own"
    assert not first.requires_grad and first.grad_fn is None
    assert all(torch.equal(value, before[name]) for name, value in net.snapshot().items())
    every = build().outputs(batch, every_head=True)
    assert torch.allclose(own_head(every, batch), build().outputs(batch), atol=1e-6)


def test_the_resnets_outputs_in_training_are_an_ordinary_modules():
    net, batch = resnet(), batch_of(2, 6, (3, 32, 32), CLASSES, 2)
    for seed, module in enumerate(modules_of(net)):
        expected = rows_of_heads(module.train()(batch.images[seed]), batch, seed)
        assert torch.allclose(net.outputs(batch)[seed], expected, atol=1e-5)


def test_a_snapshot_gives_the_outputs_of_its_moment_in_evaluation_mode(network):
    build, batch_for = network
    net = build(0.3)
    batch, other = batch_for(net), batch_for(net, 8, start=1)
    net.gradient(other)  # moves running statistics
    old = net.snapshot()
    expected = [
        torch.stack([net.logits(image[None], seed, int(head))[0] for image, head in zip(*rows)])
        for seed, rows in enumerate(zip(batch.images, batch.heads))
    ]
    net.theta.mul_(1.5)
    net.gradient(other)
    draws = net.random.state()
    given = net.outputs(batch, old)
    assert torch.allclose(given, torch.stack(expected), atol=1e-5)
    assert torch.equal(net.random.state(), draws), "nothing is drawn"
    assert (net.outputs(batch, net.snapshot()) - given).abs().max() > 1e-3, "the network has moved on"
    every = net.outputs(batch, old, every_head=True)
    assert torch.allclose(own_head(every, batch), given, atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (
            lambda outputs, batch: cross_entropy(outputs, batch).mean(),
            r"returns \[\]; return a tensor \[\d\], one number",
        ),
        (lambda outputs, batch: outputs.sum(2), r"returns \[\d, 6\]; return a tensor"),
        (lambda outputs, batch: 0.5, "returns float; return a tensor"),
        (lambda outputs, batch: cross_entropy(outputs.detach(), batch), "does not depend on the outputs"),
    ],
    ids=["one number", "one an example", "no tensor", "detached"],
)
def test_a_loss_that_is_none_is_refused_in_one_line(network, loss, message):
    build, batch_for = network
    net = build()
    with pytest.raises(ValueError, match=message) as told:
        net.gradient(batch_for(net), loss)
    assert "\n" not in str(told.value)
