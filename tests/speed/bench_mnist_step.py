"""A training step of one seed on Permuted MNIST at the paper's scale, inside the second task."""

from functools import cache

import pytest
import torch

from methods.catalogue import METHOD_ROWS
from tests.speed.avalanche_side import strategy
from tests.speed.floors import mlp_products
from tests.speed.ours import ours
from tests.speed.plain_loop import plain_loop

STREAM, TABLE, SEEDS = "permuted-mnist", "mnist step", 5
PRODUCTS = {"agem": [10, 10], "er-reservoir": [20]}
"""Batches whose gradients a step needs: A-GEM a second one, ER one over the joined batch."""

pytestmark = pytest.mark.usefixtures("real_data")
products = cache(lambda method: mlp_products(SEEDS, PRODUCTS.get(method, [10])))


@pytest.mark.parametrize("row", METHOD_ROWS)
def bench_ours(timed, row):
    timed(TABLE, row, "ours", ours(row, STREAM, SEEDS, 1000).steps, 1000 * SEEDS)


@pytest.mark.parametrize("row", ["ewc"])
def bench_naive_beside_it(timed, row):
    """For the ratio of the two: only neighbours are timed in the same spell."""
    timed(TABLE, row, "naive", ours("naive", STREAM, SEEDS, 1000).steps, 1000 * SEEDS)


@pytest.mark.parametrize("row", METHOD_ROWS)
def bench_avalanche(timed, row):
    contender = strategy(row, STREAM, 200)
    timed(TABLE, row, "avalanche", contender.steps, 200, setup=contender.renew)


@pytest.mark.parametrize("row", METHOD_ROWS)
def bench_plain_loop(timed, row):
    timed(TABLE, row, "plain", plain_loop(row, STREAM, 200).steps, 200)


@pytest.mark.parametrize("row", METHOD_ROWS)
def bench_floor(timed, row):
    one_step = products(row)

    @torch.no_grad()
    def work():
        for _ in range(200):
            one_step()

    timed(TABLE, row, "floor", work, 200 * SEEDS)


@pytest.mark.parametrize("row", ["naive"])
@pytest.mark.parametrize("side", ["avalanche, default metrics", "avalanche, classic stream and default metrics"])
def bench_avalanche_as_people_run_it(timed, row, side):
    contender = strategy(row, STREAM, 200, metrics=True, classic="classic" in side)
    timed(TABLE, row, side, contender.steps, 200, setup=contender.renew)


@pytest.mark.parametrize("row", ["ewc"])
@pytest.mark.parametrize("side", ["with", "without"])
def bench_ours_fisher(timed, row, side):
    """The last 100 steps of a task with its end, and 100 earlier ones: the difference is the Fisher's."""
    timed("fisher", row, side, ours(row, STREAM, SEEDS, 100, side == "with").steps, SEEDS)


@pytest.mark.parametrize("row", ["ewc"])
def bench_avalanche_fisher(timed, row):
    """Avalanche's pass over 2,000 examples, a thirtieth of a task."""
    timed("fisher", row, "avalanche", strategy(row, STREAM, 200).importances, 200 / 6000)
