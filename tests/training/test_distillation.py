"""The examples of docs/losses.md, LwF and DER++: they keep the contract and equal a plain loop over one seed."""

from copy import deepcopy
from pathlib import Path
from textwrap import indent

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from torch.func import functional_call

from benchmark.streams.build import build
from benchmark.training.conformance import CLAUSES, findings
from benchmark.training.engine import Cell
from benchmark.training.external import method_named
from methods.batch import Batch
from methods.losses import cross_entropy
from methods.settings import settings_for
from tests.oracles.plain import PlainRun, in_a_row
from tests.oracles.plain_resnet import OnResNet
from tests.training.test_device import cifar, train_two_phases  # noqa: F401  (cifar is a fixture)

ROOT = Path(__file__).resolve().parents[2]
FILES = {name: ROOT / "docs" / "examples" / f"{name}.py" for name in ("lwf", "derpp")}
TOLERANCE = 2e-4
"""Largest difference of any parameter after some 60 steps in float32: sums are taken in another order."""

every_example = pytest.mark.parametrize("name", FILES)


class PlainLwF(PlainRun):
    """One seed of LwF: one old task after the other, probabilities written out."""

    old = None

    def direction(self, batch, steps_left):
        outputs = self.outputs(batch)
        labels = torch.tensor([example[1] for example in batch])
        total = F.cross_entropy(self.own_head(outputs, batch), labels)
        if self.old is not None:
            self.net.eval()
            before = functional_call(self.net, self.old, torch.stack([e[0] for e in batch]).flatten(1)).detach()
            self.net.train()
            heads = range(batch[0][2]) if self.stream.heads > 1 else [0]
            for head in heads:
                part = slice(head * self.stream.classes, (head + 1) * self.stream.classes)
                weights, now = (x[:, part].div(self.settings.lwf_temperature).exp() for x in (before, outputs))
                target, answer = (x / x.sum(1, keepdim=True) for x in (weights, now))
                total = total - self.settings.lwf_lambda * (target * answer.log()).sum() / len(batch)
        return self.gradient(total)

    def evaluate(self):
        """A task has ended."""
        self.old = deepcopy(self.net.state_dict())
        return super().evaluate()


class PlainDERpp(PlainRun):
    """One seed of DER++: a list of (image, label, task, outputs then) is its memory."""

    def direction(self, batch, steps_left):
        matched, replayed = (self.sample(), self.sample()) if self.memory else ([], [])
        joined = batch + matched + replayed
        own = self.own_head(self.outputs(joined), joined)
        new, again, labelled = own.split([len(batch), len(matched), len(replayed)])
        total = F.cross_entropy(new, torch.tensor([example[1] for example in batch]))
        if matched:
            kept, labels = torch.stack([e[3] for e in matched]), torch.tensor([e[1] for e in replayed])
            total = total + self.settings.derpp_alpha * F.mse_loss(again, kept)
            total = total + self.settings.derpp_beta * F.cross_entropy(labelled, labels)
        self.reservoir([(*example, then) for example, then in zip(batch, new.detach())])
        return self.gradient(total)


PLAIN = {"lwf": PlainLwF, "derpp": PlainDERpp}
STRONG = {"lwf": {"lwf_lambda": 3.0}, "derpp": {"derpp_alpha": 0.5, "derpp_beta": 2.0}}
ON_RESNET = {"tasks": 2, "train_examples": 20, "learning_rate": 1e-4, "lwf_lambda": 30.0}
SHARE = 0.04
"""Largest error on the ResNet, as a share of the way that the parameters went: roundings grow fast there."""
WEAK = {"lwf": {"lwf_lambda": 0.0}, "derpp": {"derpp_alpha": 0.0, "derpp_beta": 0.0}}


def cell_of(name, stream, changes, seeds=(0, 1), device="cpu"):
    method = method_named(str(FILES[name]))
    changes = {key: value for key, value in changes.items() if key in method.Settings.model_fields}
    settings = settings_for(name, stream, {"tasks": 3, "hidden": 32} | changes, method.Settings)
    return Cell(method, [build(stream, n, settings.tasks, settings.train_examples) for n in seeds], settings, device)


@torch.no_grad()
def trained(cell, keep=lambda cell: None):
    cell.train(lambda *progress: None, keep)
    return cell


def plain_of(name, cell, seed, *mixins):
    plain = type("Plain", (*mixins, PLAIN[name]), {})(name, cell.streams[seed], cell.settings)
    plain.train()
    return plain


@every_example
@pytest.mark.parametrize(
    ("stream", "changes"),
    [
        ("permuted-digits", {"memory_per_class": 2}),
        ("split-digits", {"momentum": 0.5, "epochs": 2, "memory_batch": 7}),
        ("split-digits", {"dropout": 0.3}),
    ],
)
def test_it_equals_a_plain_loop_on_the_mlp(name, stream, changes):
    cell = trained(cell_of(name, stream, {"train_examples": 200} | STRONG[name] | changes))
    for seed in range(2):
        plain = plain_of(name, cell, seed)
        assert (cell.net.theta[seed] - in_a_row(plain.theta())).abs().max() < TOLERANCE


@every_example
def test_it_equals_a_plain_loop_on_the_resnet(cifar, name):  # noqa: F811
    cell = cell_of(name, "split-cifar100", STRONG[name] | ON_RESNET)
    began = cell.net.theta.clone()
    trained(cell)
    for seed in range(2):
        plain = plain_of(name, cell, seed, OnResNet)
        twin = deepcopy(plain.net)
        twin.copy(cell.net.views(cell.net.theta), seed)
        moved = (cell.net.theta[seed] - began[seed]).norm()
        error = sum((a - b).square().sum() for a, b in zip(twin.parameters(), plain.net.parameters())).sqrt()
        assert error < SHARE * moved
        variance = cell.net.buffers["block3.second.norm.variance"].view(2, -1)[seed]
        assert torch.allclose(variance, plain.net.blocks[3].norms[1].running_var, rtol=1e-2)


@every_example
@pytest.mark.parametrize("stream", ["permuted-digits", "split-digits", "split-cifar100"])
def test_its_terms_take_part(cifar, name, stream):  # noqa: F811
    """The comparisons above would fail for strengths of 0."""
    changes = STRONG[name] | (ON_RESNET if stream == "split-cifar100" else {"train_examples": 200})
    began = cell_of(name, stream, changes, [0]).net.theta
    there, without = (trained(cell_of(name, stream, each, [0])).net.theta for each in (changes, changes | WEAK[name]))
    if stream == "split-cifar100":
        assert (there - without).norm() > 5 * SHARE * (there - began).norm()
    else:
        assert (there - without).abs().max() > 10 * TOLERANCE


@every_example
def test_it_keeps_the_contract(name):
    assert [finding.why for finding in findings(method_named(str(FILES[name])))] == [None] * len(CLAUSES)


@every_example
def test_it_resumes_exactly_on_the_resnet(cifar, name):  # noqa: F811
    """What the contract shows on the MLP, with batch norm and dropout."""
    changes, kept = ON_RESNET | {"dropout": 0.1}, []

    def keep(cell):
        kept.append((cell.phase, deepcopy(cell.outcomes), safetensors.torch.save(cell.state())))

    whole = trained(cell_of(name, "split-cifar100", changes, [0]), keep)
    phase, outcomes, content = kept[0]
    later = cell_of(name, "split-cifar100", changes, [0])
    later.restore(phase, outcomes, safetensors.torch.load(content))
    assert torch.equal(trained(later).net.theta, whole.net.theta)


@every_example
@pytest.mark.parametrize("stream", ["permuted-digits", "split-digits", "split-cifar100"])
def test_it_runs_on_a_device_without_a_look_at_a_number(cifar, name, stream):  # noqa: F811
    there = cell_of(name, stream, {"train_examples": 45, "dropout": 0.2}, device="meta")
    train_two_phases(there)
    assert there.net.theta.is_meta


def test_the_page_shows_the_code_as_it_is():
    """The method of the page stands in the file, whatever its indentation."""
    page = (ROOT / "docs" / "losses.md").read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in page.split("```python\n")[1:]]
    shown = [block for block in blocks if "self" in block]
    source = FILES["lwf"].read_text(encoding="utf-8")
    assert len(shown) == 1 and all(indent(block, "    ") in source for block in shown)
    smooth, names = next(block for block in blocks if "smooth" in block), {"cross_entropy": cross_entropy}
    exec(smooth, names)
    outputs, labels = torch.randn(2, 5, 4), torch.randint(0, 4, (2, 5))
    expected = F.cross_entropy(outputs.transpose(1, 2), labels, reduction="none", label_smoothing=0.1).mean(1)
    assert torch.allclose(names["smooth"](outputs, Batch(None, labels, labels)), expected, atol=1e-6)
