"""What the suite takes on a GPU: steps, more seeds, the whole table. Its figures are kept part by part.

    PYTHONPATH=. python tests/speed/gpu.py steps|seeds|table|show results/gpu.json   (BENCHMARK_DATA=DIR)

`table` trains all 90 runs into results/gpu; `show` writes what has been measured into docs/performance.md.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import torch

from benchmark.catalogue import STREAMS
from benchmark.engine import train
from benchmark.insertion import insert
from benchmark.provenance import PROJECT, processor, versions
from benchmark.streams import build
from methods.catalogue import METHOD_ROWS
from methods.registry import METHODS
from ours import Ours, settings_of
from speed_tables import markdown, micro

STEPS = {"permuted-mnist": 500, "split-cifar100": 50}
PAGE = PROJECT / "docs" / "performance.md"


def seconds(work: Callable[[], object]) -> float:
    """Of the work, the GPU's included."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def steps() -> dict[str, dict[str, float]]:
    """Seconds a step of five seeds, batch 10: the better of two stretches."""
    def step(method: str, stream: str) -> float:
        ours = Ours(method, stream, 5, STEPS[stream], device="cuda")
        return min(seconds(ours.steps) for _ in range(2)) / STEPS[stream]

    return {stream: {method: step(method, stream) for method in METHODS} for stream in STEPS}


def seeds() -> dict[str, float]:
    """Seconds of a whole cell, naive SGD on Permuted MNIST at batch 10, by its number of seeds."""
    settings = settings_of("naive", "permuted-mnist")

    def cell(count: int) -> float:
        streams = [build("permuted-mnist", seed, settings.tasks) for seed in range(count)]
        return seconds(lambda: train(METHODS["naive"], streams, settings, "cuda", lambda *_: None))

    return {str(count): cell(count) for count in (5, 50)}


def table() -> dict[str, float]:
    """Seconds of the command that trains the 90 runs, four cells at a time."""
    command = [sys.executable, "-m", "benchmark", "run", "--device", "cuda", "--jobs", "4", "--results", "results/gpu"]
    return {"table": seconds(lambda: subprocess.run(command, check=True, cwd=PROJECT))}


def document(kept: dict) -> str:
    """What has been measured, as Markdown."""
    own = kept["steps"]
    rows = [[METHOD_ROWS[method].title, *(micro(own[stream][method]) for stream in own)] for method in METHODS]
    few, many = kept["seeds"]["5"], kept["seeds"]["50"]
    return "\n\n".join([
        markdown(rows, ["step of five seeds, µs", *(STREAMS[stream].title for stream in own)]),
        f"A whole cell of naive SGD on Permuted MNIST, 120,000 steps: {few:.0f} s with 5 seeds, {many:.0f} s with 50, "
        f"{many / few:.2f} times as long. The whole table, 90 runs: {kept['table']['table'] / 60:.1f} minutes.",
        f"{kept['date']}, {kept['processor']}, " + ", ".join(f"{n} {v}" for n, v in kept["versions"].items()) + ".",
    ])


def main(part: str, path: str) -> None:
    """Measure a part and keep it beside the others, or show them."""
    place = Path(path)
    kept = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
    if part == "show":
        insert(document(kept), PAGE, "gpu")
        return
    measured = {"steps": steps, "seeds": seeds, "table": table}[part]()
    kept |= {part: measured, "date": f"{datetime.now(UTC):%Y-%m-%d}", "processor": processor("cuda"),
             "versions": versions()}
    place.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
