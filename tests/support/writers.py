"""Processes that run the benchmark and may be killed: forked from one that has loaded everything once."""

from __future__ import annotations

import benchmark.common.imports  # noqa: F401  (before torchvision and avalanche)

import itertools
import multiprocessing
import os
import signal
import sys
from multiprocessing import forkserver
from pathlib import Path

import pytest
import torch

from benchmark.cli.main import main
from benchmark.records import store
from benchmark.runs import resume, work
from benchmark.runs.executors import base
from benchmark.streams import datasets
from tests.support.process import ROOT

METHODS = ("naive", "ewc", "agem", "er-reservoir", "stable-sgd", "multitask")
CELLS = [*(word for stream in ("rotated-digits", "split-digits") for word in ("--stream", stream))]
SMALL = [*CELLS, "--seeds", "2", "--set", "tasks=3", "--set", "train_examples=100"]
RUNS = 2 * len(METHODS) * 2

datasets.load("digits", None)  # the processes forked from this one need not read it again


def prepared() -> multiprocessing.context.BaseContext:
    """Starts processes from a server that has loaded this module; skips the test where that is not safe."""
    if sys.platform == "darwin":
        pytest.skip("needs fork, which is not safe on macOS once PyTorch is loaded")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        forkserver.ensure_running()
    return context


def write(results: Path, arguments: list[str], log: Path, save_every: float = 0.0, kill_at: int | None = None) -> None:
    """`run` in this process, on one thread; `kill_at`: it dies of SIGKILL at that file operation, counted from 0."""
    sys.stdout = sys.stderr = open(log, "a", buffering=1, encoding="utf-8")
    torch.set_num_threads(1)
    base.cores = work.cores = lambda: 1
    resume.SAVE_EVERY, resume.LARGEST_SHARE = save_every, float("inf")
    if kill_at is not None:
        _die_at(kill_at)
    code = main(["run", *arguments, "--jobs", "1", "--results", str(results)])
    sys.stdout.flush()
    os._exit(code)


def _die_at(operation: int) -> None:
    counter = itertools.count()

    def deadly(function):
        def called(*given, **options):
            at = next(counter)
            if at == operation:
                if function is os.fsync:  # in the midst of a write: only a part has arrived
                    os.ftruncate(given[0], os.fstat(given[0]).st_size // 2)
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*given, **options)

        return called

    os.fsync, os.replace, os.unlink = deadly(os.fsync), deadly(os.replace), deadly(os.unlink)


def numbers(results: Path) -> dict[tuple, tuple]:
    """What every run came to."""
    return {
        (r.method, r.stream, r.seed): (r.accuracy_matrix, r.metrics, r.status, r.diverged)
        for r in store.load_all(results)
    }


def leftovers(results: Path) -> list[Path]:
    """Files that are neither records nor locks."""
    return [path for path in results.rglob("*") if path.is_file() and path.suffix not in (".json", ".lock")]
