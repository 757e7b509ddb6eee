"""The tables of results/gpu.json and of the runs in results/gpu as Markdown."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from statistics import fmean, stdev

from benchmark.common.files import insert
from benchmark.records.provenance import PROJECT
from benchmark.records.schema import Record
from benchmark.records.store import GPU_FOLDER, load_all
from benchmark.streams.kinds import STREAMS
from methods.catalogue import METHOD_ROWS
from tests.speed.speed_tables import markdown, micro

FIGURES = PROJECT / "results" / "gpu.json"
PAGE = PROJECT / "docs" / "performance.md"


def show(kept: dict) -> None:
    """Write the tables into the page."""
    insert(document(kept, FIGURES.parent), PAGE, "gpu")


def document(kept: dict, results: Path) -> str:
    """What has been measured, and the runs beside those of the CPU."""
    own, few, many = kept["steps"], kept["seeds"]["5"], kept["seeds"]["50"]
    rows = [
        [METHOD_ROWS[method].title, *(micro(own[stream][method]) for stream in own)] for method in own["permuted-mnist"]
    ]
    versions = (f"{name} {value}" for name, value in kept["versions"].items())
    where = ", ".join([kept["date"], kept["processor"], *versions])
    return "\n\n".join(
        [
            markdown(rows, ["step of five seeds, µs", *(STREAMS[stream].title for stream in own)]),
            f"The whole table, 90 runs with the settings of that day: {kept['table'] / 60:.1f} minutes. A cell of three "
            f"tasks of naive SGD on Permuted MNIST, 18,000 steps, evaluation included: {few:.1f} s with 5 seeds, "
            f"{many:.1f} s with 50, {many / few:.1f} times as long.",
            f"`tests/speed/gpu.py`, {where}.",
            both(load_all(results), load_all(results / GPU_FOLDER)),
        ]
    )


def both(here: list[Record], there: list[Record]) -> str:
    """The cells that were run on the GPU, beside the same seeds and settings on the CPU; none where there are none."""
    cpu, gpu = cells(here), cells(there)
    rows = []
    for key in sorted(gpu, key=lambda key: (list(STREAMS).index(key[0]), list(METHOD_ROWS).index(key[1]))):
        if key in cpu:
            stream, method, _ = key
            seeds = sorted(gpu[key].keys() & cpu[key].keys())
            differences = [100 * (gpu[key][seed][0] - cpu[key][seed][0]) for seed in seeds]
            rows.append(
                [
                    f"{STREAMS[stream].title}: {METHOD_ROWS[method].title}",
                    *figures(cpu[key]),
                    *figures(gpu[key]),
                    f"{max(differences, key=abs):+.1f}",
                ]
            )
    return markdown(
        rows, ["cell", "CPU: accuracy %", "forgetting", "GPU: accuracy %", "forgetting", "largest difference of a seed"]
    )


Cells = dict[tuple[str, str, str], dict[int, tuple[float, float]]]
"""Accuracy and forgetting by stream, method and settings, and by seed."""


def cells(records: list[Record]) -> Cells:
    """The complete runs."""
    found: Cells = defaultdict(dict)
    for record in records:
        if record.status == "complete":
            metrics = record.metrics
            key = record.stream, record.method, repr(sorted(record.settings.items()))
            found[key][record.seed] = metrics.average_accuracy, metrics.average_forgetting
    return found


def figures(runs: dict[int, tuple[float, float]]) -> tuple[str, str]:
    """Mean ± std of the accuracy, mean forgetting."""
    accuracy, forgetting = zip(*runs.values(), strict=True)
    return f"{100 * fmean(accuracy):.1f} ± {100 * stdev(accuracy):.1f}", f"{fmean(forgetting):.3f}"
