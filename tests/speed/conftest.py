"""What the speed measurements share: threads, turns, and the label that the report reads each timing by.

A machine has slower and faster spells that last for minutes, so contenders take turns: every turn times each
of them once, those of one row next to each other, and the report divides times of the same turn.
"""

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

import os

import pytest
import torch

THREADS = int(os.environ.get("BENCH_THREADS", "1"))
TURNS = int(os.environ.get("BENCH_ROUNDS", "5"))


def pytest_generate_tests(metafunc):
    """Everything that is timed is timed once a turn."""
    if "turn" in metafunc.fixturenames:
        metafunc.parametrize("turn", range(TURNS))


def pytest_collection_modifyitems(items):
    """Turn by turn, and in a turn row by row."""

    def place(item):
        params = item.callspec.params if hasattr(item, "callspec") else {}
        return str(item.path), params.get("turn", TURNS), params.get("row", "")

    items.sort(key=place)


@pytest.fixture(autouse=True)
def threads():
    """The same number of torch threads for everything that is timed."""
    torch.set_num_threads(THREADS)


@pytest.fixture
def labelled(benchmark):
    """Time `work` once; a round holds `count` units (steps of one seed, tasks)."""

    def run(table, row, side, work, count=1, turn=0, **pedantic):
        benchmark.group = f"{table}: {row}"
        benchmark.extra_info.update(
            table=table, row=row, side=side, count=count, turn=turn, threads=torch.get_num_threads()
        )
        benchmark.pedantic(work, rounds=1, **pedantic)
        return benchmark.extra_info

    return run


@pytest.fixture
def timed(labelled, turn):
    """As `labelled`, once a turn; before the first turn once untimed."""

    def run(table, row, side, work, count=1, setup=None):
        return labelled(table, row, side, work, count, turn, setup=setup, warmup_rounds=int(turn == 0))

    return run
