"""Several writers on one results directory: every run computed by one of them, none lost when some die."""

import errno
import random
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest

from benchmark.records import store
from benchmark.runs import claims
from benchmark.runs.claims import Claims
from methods.errors import InputError
from methods.settings import settings_for
from tests.support.writers import RUNS, SMALL, leftovers, numbers, prepared, write

ONE = ["--method", "naive", "--stream", "rotated-digits", "--set", "tasks=2", "--set", "train_examples=50"]
OTHER = ["--method", "agem", *ONE]


def place(results: Path, seed: int, method: str = "naive") -> Path:
    settings = settings_for(method, "rotated-digits", {"tasks": 2, "train_examples": 50})
    return store.path_of(results, method, "rotated-digits", seed, settings)


def test_a_run_is_claimed_by_one_at_a_time(tmp_path):
    run = place(tmp_path, 0)
    with Claims(tmp_path) as ours, Claims(tmp_path) as theirs:
        assert ours.take([run]) and ours.take([run])
        assert not theirs.take([run]) and theirs.take([place(tmp_path, 1)])
    with Claims(tmp_path) as later:
        assert later.take([run])
    assert list(tmp_path.glob("*/*/*.json")) == []


def test_claims_are_taken_all_or_none(tmp_path):
    runs = [place(tmp_path, seed) for seed in range(3)]
    with Claims(tmp_path) as ours, Claims(tmp_path) as theirs, Claims(tmp_path) as third:
        assert ours.take(runs[2:]) and theirs.take(runs[:1])
        assert not theirs.take(runs)
        assert not third.take(runs[:1]) and third.take(runs[1:2])


def test_a_file_system_without_locks_is_an_input_error(tmp_path, monkeypatch):
    def unable(lock, *given):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(claims.FileLock, "acquire", unable)
    with Claims(tmp_path) as ours, pytest.raises(InputError, match="No locks available"):
        ours.take([place(tmp_path, 0)])


def hold(results: Path, runs: list[Path], held) -> None:
    with Claims(results) as ours:
        assert ours.take(runs)
        held.set()
        time.sleep(600)


@pytest.fixture
def holder(tmp_path):
    """A process that has claimed seed 0 of naive and does nothing."""
    context = prepared()
    held = context.Event()
    process = context.Process(target=hold, args=(tmp_path, [place(tmp_path, 0)], held))
    process.start()
    assert held.wait(60)
    yield process
    process.kill()
    process.join()


def started(results: Path, arguments: list[str], log: Path):
    process = prepared().Process(target=write, args=(results, arguments, log))
    process.start()
    return process


def said(log: Path, text: str) -> None:
    """Wait until a writer has said it."""
    deadline = time.monotonic() + 60
    while not log.exists() or text not in log.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline, f"never said: {text}"
        time.sleep(0.02)


def test_claimed_runs_are_left_for_the_end_and_taken_over_when_their_owner_dies(holder, tmp_path):
    log = tmp_path / "log"
    process = started(tmp_path, [*OTHER, "--seeds", "2"], log)
    said(log, "waiting for another command, which computes 2 of these runs")
    assert set(numbers(tmp_path)) == {("agem", "rotated-digits", 0), ("agem", "rotated-digits", 1)}
    assert process.is_alive()
    holder.kill()
    process.join(60)
    assert process.exitcode == 0 and len(numbers(tmp_path)) == 4
    assert log.read_text(encoding="utf-8").count("waiting for") == 1


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_what_its_owner_has_recorded_meanwhile_is_not_run_again(force, holder, tmp_path, tmp_path_factory):
    elsewhere, log = tmp_path_factory.mktemp("elsewhere"), tmp_path / "log"
    made = started(elsewhere, [*ONE, "--seed", "0"], elsewhere / "log")
    made.join(60)
    process = started(tmp_path, [*ONE, "--seed", "0", *force], log)
    said(log, "waiting for another command")
    place(tmp_path, 0).parent.mkdir(parents=True)
    shutil.copy(place(elsewhere, 0), place(tmp_path, 0))
    before = place(tmp_path, 0).stat()
    holder.kill()
    process.join(60)
    assert process.exitcode == 0
    after = place(tmp_path, 0).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def runs_told(logs: list[Path]) -> Counter:
    lines = (line for log in logs if log.exists() for line in log.read_text(encoding="utf-8").splitlines())
    return Counter(line.split(":")[0] for line in lines if ": accuracy" in line)


@pytest.mark.slow
def test_four_writers_at_once_of_which_two_are_killed_record_every_run_once(tmp_path):
    alone, results = tmp_path / "alone", tmp_path / "shared"
    first = started(alone, SMALL, tmp_path / "alone.log")
    first.join(120)
    assert len(numbers(alone)) == RUNS
    for attempt in range(2):
        chance, logs = random.Random(attempt), [tmp_path / f"{attempt}-{writer}.log" for writer in range(4)]
        writers = [started(results, SMALL, log) for log in logs]
        said(logs[chance.randrange(4)], "cells of 2 seeds")
        for victim in chance.sample(writers, 2):
            time.sleep(chance.uniform(0, 0.5))
            victim.kill()
        for process in writers:
            process.join(120)
        assert sum(process.exitcode == 0 for process in writers) >= 2
        told = runs_told(logs)
        assert numbers(results) == numbers(alone) and leftovers(results) == []
        assert len(told) >= RUNS - 2 * 2 and set(told.values()) == {1}  # the killed may have lost a line or two
        shutil.rmtree(results)
