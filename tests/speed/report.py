"""From the raw timings to results/speed.json, results/speed.md and the tables in two documents.

    python -m tests.speed.report out/bench.json results docs/performance.md docs/scaling.md

A time is the median over the turns; a ratio is the median of the ratios within a turn, so that a machine's
slow spells, which strike neighbours alike, do not enter it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmark.common.files import insert
from tests.speed.speed_tables import cost_table, document, of_other_machines, speed_table
from tests.speed.timings import Timings


def summary(timings: Timings, raw: dict) -> dict:
    """All that is worth keeping of a run of the benchmarks: times in seconds, ratios, shares, MiB."""
    return {
        "conditions": timings.conditions(raw),
        "mnist_step": timings.steps("mnist step", ["avalanche", "plain", "floor"]),
        "mnist_avalanche": timings.others("mnist step", "naive", "avalanche, "),
        "cifar_step": timings.steps("cifar step", ["avalanche", "plain", "passes", "floor"]),
        "cifar_plain_nchw": timings.others("cifar step", "naive", "plain, "),
        "cifar_rest": timings.column("cifar rest"),
        "cores_busy": timings.busy(),
        "ewc_over_naive": timings.between("mnist step", "ewc", "naive"),
        "fisher": timings.fisher(),
        "layout": timings.changes(),
        "set_up": timings.column("set-up"),
        "evaluation": timings.column("evaluation"),
        "scaling": timings.scaling(),
        "memory_mib": timings.memory(),
    }


def main(raw_path: str, results: str, page: str, scaling: str) -> None:
    """Write and print everything; exit code 2 where the data sets were missing."""
    raw = json.loads(Path(raw_path).read_text(encoding="utf-8"))
    timings = Timings(raw["benchmarks"])
    if not timings.complete():
        print(
            "error: not all was timed; set BENCHMARK_DATA to a directory with MNIST and CIFAR-100 "
            "(results and documents are left as they were)",
            file=sys.stderr,
        )
        sys.exit(2)
    speed = summary(timings, raw)
    folder = Path(results)
    (folder / "speed.json").write_text(json.dumps(speed, indent=1) + "\n", encoding="utf-8")
    (folder / "speed.md").write_text(speed_table(speed) + "\n", encoding="utf-8")
    text = document(speed, of_other_machines(folder))
    insert(text, Path(page), "speed")
    insert(cost_table(speed), Path(scaling), "cost")
    print(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
