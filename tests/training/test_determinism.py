"""The same command gives the same record, and a run whose numbers overflow is recorded and shown as diverged."""

import json
from pathlib import Path

import pytest

from benchmark.cli.main import main
from benchmark.records import store
from methods.catalogue import METHOD_ROWS
from tests.support.process import environment, python

pytestmark = pytest.mark.usefixtures("one_core")
SMALL = ["--set", "tasks=3", "--set", "train_examples=150", "--set", "hidden=32", "--set", "dropout=0.2"]
MOMENTS = ("seconds", "started", "digest")
"""What two runs of a command may differ in: the time they took and began, and the digest over these."""


def command(results: Path, *more: str) -> list[str]:
    return ["run", "--stream", "rotated-digits", *more, "--jobs", "1", "--results", str(results)]


def said(results: Path) -> dict[str, str]:
    """Each record's text by its path below `results`, without the lines on moments."""
    return {
        str(path.relative_to(results)): "\n".join(
            line
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.strip().split(":")[0].strip('"') not in MOMENTS
        )
        for path in sorted(results.glob("*/*/*.json"))
    }


@pytest.mark.slow
def test_the_same_command_gives_the_same_records_in_another_process(tmp_path):
    """For every method, with another order of hashes and what was run before in this process."""
    for name in ("here", "again"):
        assert main(command(tmp_path / name, *SMALL, "--seeds", "2")) == 0
    script = (
        "import sys; from benchmark.cli import main; from benchmark.runs.executors import base; "
        "base.cores = lambda: 1; sys.exit(main.main(sys.argv[1:]))"
    )
    done = python(
        "-c", script, *command(tmp_path / "there", *SMALL, "--seeds", "2"), env=environment(PYTHONHASHSEED="12345")
    )
    assert done.returncode == 0, done.stderr
    here = said(tmp_path / "here")
    assert len(here) == 2 * len(METHOD_ROWS)
    assert said(tmp_path / "again") == here
    assert said(tmp_path / "there") == here


def test_records_tell_what_changes_the_last_digits(tmp_path):
    assert main(command(tmp_path, *SMALL, "--method", "naive", "--seed", "0")) == 0
    origin = store.load_all(tmp_path)[0].provenance
    assert origin.threads >= 1 and origin.processor and origin.device == "cpu" and origin.seeds_together == [0]
    assert all(origin.versions[name] for name in ("python", "torch", "numpy", "avalanche-lib", "torchvision"))


@pytest.mark.parametrize("method", METHOD_ROWS)
def test_a_run_that_overflows_is_diverged_within_its_task(tmp_path, capsys, method):
    """One of five seeds is lost to a step too long; the table counts it and averages the others."""
    sound, wild = tmp_path / "sound", tmp_path / "wild"
    given = ["--method", method, "--set", "tasks=2", "--set", "train_examples=640"]
    assert main(command(sound, *given, "--seeds", "4")) == 0
    assert main(command(wild, *given, "--set", "learning_rate=1e6", "--seed", "4")) == 0
    out = capsys.readouterr().out
    (diverged,) = store.load_all(wild)
    assert (diverged.status, diverged.accuracy_matrix) == ("diverged", [])
    assert diverged.diverged.task == 0 and 0 < diverged.diverged.step < 100, "it was not noticed soon"
    assert f"seed 4: diverged in task 1, at step {diverged.diverged.step + 1}" in out
    assert set(dict(diverged.metrics).values()) == {None}
    fifth = diverged.model_copy(update={"settings": store.load_all(sound)[0].settings})
    store.save(sound, fifth)
    assert main(["table", "--results", str(sound)]) == 0
    assert "| 4/5, 1 diverged |" in " ".join(capsys.readouterr().out.split())
    assert main(["table", "--results", str(sound), "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["cells"]
    accuracies = [100 * r.metrics.average_accuracy for r in store.load_all(sound) if r.status == "complete"]
    assert (row["seeds"], row["diverged"]) == (4, 1)
    assert row["accuracy_mean"] == pytest.approx(sum(accuracies) / 4)
