"""The demo, again and again, from one process: `make soak`, for SOAK_MINUTES (30).

Rounds train in this process and in two workers by turns. Arguments go to `run`, as --set tasks=2 for short rounds.
After the first rounds, which load and cache, memory and open files must stay where they are, and every record
of every round must be sound and say what the first one said.
"""

import contextlib
import gc
import io
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from benchmark.cli.main import main
from benchmark.records.store import load_all
from benchmark.records.verify import verify

DEMO = ["--stream", "permuted-digits", "--stream", "rotated-digits", "--stream", "split-digits"]
WARM_UP = 3
"""Rounds until every cache is filled."""
GROWTH = 24 * 2**20
"""Bytes by which memory may rise and fall: the allocator returns pages when it likes."""


def one_round(results: Path, jobs: str, changes: list[str]) -> dict[tuple, list]:
    """Run the demo and make its table and figure; the accuracy matrix of every run."""
    where = ["--results", str(results)]
    commands = [
        ["run", *DEMO, *changes, "--jobs", jobs, *where],
        ["table", *DEMO, "--figure", str(results / "accuracy"), "--output", str(results / "table.md"), *where],
        ["verify", *where],
    ]
    for command in commands:
        with contextlib.redirect_stdout(io.StringIO()):
            code = main(command)
        if code:
            sys.exit(f"soak: {' '.join(command)} failed")
    findings = verify(results)
    if findings.unsound or list(results.glob(".state/*/*/*")):
        sys.exit(f"soak: unsound records or state left behind: {findings.text()}")
    return {(r.method, r.stream, r.seed): r.accuracy_matrix for r in load_all(results)}


def held() -> tuple[int, int, int]:
    """Resident bytes, open files, threads of this process."""
    gc.collect()
    process = psutil.Process()
    return process.memory_info().rss, process.num_fds(), threading.active_count()


def soak(minutes: float, changes: list[str]) -> None:
    """Repeat rounds, each in a directory of its own, until the time is over; exits with one line if any leaks."""
    end, rounds, first, levels = time.monotonic() + 60 * minutes, 0, {}, []
    while time.monotonic() < end or len(levels) < 3:
        jobs = str(1 + rounds % 2)
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            matrices = one_round(Path(folder), jobs, changes)
        rounds += 1
        if not matrices or matrices != first.setdefault(jobs, matrices):
            sys.exit(f"soak: round {rounds} gave other records than the first with --jobs {jobs}")
        if rounds > WARM_UP:
            levels.append(held())
            print(
                f"soak: round {rounds}: {levels[-1][0] / 2**20:.0f} MiB, {levels[-1][1]} files, "
                f"{levels[-1][2]} threads",
                file=sys.stderr,
                flush=True,
            )
    judge(levels)
    print(f"soak: {rounds} rounds of {len(matrices)} runs: memory, files and threads stay where they are")


def judge(levels: list[tuple[int, int, int]]) -> None:
    """The last third of the rounds against the first; a leak of one file a round is found in three rounds."""
    third = max(1, len(levels) // 3)
    before, after = levels[:third], levels[-third:]
    memory = max(level[0] for level in after) - max(level[0] for level in before)
    if memory > GROWTH:
        sys.exit(f"soak: memory grew by {memory / 2**20:.0f} MiB")
    for kind, name in ((1, "files"), (2, "threads")):
        if min(level[kind] for level in after) > max(level[kind] for level in before):
            sys.exit(f"soak: open {name} grew from {before[0][kind]} to {after[-1][kind]}")


if __name__ == "__main__":
    soak(float(os.environ.get("SOAK_MINUTES", "30")), sys.argv[1:])
