"""Slurm jobs by way of submitit, whose own local executor stands in for Slurm here: no cluster is asked."""

from pathlib import Path

import pytest

pytest.importorskip("submitit", reason="submitit is not installed: make test-cluster")

from benchmark.cli.main import main
from benchmark.records import store
from benchmark.runs.executors import base, slurm
from benchmark.runs.executors.base import Where
from benchmark.runs.unit import Unit
from methods.errors import InputError
from tests.support.writers import leftovers, numbers

pytestmark = pytest.mark.cluster
COMMAND = [
    "run",
    "--method",
    "naive",
    "--method",
    "agem",
    "--stream",
    "split-digits",
    "--seeds",
    "2",
    "--set",
    "tasks=2",
    "--set",
    "train_examples=50",
]


@pytest.fixture(autouse=True)
def on_this_machine(monkeypatch, one_core):
    """Jobs are processes of this machine with one thread each."""
    monkeypatch.setattr(slurm, "CLUSTER", "local")
    monkeypatch.setattr(slurm, "ASK_EVERY", 0.05)


def logs(results: Path) -> list[Path]:
    return list((results / slurm.FOLDER).iterdir())


def test_jobs_record_what_this_machine_records(tmp_path, capsys):
    here, there = tmp_path / "here", tmp_path / "there"
    assert main([*COMMAND, "--results", str(here)]) == 0
    capsys.readouterr()
    assert main([*COMMAND, "--executor", "slurm", "--slurm", "time=10", "--results", str(there)]) == 0
    said = capsys.readouterr().out
    assert "as 2 Slurm jobs" in said and said.count(": accuracy ") == 4
    assert numbers(there) == numbers(here) and len(numbers(there)) == 4
    assert {r.provenance.threads for r in store.load_all(there)} == {1}
    assert all(slurm.FOLDER in path.parts for path in leftovers(there)) and logs(there)


def test_jobs_measure_what_this_machine_measures(tmp_path, capsys):
    here, there = tmp_path / "here", tmp_path / "there"
    measured = [*COMMAND, "--measure", "continual:every=2,examples=9"]
    assert main([*measured, "--results", str(here), "--jobs", "1"]) == 0
    assert main([*measured, "--executor", "slurm", "--slurm", "time=10", "--results", str(there)]) == 0
    assert numbers(there) == numbers(here) and len(numbers(there)) == 4
    assert [r.measurements for r in store.load_all(there)] == [r.measurements for r in store.load_all(here)]
    capsys.readouterr()
    assert main([*measured, "--results", str(there)]) == 0 and "none to do" in capsys.readouterr().out


def test_what_is_wrong_in_a_job_is_one_line(tmp_path):
    unit = Unit("naive", "split-digits", (0,), {"tasks": 9}, 1.0)
    with pytest.raises(InputError, match="^node .*: split-digits cannot have 9 tasks"):
        base.run(slurm.Slurm(None, {"time": "10"}), [unit], Where(tmp_path, None, "cpu", 1))


def test_an_interrupt_cancels_the_jobs(tmp_path, monkeypatch, capsys):
    cancelled = []

    class Job:
        def done(self) -> bool:
            raise KeyboardInterrupt

        def cancel(self, check: bool) -> None:
            cancelled.append(self)

    monkeypatch.setattr(slurm.submitit.AutoExecutor, "map_array", lambda *given: [Job(), Job()])
    assert main([*COMMAND, "--executor", "slurm", "--slurm", "time=10", "--results", str(tmp_path)]) == 130
    assert len(cancelled) == 2 and "the same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "give the time limit of a job"),
        (["--slurm", "time=4:00:00"], "time must be a number of minutes, not '4:00:00'"),
        (["--slurm", "time=10", "--slurm", "partitoin=cpu"], "partitoin"),
        (["--slurm", "time=10", "--slurm", "time=20"], "'time' is given twice"),
        (["--slurm", "time"], "'time' is not KEY=VALUE"),
    ],
)
def test_parameters_that_are_wrong_are_one_line(given, said, tmp_path, capsys):
    assert main([*COMMAND, "--executor", "slurm", *given, "--results", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: --slurm: ") and said in err and err.count("\n") == 1


def test_the_script_for_slurm_asks_for_what_is_given(monkeypatch, tmp_path):
    """submitit's own text of the batch file, as it would be given to sbatch."""
    monkeypatch.setattr(slurm, "CLUSTER", "slurm")
    monkeypatch.setattr("submitit.slurm.slurm.SlurmExecutor.affinity", classmethod(lambda cls: 1))
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    given = slurm.Slurm(8, {"time": "240", "partition": "gpu", "mem": "8GB"})
    made = given._executor(Where(tmp_path, None, "cuda", 1))
    text = made._executor._make_submission_file_text("true", "id")
    for line in ("--partition=gpu", "--time=240", "--mem=8GB", "--gpus-per-node=1", "--job-name=clbench"):
        assert f"#SBATCH {line}" in text.splitlines()


def test_without_slurm_it_is_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(slurm, "CLUSTER", "slurm")
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert main([*COMMAND, "--executor", "slurm", "--slurm", "time=10", "--results", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: --slurm: ") and "slurm cluster" in err and err.count("\n") == 1
