"""What the suite takes on a GPU: steps, more seeds, the whole table. Its figures are kept part by part.

    python -m tests.speed.gpu steps|seeds|table|show

`make bench-gpu` does one after the other. `table` trains all 90 runs into results/gpu; `show` writes what has been
measured into docs/performance.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import torch

from benchmark.records.provenance import PROJECT, processor, versions
from benchmark.records.store import GPU_FOLDER
from benchmark.streams.build import build
from benchmark.streams.kinds import PAPER_STREAMS
from benchmark.training.engine import train
from methods.registry import METHODS
from tests.speed.gpu_tables import FIGURES, show
from tests.speed.ours import Ours, settings_of

STEPS = {"permuted-mnist": 500, "split-cifar100": 50}
TASKS = 3


def seconds(work: Callable[[], object]) -> float:
    """Of the work, the GPU's included."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def steps() -> dict[str, dict[str, float]]:
    """Seconds a step of five seeds: the better of two stretches."""

    def step(method: str, stream: str) -> float:
        ours = Ours(method, stream, 5, STEPS[stream], device="cuda")
        return min(seconds(ours.steps) for _ in range(2)) / STEPS[stream]

    return {stream: {method: step(method, stream) for method in METHODS} for stream in STEPS}


def seeds() -> dict[str, float]:
    """Seconds of a cell of TASKS tasks, naive SGD on Permuted MNIST, by its number of seeds."""
    settings = settings_of("naive", "permuted-mnist").model_copy(update={"tasks": TASKS})

    def cell(count: int) -> float:
        streams = [build("permuted-mnist", seed, TASKS) for seed in range(count)]
        return seconds(lambda: train(METHODS["naive"], streams, settings, "cuda", lambda *_: None))

    cell(1)  # the first of a process loads what all share
    return {str(count): cell(count) for count in (5, 50)}


def table() -> float:
    """Seconds of the commands that train the 90 runs: MNIST and CIFAR side by side, four cells of each at a time."""
    command = [
        sys.executable,
        "-m",
        "benchmark",
        "run",
        "--device",
        "cuda",
        "--jobs",
        "4",
        "--results",
        str(FIGURES.with_name(GPU_FOLDER)),
    ]

    def train_all() -> None:
        parts = [[stream for stream in PAPER_STREAMS if kind in stream] for kind in ("mnist", "cifar")]
        started = [
            subprocess.Popen(command + [word for stream in part for word in ("--stream", stream)], cwd=PROJECT)
            for part in parts
        ]
        if any([process.wait() for process in started]):
            sys.exit("error: not all runs came to their end")

    return seconds(train_all)


def main(part: str) -> None:
    """Measure a part and keep it beside the others, or show them."""
    kept = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    if part == "show":
        show(kept)
        return
    if not torch.cuda.is_available():
        print("error: PyTorch finds no CUDA device here, and this measures one", file=sys.stderr)
        sys.exit(2)
    measured = {"steps": steps, "seeds": seeds, "table": table}[part]()
    kept |= {
        part: measured,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "processor": processor("cuda"),
        "versions": versions(),
    }
    FIGURES.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
