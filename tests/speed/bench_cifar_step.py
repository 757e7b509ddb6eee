"""A training step of one seed on Split CIFAR-100, inside the third task, when a memory batch is full."""

from functools import cache

import pytest
import torch

from avalanche_side import strategy
from benchmark.resnet import ResNet18, _cut, _dropout_shapes
from floors import convolutions, network_passes
from ours import ours
from plain_loop import plain_loop

STREAM, TABLE, COUNT = "split-cifar100", "cifar step", 10
BATCHES = {"naive": [10], "ewc": [10], "agem": [10, 10], "er-reservoir": [20]}

pytestmark = pytest.mark.usefixtures("real_data")
products = cache(lambda method: convolutions(BATCHES[method]))


@pytest.mark.parametrize("row", BATCHES)
def bench_ours(timed, row):
    timed(TABLE, row, "ours", ours(row, STREAM, 1, COUNT).steps, COUNT)


@pytest.mark.parametrize("row", ["stable-sgd", "multitask"])
def bench_ours_of_the_rest(timed, row):
    """For the time of the whole table."""
    timed("cifar rest", row, "ours", ours(row, STREAM, 1, COUNT).steps, COUNT)


@pytest.mark.parametrize("row", BATCHES)
def bench_avalanche(timed, row):
    contender = strategy(row, STREAM, COUNT)
    timed(TABLE, row, "avalanche", contender.steps, COUNT, setup=contender.renew)


@pytest.mark.parametrize("row", BATCHES)
def bench_plain_loop(timed, row):
    timed(TABLE, row, "plain", plain_loop(row, STREAM, COUNT, torch.channels_last).steps, COUNT)


@pytest.mark.parametrize("row", ["naive"])
def bench_plain_loop_in_the_usual_layout(timed, row):
    """NCHW, PyTorch's default, beside the channels-last layout of the other rows."""
    timed(TABLE, row, "plain, NCHW", plain_loop(row, STREAM, COUNT).steps, COUNT)


@pytest.mark.parametrize("row", BATCHES)
def bench_network_passes(timed, row):
    passes = network_passes(plain_loop(row, STREAM, COUNT, torch.channels_last), BATCHES[row])
    timed(TABLE, row, "passes", lambda: [passes() for _ in range(COUNT)], COUNT)


@pytest.mark.parametrize("row", BATCHES)
def bench_floor(timed, row):
    one_step = products(row)
    timed(TABLE, row, "floor", lambda: [one_step() for _ in range(COUNT)], COUNT)


@pytest.mark.parametrize("row", ["naive"])
@pytest.mark.parametrize("side, seeds", [("kept", 1), ("changed", 2)])
def bench_seeds_one_by_one(timed, row, side, seeds):
    """Two seeds as one grouped convolution: whether a CPU core gains by it."""
    timed("layout", "ResNet: one seed a process", side, ours(row, STREAM, seeds, COUNT).steps, COUNT * seeds)


def masks_as_bools(net, draws, examples):
    """As the draws are compared; the factor is left out, a pass forward and one back."""
    kept = draws >= net.dropout
    return [mask.permute(1, 0, 4, 2, 3).flatten(1, 2) for mask in _cut(kept, _dropout_shapes(examples))]


@pytest.mark.parametrize("row", ["ResNet: dropout's masks are numbers"])
@pytest.mark.parametrize("side", ["kept", "changed"])
def bench_masks(timed, monkeypatch, row, side):
    if side == "changed":
        monkeypatch.setattr(ResNet18, "_masks", masks_as_bools)
    timed("layout", row, side, ours("stable-sgd", STREAM, 1, COUNT).steps, COUNT)
