"""Processes killed at random moments, also while they write, lose nothing and change no bit of a record."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.support.process import ROOT
from tests.support.writers import RUNS, SMALL, leftovers, numbers, prepared, write

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def reference(tmp_path_factory) -> tuple[dict, float]:
    """The numbers of the small command, never interrupted, and the seconds it took once all was loaded."""
    results, context = tmp_path_factory.mktemp("reference"), prepared()
    first = context.Process(target=write, args=(results / "none", ["--version"], results / "log"))
    first.start()  # the server loads everything
    first.join()
    started = time.monotonic()
    process = context.Process(target=write, args=(results, SMALL, results / "log"))
    process.start()
    process.join()
    assert process.exitcode == 0 and len(numbers(results)) == RUNS and leftovers(results) == [results / "log"]
    return numbers(results), time.monotonic() - started


def test_killed_at_fifty_random_moments_and_file_operations_the_records_are_the_same(reference, tmp_path):
    expected, seconds = reference
    chance, context, kills, rounds = random.Random(5), prepared(), 0, 0
    while kills < 50:
        results, log = tmp_path / str(rounds), tmp_path / "log"
        while True:
            at = chance.randrange(40) if chance.random() < 0.5 else None  # a file operation, or else a moment
            process = context.Process(target=write, args=(results, SMALL, log, 0.0, at))
            process.start()
            process.join(None if at is not None else chance.uniform(0.05, 0.5 * seconds))
            if process.exitcode is None:
                process.kill()
                process.join()
            if process.exitcode == 0:
                break
            assert process.exitcode == -signal.SIGKILL, log.read_text(encoding="utf-8")[-2000:]
            kills += 1
            assert numbers(results).items() <= expected.items()
        assert numbers(results) == expected and leftovers(results) == []
        rounds += 1
    assert "resuming after task" in log.read_text(encoding="utf-8")


def two_cores() -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])  # one thread for each of two processes


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cannot fix the number of threads here")
def test_real_command_lines_killed_three_times_give_the_same_records(reference, tmp_path):
    command = [sys.executable, "-m", "benchmark", "run", *SMALL, "--jobs", "2", "--results", str(tmp_path)]
    chance, codes = random.Random(6), []
    for _ in range(3):
        known = set(tmp_path.rglob("*.*"))
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, preexec_fn=two_cores)
        while process.poll() is None and set(tmp_path.rglob("*.*")) <= known:
            time.sleep(0.01)  # till a worker has claimed or recorded something
        time.sleep(chance.uniform(0, 0.15))
        process.kill()
        codes.append(process.wait())
    assert -signal.SIGKILL in codes and set(codes) <= {-signal.SIGKILL, 0}  # 0: all was recorded already
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True, preexec_fn=two_cores)
    assert numbers(tmp_path) == reference[0] and leftovers(tmp_path) == []
