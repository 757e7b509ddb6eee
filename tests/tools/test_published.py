"""The restatements of the published networks and update rules."""

import copy
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from benchmark.common.files import inserted
from benchmark.training.optimizers import Step
from methods.batch import Batch
from tests.oracles import published_mnist
from tests.oracles.published_cifar import PublishedResNet, published_tasks
from tests.oracles.published_column import Published
from tests.support.process import ROOT
from tests.tools import published


def test_the_resnets_size_and_the_outputs_that_learn():
    net = PublishedResNet(0.0)
    convolutions = 9 * (3 * 20 + 2 * 20 * 20 + 20 * 40 + 40 * 40 + 40 * 80 + 80 * 80 + 80 * 160 + 160 * 160)
    shortcuts = 20 * 40 + 40 * 80 + 80 * 160
    norms = 2 * (20 + 2 * 2 * (20 + 40 + 80 + 160))
    linear = 160 * 100 + 100
    assert sum(p.numel() for p in net.parameters()) == convolutions + shortcuts + norms + linear

    F.cross_entropy(net(torch.rand(10, 3, 32, 32), 3), torch.arange(10) % 5).backward()
    learning = net.linear.weight.grad.abs().sum(1) > 0
    assert learning.nonzero()[:, 0].tolist() == [15, 16, 17, 18, 19]


def test_the_second_convolutions_are_applied_where_they_are_asked_for():
    torch.manual_seed(0)
    net, images = PublishedResNet(0.0, whole=True), torch.rand(2, 3, 32, 32)
    F.cross_entropy(net(images, 0), torch.tensor([0, 1])).backward()
    assert all(block.second.weight.grad.abs().sum() > 0 for block in net.blocks)


def test_the_published_tasks_are_the_classes_in_their_own_order():
    labels = torch.arange(100).repeat(2)
    tasks = published_tasks(labels, labels)
    assert [images.tolist() for images, _ in tasks[:2]] == [[0, 1, 2, 3, 4] * 2, [5, 6, 7, 8, 9] * 2]
    assert len(tasks) == 20 and all(own.tolist() == [0, 1, 2, 3, 4] * 2 for _, own in tasks)


def test_in_evaluation_the_resnet_drops_nothing():
    net = PublishedResNet(0.5).eval()
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(net(images, 0), net(images, 0))
    net.train()
    assert not torch.equal(net(images, 0), net(images, 0))


def test_the_suites_methods_step_the_published_network_as_sgd_does():
    torch.manual_seed(0)
    net = Published(0.0)
    twin = copy.deepcopy(net.module)
    images, labels = torch.rand(1, 6, 3, 32, 32), torch.tensor([[0, 1, 2, 3, 4, 0]])
    heads = torch.tensor([[0, 0, 7, 7, 19, 3]])
    direction = net.gradient(Batch(images, labels, heads))
    with torch.no_grad():
        Step(net.theta, 0.1, 0.0, None)(direction)

    outputs = twin.outputs(images[0].contiguous(memory_format=torch.channels_last))
    own = torch.stack([row[5 * head : 5 * head + 5] for row, head in zip(outputs, heads[0], strict=True)])
    F.cross_entropy(own, labels[0]).backward()
    torch.optim.SGD(twin.parameters(), 0.1).step()
    for mine, plain in zip(net.module.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(mine, plain, atol=1e-6)


@pytest.fixture
def batch():
    torch.manual_seed(0)
    return torch.rand(32, 784), torch.arange(32) % 10


def run_of(method: str) -> published_mnist.PublishedMethod:
    torch.manual_seed(1)
    return published_mnist.METHODS[method](np.random.RandomState(1))


def test_the_mlp_drops_a_quarter_of_its_hidden_units_unless_told_not_to(batch):
    net = run_of("ewc").net
    assert not torch.equal(net.outputs(batch[0]), net.outputs(batch[0]))
    assert torch.equal(net.outputs(batch[0], drop=False), net.outputs(batch[0], drop=False))
    assert sum(p.numel() for p in net.parameters) == 269_322


@torch.no_grad()
def test_agem_steps_across_the_memorys_gradient_where_they_conflict(batch):
    run = run_of("agem")
    run.after_task(batch)
    run.task = 1
    assert run.labels[:10].tolist() == list(range(10)) and torch.equal(run.images[9], batch[0][29])

    steps = [torch.ones(2), torch.zeros(1)]
    reference = [-torch.ones(2), torch.ones(1)]
    run.net.gradient = lambda examples: reference if len(examples[1]) == 10 else steps
    moved = run.direction(batch, 0)
    assert sum((a * b).sum() for a, b in zip(moved, reference)) == pytest.approx(0, abs=1e-6)
    reference[0] = torch.ones(2)  # no conflict
    assert run.direction(batch, 0) is steps


@torch.no_grad()
def test_ewcs_penalty_is_that_of_its_rescaled_fisher(batch):
    run = run_of("ewc")
    for step in range(11):
        run.direction(batch, step)
    run.after_task(batch)
    assert min(f.min() for f in run.fisher) == 0 and max(f.max() for f in run.fisher) == 1
    gradient = [torch.randn_like(p) for p in run.net.parameters]
    run.net.gradient = lambda examples: gradient
    anchors = [p.clone() for p in run.net.parameters]
    for p in run.net.parameters:
        p.add_(0.5)
    with torch.enable_grad():
        penalty = sum((f * (p - a) ** 2).sum() for f, p, a in zip(run.fisher, run.net.parameters, anchors))
        wanted = torch.autograd.grad(10 * penalty, run.net.parameters)
    for moved, plain, own in zip(run.direction(batch, 0), gradient, wanted):
        assert torch.allclose(moved, plain + own, atol=1e-5)


@torch.no_grad()
def test_er_joins_a_memory_batch_and_fills_its_reservoir(batch, monkeypatch):
    run = run_of("er-reservoir")
    sizes = []
    monkeypatch.setattr(run.net, "gradient", lambda examples: sizes.append(len(examples[1])))
    for step in range(10):
        run.direction(batch, step)
    assert sizes == [32, 64, 96, 96, 96, 96, 96, 96, 96, 96] and run.seen == 320
    assert run.labels.bincount(minlength=10).min() > 0


def test_rotations_grow_by_180_degrees_over_23_tasks_less_a_jitter(monkeypatch):
    angles = []
    monkeypatch.setattr(published_mnist, "rotate", lambda images, angle: (angles.append(angle), images)[1])
    for mapped in published_mnist.maps("rotated-mnist", np.random.RandomState(0)):
        mapped(torch.zeros(1, 784))
    step = 180 / 23
    assert all((task - 2) * step <= angle <= (task - 1) * step for task, angle in enumerate(angles))


def test_a_run_with_other_settings_than_the_methods_own_is_not_shown_and_is_missing():
    done = json.loads((ROOT / "results/published.json").read_text())
    (name,) = (name for name in done if name.startswith("naive on the published"))
    assert "Naive SGD" in published.column_text(done) and name not in dict(published.missing(done, None))
    done[name]["settings"]["learning_rate"] *= 2
    assert "Naive SGD" not in published.column_text(done) and name in dict(published.missing(done, None))


def test_the_documents_tables_are_those_of_the_runs_kept():
    done = json.loads((ROOT / "results/published.json").read_text())
    for mark, text in (
        ("published", published.cifar_text(done)),
        ("published-mnist", published.mnist_text(done)),
        ("published-column", published.column_text(done)),
    ):
        assert inserted(ROOT / "docs/reproduction.md", mark).strip() == text
