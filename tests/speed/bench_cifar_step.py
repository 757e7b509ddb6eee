"""A training step of one seed on Split CIFAR-100, inside the third task, when a memory batch is full."""

from functools import cache

import pytest
import torch

from benchmark.networks import resnet
from methods.settings import settings_for
from tests.speed.avalanche_side import strategy
from tests.speed.floors import convolutions, network_passes
from tests.speed.ours import ours
from tests.speed.plain_loop import plain_loop

STREAM, TABLE, COUNT = "split-cifar100", "cifar step", 10
BATCHES = {"naive": [10], "ewc": [10], "agem": [10, 10], "er-reservoir": [20]}

pytestmark = pytest.mark.usefixtures("real_data")
products = cache(lambda method: convolutions(BATCHES[method]))


@pytest.mark.parametrize("row", BATCHES)
def bench_ours(timed, row):
    timed(TABLE, row, "ours", ours(row, STREAM, 1, COUNT).steps, COUNT)


@pytest.mark.parametrize("row", ["er-reservoir", "stable-sgd", "multitask"])
def bench_ours_of_the_rest(timed, row):
    """For the time of the whole table, where ER's memory batch is larger than the one compared above."""
    memory_batch = settings_for(row, STREAM).memory_batch
    timed("cifar rest", row, "ours", ours(row, STREAM, 1, COUNT, memory_batch=memory_batch).steps, COUNT)


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


@pytest.mark.parametrize("row", ["ResNet: dropout's masks are numbers"])
@pytest.mark.parametrize("side", ["kept", "changed"])
def bench_masks(timed, monkeypatch, row, side):
    """As bools they are the comparison alone: the factor, a pass forward and one back, is left out."""
    if side == "changed":
        monkeypatch.setattr(resnet, "mask", torch.ge)
    timed("layout", row, side, ours("stable-sgd", STREAM, 1, COUNT).steps, COUNT)
