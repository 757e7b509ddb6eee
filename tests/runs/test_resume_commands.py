"""A command that was stopped goes on where it was; what cannot be used is named, and the runs begin anew."""

import os
from pathlib import Path

import pytest
import torch

from benchmark.cli.main import main
from benchmark.records import checkpoint, store
from benchmark.runs import resume
from benchmark.training.engine import Cell
from methods.errors import InputError
from tests.support.writers import leftovers, numbers


class Stopped(BaseException):
    """Ends a run as Ctrl-C does, anywhere."""


pytestmark = pytest.mark.usefixtures("one_core")
COMMAND = [
    "run",
    "--method",
    "agem",
    "--stream",
    "rotated-digits",
    "--jobs",
    "1",
    "--set",
    "tasks=3",
    "--set",
    "train_examples=100",
]


@pytest.fixture
def every_task_saved(monkeypatch):
    """Also where a task takes no time."""
    monkeypatch.setattr(resume, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(resume, "LARGEST_SHARE", float("inf"))


@pytest.fixture
def stopped(tmp_path, monkeypatch, every_task_saved) -> tuple[Path, Path]:
    """A results directory whose run of seeds 0, 1, 2 stopped after its second task, and the file of its state."""

    def save_and_stop(path, point, tensors, save=checkpoint.save):
        save(path, point, tensors)
        if point.phase == 2:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(resume, "save", save_and_stop)
        with pytest.raises(Stopped):
            main([*COMMAND, "--seeds", "3", "--results", str(tmp_path / "stopped")])
    files = leftovers(tmp_path / "stopped")
    assert len(files) == 1 and files[0].suffix == ".safetensors" and not numbers(tmp_path / "stopped")
    return tmp_path / "stopped", files[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict:
    """The numbers of the same run, never stopped."""
    results = tmp_path_factory.mktemp("whole")
    assert main([*COMMAND, "--seeds", "3", "--results", str(results)]) == 0
    return numbers(results)


def steps_trained(monkeypatch) -> list[int]:
    trained, once = [], Cell._train_phase

    def train_phase(cell: Cell, phase: int, *given: object) -> torch.Tensor:
        trained.append(phase)
        return once(cell, phase, *given)

    monkeypatch.setattr(Cell, "_train_phase", train_phase)
    return trained


def test_a_stopped_command_goes_on_and_removes_its_state(stopped, whole, monkeypatch, capsys):
    trained, began = steps_trained(monkeypatch), checkpoint.load(stopped[1]).point.started
    assert main([*COMMAND, "--seeds", "3", "--results", str(stopped[0])]) == 0
    assert trained == [2] and numbers(stopped[0]) == whole and leftovers(stopped[0]) == []
    assert "seeds 0, 1, 2: resuming after task 2" in capsys.readouterr().out
    assert {r.provenance.started for r in store.load_all(stopped[0])} == {began}


def test_runs_begun_together_end_together_though_one_is_asked_for(stopped, whole, monkeypatch):
    trained = steps_trained(monkeypatch)
    assert main([*COMMAND, "--seed", "1", "--results", str(stopped[0])]) == 0
    assert trained == [2] and numbers(stopped[0]) == whole and leftovers(stopped[0]) == []


def test_more_seeds_go_on_beside_those_that_were_begun(stopped, whole, monkeypatch):
    trained = steps_trained(monkeypatch)
    assert main([*COMMAND, "--seeds", "4", "--results", str(stopped[0])]) == 0
    found = numbers(stopped[0])
    assert trained == [2, 0, 1, 2] and len(found) == 4 and whole.items() <= found.items()


def test_a_run_goes_on_with_the_threads_it_began_with(stopped, whole):
    before = checkpoint.load(stopped[1]).point.threads
    point = checkpoint.load(stopped[1]).point.model_copy(update={"threads": before + 1})
    checkpoint.save(stopped[1], point, checkpoint.load(stopped[1]).tensors)
    assert main([*COMMAND, "--seeds", "3", "--results", str(stopped[0])]) == 0
    assert {r.provenance.threads for r in store.load_all(stopped[0])} == {before + 1}
    assert torch.get_num_threads() == before


def test_killed_between_the_records_of_a_cell_the_rest_keeps_its_company(tmp_path, whole, monkeypatch):
    def save_one(results, record, save=store.save):
        save(results, record)
        raise Stopped

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(store, "save", save_one)
        main([*COMMAND, "--seeds", "3", "--results", str(tmp_path)])
    assert len(numbers(tmp_path)) == 1
    trained = steps_trained(monkeypatch)
    assert main([*COMMAND, "--seeds", "3", "--results", str(tmp_path)]) == 0
    assert trained == [] and numbers(tmp_path) == whole and leftovers(tmp_path) == []


def test_state_that_a_killed_process_left_beside_its_records_is_removed(stopped, whole):
    content = stopped[1].read_bytes()
    assert main([*COMMAND, "--seeds", "3", "--results", str(stopped[0])]) == 0
    for others, left in ((["--seed", "1"], [stopped[1]]), (["--seeds", "3"], [])):
        stopped[1].write_bytes(content)
        assert main([*COMMAND, *others, "--results", str(stopped[0])]) == 0
        assert leftovers(stopped[0]) == left and numbers(stopped[0]) == whole


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGES = {
    "empty": lambda content: b"",
    "cut short": lambda content: content[:-100],
    "cut in its head": lambda content: content[:50],
    "one bit": flipped,
    "another phase": lambda content: content.replace(b'\\"phase\\":2', b'\\"phase\\":1'),
    "foreign": lambda content: b"\x80\x04not a state" * 100,
    "a huge head": lambda content: b"\xff" * 8 + content[8:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_state_is_named_in_one_line_and_the_run_begins_anew(damage, stopped, whole, monkeypatch, capsys):
    content = stopped[1].read_bytes()
    assert DAMAGES[damage](content) != content
    stopped[1].write_bytes(DAMAGES[damage](content))
    trained = steps_trained(monkeypatch)
    assert main([*COMMAND, "--seeds", "3", "--results", str(stopped[0])]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if str(stopped[1]) in line]
    assert len(said) == 1 and "damaged" in said[0] and "start again" in said[0]
    assert trained == [0, 1, 2] and numbers(stopped[0]) == whole and leftovers(stopped[0]) == []


@pytest.mark.parametrize("name", ["code", "data", "versions", "processor"])
def test_state_of_other_code_data_versions_or_machine_is_not_taken_up(name, stopped, whole, monkeypatch, capsys):
    saved = checkpoint.load(stopped[1])
    checkpoint.save(
        stopped[1], saved.point.model_copy(update={"run": saved.point.run | {name: "other"}}), saved.tensors
    )
    trained = steps_trained(monkeypatch)
    assert main([*COMMAND, "--seeds", "3", "--results", str(stopped[0])]) == 0
    assert f"{stopped[1]} was saved with other {name}; it was removed" in capsys.readouterr().out
    assert trained == [0, 1, 2] and numbers(stopped[0]) == whole


def test_state_of_other_settings_stays_for_the_run_it_belongs_to(stopped, monkeypatch):
    trained = steps_trained(monkeypatch)
    assert main([*COMMAND, "--set", "hidden=20", "--seeds", "3", "--results", str(stopped[0])]) == 0
    assert trained == [0, 1, 2] and leftovers(stopped[0]) == [stopped[1]]


def test_state_that_cannot_be_written_is_an_input_error_and_the_old_one_stays(stopped, monkeypatch):
    saved = checkpoint.load(stopped[1])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device.*make room"):
        checkpoint.save(stopped[1], saved.point.model_copy(update={"phase": 3}), saved.tensors)
    assert checkpoint.load(stopped[1]).point.phase == 2 and leftovers(stopped[0]) == [stopped[1]]
