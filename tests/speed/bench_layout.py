"""What each part of the layout gives: a step as it is ('kept'), and with that part undone ('changed')."""

from functools import cache

import pytest
import torch

from benchmark.common import randomness
from benchmark.networks import mlp
from benchmark.networks.gradients import Dense
from benchmark.networks.mlp import MLP
from benchmark.training import engine, phases
from methods.ewc import EWC
from methods.naive import NaiveSGD
from tests.speed.ours import Ours, ours

STREAM, TABLE, SEEDS, COUNT = "permuted-mnist", "layout", 5, 200

pytestmark = pytest.mark.usefixtures("real_data")


def update_in_two(patch):
    """The gradient is written out and then added to the parameters."""
    patch.setattr(NaiveSGD, "direction", lambda self, net, batch: net.gradient(batch).dense())


def gradients_written_out(patch):
    """A-GEM's inner products and projection on two [S, P] tensors, each written once."""
    factored = MLP.gradient
    patch.setattr(MLP, "gradient", lambda self, batch: Dense(factored(self, batch).dense()))


def penalty_by_passes(patch):
    """The penalty's step as an expression, its constants worked out before; the gradient's stays fused."""
    method = ours("ewc", STREAM, SEEDS, COUNT).cell.method
    penalty = method.penalty()
    slope = 2 * method.settings.learning_rate * penalty.strength

    def direction(self, net, batch):
        gradient = net.gradient(batch)
        net.theta.sub_((net.theta - penalty.anchor).mul_(slope))
        return gradient

    patch.setattr(EWC, "direction", direction)
    patch.setattr(EWC, "penalty", lambda self: None)


def draws_step_by_step(patch):
    """Every step draws its own numbers."""
    patch.setattr(randomness, "BLOCK_NUMBERS", 1)


def masks_as_bools(patch):
    """The comparison alone: the factor, a pass forward, is left out."""
    patch.setattr(mlp, "mask", torch.ge)


def images_step_by_step(patch):
    """Every step makes its own images numbers."""
    patch.setattr(phases, "CHUNK_BYTES", 1)


def denormals_kept(patch):
    """Steps are taken as they are, without the mode of the processor."""
    patch.setattr(engine.Cell, "_train_phase", engine.Cell._train_phase.__wrapped__)


@cache
def rows_anywhere(method):
    """A cell whose networks' weights follow each other without a gap."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlp, "CACHE_LINE", 1)
        return Ours(method, STREAM, SEEDS, COUNT)


CHANGES = {
    "update fused into the product": ("naive", update_in_two),
    "A-GEM on factors": ("agem", gradients_written_out),
    "EWC's penalty in one pass": ("ewc", penalty_by_passes),
    "random numbers ahead, ER": ("er-reservoir", draws_step_by_step),
    "random numbers ahead, dropout": ("stable-sgd", draws_step_by_step),
    "dropout's masks are numbers": ("stable-sgd", masks_as_bools),
    "images in chunks": ("naive", images_step_by_step),
}


@pytest.mark.parametrize("row", CHANGES)
@pytest.mark.parametrize("side", ["kept", "changed"])
def bench_change(timed, monkeypatch, row, side):
    method, undo = CHANGES[row]
    cell = ours(method, STREAM, SEEDS, COUNT)
    if side == "changed":
        undo(monkeypatch)
    with torch.no_grad():
        timed(TABLE, row, side, cell.steps, COUNT * SEEDS)


@pytest.mark.parametrize("row", ["five seeds stacked, not one"])
@pytest.mark.parametrize("side, seeds", [("kept", 5), ("changed", 1)])
def bench_seeds(timed, row, side, seeds):
    timed(TABLE, row, side, ours("naive", STREAM, seeds, COUNT).steps, COUNT * seeds)


@pytest.mark.parametrize("row", ["rows of weights on cache lines, ER"])
@pytest.mark.parametrize("side", ["kept", "changed"])
def bench_cache_lines(timed, row, side):
    cell = ours("er-reservoir", STREAM, SEEDS, COUNT) if side == "kept" else rows_anywhere("er-reservoir")
    timed(TABLE, row, side, cell.steps, COUNT * SEEDS)


@pytest.mark.parametrize("row", ["denormals as 0, momentum"])
@pytest.mark.parametrize("side", ["kept", "changed"])
def bench_denormals(timed, monkeypatch, row, side):
    """Over steps enough for a momentum to fade."""
    if side == "changed":
        denormals_kept(monkeypatch)
    timed(TABLE, row, side, ours("naive", STREAM, SEEDS, 1000).steps, 1000 * SEEDS)
