"""An executor of one's own: units one by one in this process, and a log of how long each took."""

import time
from pathlib import Path

import torch

from benchmark.runs.work import work


class Logged:
    """Trains the units in the order in which they are given.

    --executor-option log=FILE: where the log goes; default executor.log.
    """

    options = ("log",)

    def __init__(self, jobs, options):
        self.log = Path(options.get("log", "executor.log"))

    def manner(self, units, where):
        """What the command says before it begins, after "12 to do on cpu, "."""
        return f"one by one with a log in {self.log}"

    def run(self, units, where, show):
        """Train the units and record their runs; `show` is told what happens."""
        torch.set_num_threads(where.threads)
        with self.log.open("a", encoding="utf-8") as log:
            for index, unit in enumerate(units):
                begun, left = time.perf_counter(), unit
                while left:  # what another command computes at this moment is left for later
                    left = work(index, left, where.results, where.data, where.device, show)
                    time.sleep(1 if left else 0)
                print(f"{unit.title}: {time.perf_counter() - begun:.1f} s", file=log, flush=True)
