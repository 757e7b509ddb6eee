"""A cell taken up from the end of any phase gives the numbers of an uninterrupted one, bit for bit."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark.records import checkpoint
from benchmark.records.checkpoint import Outcome
from benchmark.runs import resume
from benchmark.streams.build import build
from benchmark.training import engine
from benchmark.training.engine import Cell
from methods.registry import METHODS
from methods.settings import settings_for

QUICK = {"tasks": 3, "train_examples": 120, "hidden": 30, "memory_batch": 7, "fisher_window": 3}
ROUGH = {"dropout": 0.2, "momentum": 0.5, "epochs": 2, "batch_size": 7}
CASES = [(method, stream) for method in METHODS for stream in ("rotated-digits", "split-digits")]


def cell_of(method: str, stream: str, overrides: dict, seeds=(0, 1, 2), data: Path | None = None) -> Cell:
    settings = settings_for(method, stream, overrides)
    streams = [build(stream, seed, settings.tasks, settings.train_examples, data) for seed in seeds]
    shortest = min(len(task) for s in streams for task in s.train)
    assert all(len(task) == shortest for s in streams for task in s.train)
    return Cell(METHODS[method], streams, settings, "cpu")


def kept_to(folder: Path):
    """Saves a cell after each phase in a file of its own."""

    def keep(cell: Cell) -> None:
        run = {"settings": dict(cell.settings)}
        point = checkpoint.Point(
            run=run, seeds=[0, 1, 2], threads=1, started="", phase=cell.phase, outcomes=cell.outcomes
        )
        checkpoint.save(folder / f"{cell.phase}.safetensors", point, cell.state())

    return keep


def timeless(outcomes: list[Outcome]) -> list[Outcome]:
    """The outcomes without the time they took."""
    return [replace(outcome, seconds=0.0) for outcome in outcomes]


def assert_goes_on_exactly(make, folder: Path) -> None:
    """`make` gives equal untrained cells: one is trained through, others from each of its phases' ends."""
    with torch.no_grad():
        whole = make()
        whole.train(lambda *progress: None, kept_to(folder))
        for phase in range(1, len(whole.phases) + 1):
            saved, later = checkpoint.load(folder / f"{phase}.safetensors"), make()
            later.net.theta.fill_(7.0)
            later.restore(saved.point.phase, saved.point.outcomes, saved.tensors)
            assert later.phase == phase
            later.train(lambda *progress: None)
            assert all(torch.equal(later.state()[name], value) for name, value in whole.state().items())
            assert timeless(later.outcomes) == timeless(whole.outcomes)
            assert all(
                o.seconds > s.seconds or phase == len(whole.phases)
                for o, s in zip(later.outcomes, saved.point.outcomes, strict=True)
            )


@pytest.mark.parametrize(("method", "stream"), CASES)
def test_a_cell_goes_on_from_the_end_of_each_phase(method, stream, tmp_path):
    assert_goes_on_exactly(lambda: cell_of(method, stream, QUICK | ROUGH), tmp_path)


@pytest.mark.parametrize("method", ["ewc", "agem"])
def test_a_residual_network_goes_on_with_its_statistics(method, tmp_path, real_data, monkeypatch):
    monkeypatch.setattr(Cell, "_evaluate", lambda cell, rows: None)  # the test images would take a minute
    overrides = {"tasks": 3, "train_examples": 30, "dropout": 0.1, "fisher_window": 2}
    assert_goes_on_exactly(lambda: cell_of(method, "split-cifar100", overrides, (0,), real_data), tmp_path)
    assert any(name.startswith("buffer.") for name in checkpoint.load(tmp_path / "1.safetensors").tensors)


def test_a_diverged_seed_goes_on_diverged_and_the_others_exactly(tmp_path):
    def broken() -> Cell:
        cell = cell_of("ewc", "rotated-digits", QUICK)
        cell.net.theta[1] = float("inf")
        return cell

    with torch.no_grad():
        whole = broken()
        outcomes = whole.train(lambda *progress: None, kept_to(tmp_path))
        saved, later = checkpoint.load(tmp_path / "2.safetensors"), broken()
        later.restore(saved.point.phase, saved.point.outcomes, saved.tensors)
        later.train(lambda *progress: None)
    assert [o.status for o in outcomes] == ["complete", "diverged", "complete"]
    assert timeless(later.outcomes) == timeless(outcomes)
    assert later.net.theta.isnan().equal(whole.net.theta.isnan())
    assert torch.equal(later.net.theta.nan_to_num(), whole.net.theta.nan_to_num())


def test_the_state_of_another_kind_of_cell_is_a_misfit():
    wide, narrow = (cell_of("agem", "rotated-digits", QUICK | {"hidden": hidden}) for hidden in (30, 20))
    with pytest.raises(engine.Misfit), torch.no_grad():
        narrow.restore(1, [Outcome()] * 3, wide.state())
    with pytest.raises(engine.Misfit), torch.no_grad():
        narrow.restore(1, [Outcome()] * 3, cell_of("naive", "rotated-digits", QUICK | {"hidden": 20}).state())


def saves(monkeypatch, seeds: list[int], every: float, phases: int) -> int:
    """How often a cell of `phases` phases that take no time is saved."""
    saved = []
    monkeypatch.setattr(resume, "SAVE_EVERY", every)
    monkeypatch.setattr(resume, "LARGEST_SHARE", float("inf"))
    monkeypatch.setattr(resume, "save", lambda *given: saved.append(given))
    cell = cell_of("naive", "rotated-digits", QUICK | {"tasks": phases}, seeds)
    keeper = resume.Keeper(Path("unused"), {}, 1, "")
    for cell.phase in range(1, phases + 1):
        keeper(cell)
    return len(saved)


def test_tasks_that_take_no_time_are_not_saved_but_seeds_that_end_together_are(monkeypatch):
    assert saves(monkeypatch, [0], 60, 3) == 0
    assert saves(monkeypatch, [0, 1], 60, 3) == 1
    assert saves(monkeypatch, [0, 1], 0, 3) == 3


def test_on_a_slow_disk_saving_takes_no_more_than_its_share(monkeypatch):
    """A task takes 10 s and a save 4 s, by a clock of its own: 4 of any 100 s would be too many."""
    clock, cell = [0.0], cell_of("naive", "rotated-digits", QUICK, [0])
    monkeypatch.setattr(resume.time, "monotonic", lambda: clock[0])
    saved = []

    def slow(*given):
        clock[0] += 4
        saved.append(clock[0])

    monkeypatch.setattr(resume, "save", slow)
    keeper = resume.Keeper(Path("unused"), {}, 1, "")
    for _ in range(100):
        clock[0] += 10
        cell.phase = 1
        keeper(cell)
    assert len(saved) == 8 and saved[0] == 14
    assert 4 * (len(saved) - 1) <= 0.03 * (saved[-1] - saved[0])
