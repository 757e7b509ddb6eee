"""Any nn.Module as a network: against a plain PyTorch loop, each seed alone, a stopped run; and its one-line errors."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmark.common.randomness import Randomness
from benchmark.networks.external import network_named
from benchmark.networks.module import ModuleNetwork
from benchmark.streams.build import build
from benchmark.training.engine import Cell
from benchmark.training.external import settings_of
from methods.batch import Batch
from methods.errors import InputError
from methods.registry import METHODS
from tests.networks.test_networks import batch_of
from tests.oracles.plain_module import PlainModuleRun
from tests.runs.test_resume import assert_goes_on_exactly
from tests.streams.test_external import SHAPES, written

EXAMPLES = Path(__file__).resolve().parents[2] / "docs/examples"
TOLERANCE = 2e-4
"""Largest difference of any parameter after some 60 steps in float32."""
QUICK = {"tasks": 3, "train_examples": 83, "memory_per_class": 2, "memory_batch": 7, "fisher_window": 3}
ROUGH = {"momentum": 0.5, "learning_rate": 0.03, "learning_rate_decay": 0.7, "epochs": 2}
MLP3 = {"network": str(EXAMPLES / "mlp3.py"), "network.width": 24, "network.dropout": 0.2}
CNN = {"network": str(EXAMPLES / "cnn.py"), "network.channels": 4}


def cell_of(method: str, stream: str, seeds: list[int], overrides: dict, data: Path | None = None) -> Cell:
    settings = settings_of(method, stream, overrides)
    arguments = tuple((name[7:], value) for name, value in settings if name.startswith("stream."))
    streams = [build(stream, seed, settings.tasks, settings.train_examples, data, arguments) for seed in seeds]
    return Cell(METHODS[method], streams, settings, "cpu", network=network_named(overrides["network"]))


def trained(cell: Cell) -> Cell:
    with torch.no_grad():
        cell.train(lambda *progress: None)
    return cell


def plain_of(cell: Cell, method: str, place: int, overrides: dict) -> PlainModuleRun:
    name = Path(overrides["network"]).stem
    arguments = {name[8:]: value for name, value in overrides.items() if name.startswith("network.")}
    namespace = {}
    exec((EXAMPLES / f"{name}.py").read_text(encoding="utf-8"), namespace)
    make = namespace["network"]
    return PlainModuleRun(method, cell.streams[place], cell.settings, lambda *given: make(*given, **arguments))


def assert_equals_a_plain_loop(method: str, stream: str, overrides: dict, data: Path | None = None) -> None:
    """The second of two seeds: parameters, statistics and accuracies."""
    cell = trained(cell_of(method, stream, [4, 5], overrides, data))
    plain = plain_of(cell, method, 1, overrides)
    matrix = plain.train()
    assert (cell.net.theta[1] - plain.theta()).abs().max() < TOLERANCE
    for name, value in plain.net.named_buffers():
        assert torch.allclose(cell.net.buffers[f"1.{name}"], value, atol=1e-4)
    for ours, theirs in zip(cell.outcomes[1].accuracy_matrix, matrix, strict=True):
        assert all(one is None or abs(one - two) < 0.03 for one, two in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("method", ["naive", "ewc", "agem", "er-reservoir", "multitask"])
@pytest.mark.parametrize("network", [MLP3, CNN], ids=["mlp3", "cnn"])
def test_flat_images_equal_a_plain_loop(method, network):
    assert_equals_a_plain_loop(method, "permuted-digits", QUICK | ROUGH | network)


def test_a_head_a_task_equals_a_plain_loop():
    assert_equals_a_plain_loop("agem", "split-digits", QUICK | MLP3)


@pytest.mark.parametrize("network", [MLP3, CNN], ids=["mlp3", "cnn"])
@pytest.mark.parametrize("method", ["naive", "er-reservoir"])
def test_images_of_any_shape_equal_a_plain_loop(method, network, tmp_path):
    small = {"stream.channels": 3, "stream.side": 16, "stream.labels": "[0, 1]", "tasks": 2, "batch_size": 5}
    path = written(tmp_path, SHAPES)
    assert build(path, 0, 2, 0, None, (("channels", 3), ("side", 16), ("labels", "[0, 1]"))).shape == (3, 16, 16)
    assert_equals_a_plain_loop(method, path, small | network)


@pytest.mark.parametrize("method", ["naive", "agem"])
def test_split_cifar100_equals_a_plain_loop(method, real_data, monkeypatch):
    monkeypatch.setattr(Cell, "_evaluate", lambda cell, rows: None)  # the test images would take long
    overrides = {"tasks": 2, "train_examples": 43, "learning_rate": 0.03} | CNN
    cell = trained(cell_of(method, "split-cifar100", [5], overrides, real_data))
    plain = plain_of(cell, method, 0, overrides)
    monkeypatch.setattr(plain, "evaluate", list)
    plain.train()
    assert (cell.net.theta[0] - plain.theta()).abs().max() < TOLERANCE


@pytest.mark.parametrize("method", ["naive", "ewc", "agem", "er-reservoir"])
def test_two_seeds_together_equal_each_alone(method):
    overrides = QUICK | ROUGH | MLP3
    together = trained(cell_of(method, "permuted-digits", [0, 1], overrides))
    for place in (0, 1):
        alone = trained(cell_of(method, "permuted-digits", [place], overrides))
        assert (alone.net.theta[0] - together.net.theta[place]).abs().max() < TOLERANCE
    assert not torch.allclose(together.net.theta[0], together.net.theta[1], atol=0.01)


@pytest.mark.parametrize("network", [MLP3, CNN], ids=["mlp3", "cnn"])
@pytest.mark.parametrize("method", ["agem", "ewc"])
def test_a_stopped_run_goes_on_exactly(method, network, tmp_path):
    overrides = QUICK | ROUGH | network
    assert_goes_on_exactly(lambda: cell_of(method, "permuted-digits", [0, 1, 2], overrides), tmp_path)


def network_of(make, heads=1, classes=4, seeds=(0, 1, 2)) -> ModuleNetwork:
    return ModuleNetwork(make, heads, classes, Randomness(list(seeds), torch.device("cpu")), "net.py")


def of_vectors(outputs=4, *more: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(12, 9), *more, nn.ReLU(), nn.Linear(9, outputs))


@pytest.mark.parametrize("heads", [1, 3])
def test_gradient_outputs_and_a_loss_of_ones_own(heads):
    batch = batch_of(3, 7, (12,), 4, heads)
    net = network_of(lambda: of_vectors(4 * heads), heads)
    outputs = net.outputs(batch)
    assert outputs.shape == (3, 7, 4) and not outputs.requires_grad
    for seed in range(3):
        logits = torch.stack([net.logits(image[None], seed, head)[0] for image, head in zip(*_row(batch, seed))])
        assert torch.allclose(outputs[seed], logits, atol=1e-6)
    plain, own = net.gradient(batch), net.gradient(batch, lambda outputs, batch: 2 * _mean(outputs, batch))
    assert torch.allclose(own.dense(), 2 * plain.dense(), atol=1e-6)
    theta = [view.clone().requires_grad_() for view in net.views(net.theta)]
    for seed in range(3):
        weight, bias, weight2, bias2 = (view[seed] for view in theta)
        all_outputs = (batch.images[seed] @ weight.t() + bias).relu() @ weight2.t() + bias2
        chosen = torch.stack([row[4 * head : 4 * head + 4] for row, head in zip(all_outputs, batch.heads[seed])])
        pieces = torch.autograd.grad(F.cross_entropy(chosen, batch.labels[seed]), theta)
        expected = torch.cat([piece[seed].flatten() for piece in pieces])
        assert torch.allclose(plain.dense()[seed], expected, atol=1e-6)


def _row(batch: Batch, seed: int):
    return batch.images[seed], batch.heads[seed].tolist()


def _mean(outputs, batch):
    return F.cross_entropy(outputs.flatten(0, 1), batch.labels.flatten(), reduction="none").view(3, -1).mean(1)


def test_steps_along_the_gradient_move_the_modules():
    net, batch = network_of(of_vectors), batch_of(3, 7, (12,), 4, 1)
    before = net.outputs(batch)
    net.gradient(batch).add_to(net.theta, -0.5)
    assert not torch.allclose(net.outputs(batch), before, atol=1e-3)
    net.theta.zero_()
    assert torch.equal(net.outputs(batch), torch.zeros(3, 7, 4))


def test_batch_norm_has_the_statistics_of_each_seed():
    net, batch = network_of(lambda: of_vectors(4, nn.BatchNorm1d(9))), batch_of(3, 7, (12,), 4, 1)
    net.gradient(batch)
    assert [int(net.buffers[f"{seed}.1.num_batches_tracked"]) for seed in range(3)] == [1, 1, 1]
    assert not torch.equal(net.buffers["0.1.running_mean"], net.buffers["1.1.running_mean"])
    images = batch.images[0]
    assert torch.allclose(net.logits(images, 0, 0)[:1], net.logits(images[:1], 0, 0), atol=1e-6)
    assert int(net.buffers["0.1.num_batches_tracked"]) == 1  # evaluation counts no batch


def test_outputs_leave_the_statistics_and_a_snapshot_is_the_network_as_it_was():
    net, batch = network_of(lambda: of_vectors(8, nn.BatchNorm1d(9), nn.Dropout(0.5)), 2), batch_of(3, 7, (12,), 4, 2)
    net.gradient(batch)
    before = {name: value.clone() for name, value in net.buffers.items()}
    assert not torch.equal(net.outputs(batch), net.outputs(batch))  # new dropout
    assert all(torch.equal(value, before[name]) for name, value in net.buffers.items())
    kept, images = net.snapshot(), batch.images[1]
    expected = torch.stack([net.logits(images, 1, head) for head in (0, 1)], 1)
    net.gradient(batch).add_to(net.theta, -0.5)
    drawn = net.random.state()
    assert torch.equal(net.outputs(batch, kept, every_head=True)[1], expected)
    own = net.outputs(batch, kept)[1]
    assert torch.equal(own, expected[torch.arange(7), batch.heads[1]])
    assert torch.equal(net.random.state(), drawn) and not torch.equal(net.logits(images, 1, 0), expected[:, 0])


def test_a_loss_of_all_heads_and_one_that_is_none():
    net, batch = network_of(lambda: of_vectors(8), 2), batch_of(3, 7, (12,), 4, 2)
    shapes = []

    def loss(outputs, batch):
        shapes.append(list(outputs.shape))
        return outputs.square().mean((1, 2, 3))

    assert net.gradient(batch, loss, every_head=True).dense().any() and shapes == [[3, 7, 2, 4]]
    with pytest.raises(ValueError, match="one number a seed"):
        net.gradient(batch, lambda outputs, batch: outputs.mean())
    with pytest.raises(ValueError, match="does not depend on the outputs"):
        net.gradient(batch, lambda outputs, batch: outputs.detach().mean((1, 2)))


def test_dropout_draws_for_each_seed_what_it_would_draw_alone():
    batch = batch_of(3, 7, (12,), 4, 1)
    together = network_of(lambda: of_vectors(4, nn.Dropout(0.5))).outputs(batch)
    alone = network_of(lambda: of_vectors(4, nn.Dropout(0.5)), seeds=(1,))
    own = Batch(batch.images[1:2], batch.labels[1:2], batch.heads[1:2])
    assert torch.equal(alone.outputs(own)[0], together[1])
    assert not torch.equal(alone.outputs(own)[0], together[1])  # other draws at the next step


def test_the_global_generators_are_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    net = network_of(lambda: of_vectors(4, nn.Dropout(0.5)))
    net.gradient(batch_of(3, 7, (12,), 4, 1))
    net.logits(torch.rand(2, 12, generator=torch.Generator()), 0, 0)
    assert torch.equal(torch.rand(2), expected)


class Frozen(nn.Module):
    """A frozen layer, a shared one, and buffers that share memory."""

    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(12, 9).requires_grad_(False), nn.Linear(9, 4)
        self.again = self.head
        self.register_buffer("wide", torch.ones(1).expand(9))
        self.register_buffer("same", self.wide)

    def forward(self, x):
        return self.again(self.first(x) * self.wide)


def test_frozen_shared_and_expanded_tensors_are_kept_once():
    net = network_of(Frozen)
    assert net.theta.shape == (3, 9 * 4 + 4) and net.gradient(batch_of(3, 7, (12,), 4, 1)).dense().any()
    assert {name for name in net.buffers if name[0] == "0"} == {"0.wide", "0.first.weight", "0.first.bias"}
    assert net.buffers["0.wide"].is_contiguous() and net.modules[0].same is net.modules[0].wide


SHARED = nn.Linear(12, 4)


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda: 3, "returns a int; return a torch.nn.Module"),
        (nn.Flatten, "no parameter to train"),
        (lambda: nn.Linear(12, 4).double(), "'weight' is torch.float64"),
        (lambda: nn.Linear(12, 4, dtype=torch.complex64), "'weight' is torch.complex64"),
        (lambda: nn.Linear(12, 4).half(), "'weight' is torch.float16"),
        (lambda: nn.LazyLinear(4), "'weight' has no shape yet"),
        (lambda: SHARED, "share parameters"),
        (lambda: nn.Linear(12, int(torch.randint(1, 99, ()))), "different parameters"),
        (lambda: nn.Linear(12, 5), "returns torch.float32 [7, 5] for examples [7, 12]; return torch.float32 [7, 4]"),
        (lambda: nn.Sequential(nn.Linear(12, 4), nn.Flatten(0)), "[28]"),
        (lambda: nn.LSTM(12, 4), "returns a tuple"),
        (lambda: nn.Linear(13, 4), "net.py: RuntimeError: mat1 and mat2"),
        (lambda: 1 / 0, "net.py: ZeroDivisionError"),
    ],
)
def test_a_module_that_does_not_fit_is_told_in_one_line(make, said):
    with pytest.raises(InputError) as told:
        network_of(make).gradient(batch_of(3, 7, (12,), 4, 1))
    assert said in str(told.value) and str(told.value).startswith("--network: ") and "\n" not in str(told.value)


def test_outputs_that_forget_the_parameters_are_told():
    class Detached(nn.Linear):
        def forward(self, x):
            return super().forward(x).detach()

    with pytest.raises(InputError, match="do not depend on a parameter"):
        network_of(lambda: Detached(12, 4)).gradient(batch_of(3, 7, (12,), 4, 1))


def test_lack_of_memory_keeps_its_error():
    class Hungry(nn.Linear):
        def forward(self, x):
            raise MemoryError

    with pytest.raises(MemoryError):
        network_of(lambda: Hungry(12, 4)).gradient(batch_of(3, 7, (12,), 4, 1))
