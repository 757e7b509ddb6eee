"""The engine against a plain PyTorch loop, and seeds together against each seed alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.streams.build import build
from benchmark.training.engine import Cell, train
from benchmark.training.phases import PhaseData, RecentData
from methods.registry import METHODS
from methods.settings import settings_for
from tests.oracles.plain import PlainRun, in_a_row

PARAMETER_TOLERANCE = 2e-4
"""Largest difference of any parameter after some 200 steps in float32: sums are taken in another order."""
ACCURACY_TOLERANCE = 0.0051
"""Two of the 400 or so test images may fall on the other side of a boundary."""

QUICK = {"tasks": 3, "train_examples": 333, "hidden": 32, "memory_per_class": 2, "memory_batch": 7, "fisher_window": 3}
CASES = {
    "plain": {},
    "epochs and an uneven last batch": {"epochs": 2, "batch_size": 16},
    "momentum, dropout and decay": {"momentum": 0.5, "dropout": 0.3, "learning_rate_decay": 0.7},
}


def run(method: str, stream_id: str, seeds: list[int], overrides: dict) -> Cell:
    settings = settings_for(method, stream_id, QUICK | overrides)
    streams = [build(stream_id, seed, settings.tasks, settings.train_examples) for seed in seeds]
    cell = Cell(METHODS[method], streams, settings, "cpu")
    with torch.no_grad():
        cell.train(lambda *progress: None)
    return cell


def trained(matrix) -> torch.Tensor:
    """The accuracies on the tasks trained, 0 elsewhere."""
    return torch.from_numpy(np.tril(np.array(matrix, dtype=float)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", CASES)
def test_seeds_together_equal_a_plain_loop(method, case):
    cell = run(method, "permuted-digits", [0, 1, 2], CASES[case])
    plain = PlainRun(method, cell.streams[1], cell.settings)
    matrix = trained(plain.train())
    assert (cell.net.theta[1] - in_a_row(plain.theta())).abs().max() < PARAMETER_TOLERANCE
    assert (trained(cell.outcomes[1].accuracy_matrix) - matrix).abs().max() < ACCURACY_TOLERANCE


@pytest.mark.parametrize("method", METHODS)
def test_heads_equal_a_plain_loop(method):
    cell = run(method, "split-digits", [4, 5], {"train_examples": 150})
    plain = PlainRun(method, cell.streams[0], cell.settings)
    matrix = trained(plain.train())
    assert (cell.net.theta[0] - in_a_row(plain.theta())).abs().max() < PARAMETER_TOLERANCE
    assert (trained(cell.outcomes[0].accuracy_matrix) - matrix).abs().max() < 0.03  # some 80 images a task


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_does_not_feel_its_company(method):
    alone = run(method, "rotated-digits", [2], {"dropout": 0.2})
    together = run(method, "rotated-digits", [0, 2, 1], {"dropout": 0.2})
    assert (alone.net.theta[0] - together.net.theta[1]).abs().max() < PARAMETER_TOLERANCE
    assert not torch.allclose(together.net.theta[0], together.net.theta[1], atol=0.01)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_run_twice_is_the_same_bit_for_bit(method):
    first, second = (run(method, "rotated-digits", [0, 1], {"dropout": 0.2}) for _ in range(2))
    assert torch.equal(first.net.theta, second.net.theta)
    assert [o.accuracy_matrix for o in first.outcomes] == [o.accuracy_matrix for o in second.outcomes]


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor has no such mode")
def test_steps_are_taken_with_denormals_as_zero_and_the_mode_is_left_as_it_was(monkeypatch):
    def small() -> float:
        return (torch.tensor(2e-38) / 4).item()

    class Looking(METHODS["naive"]):
        seen = set()

        def direction(self, net, batch):
            self.seen.add(small())
            return super().direction(net, batch)

    monkeypatch.setitem(METHODS, "naive", Looking)
    for left_on in (False, True):
        torch.set_flush_denormal(left_on)
        run("naive", "permuted-digits", [0], {})
        assert (small() == 0) == left_on
    torch.set_flush_denormal(False)
    assert Looking.seen == {0.0}


@pytest.mark.parametrize("changes", [{"scale": 1.0}, {"classes": 9}, {"heads": 2}, {"shape": (63,)}, {"train": 90}])
def test_streams_of_unequal_forms_are_refused(changes):
    settings = settings_for("naive", "permuted-digits", QUICK | {"tasks": 2})
    one, other = build("permuted-digits", 0, 2, 100), build("permuted-digits", 1, 2, changes.get("train", 100))
    streams = [one, other if "train" in changes else replace(other, **changes)]
    with pytest.raises(ValueError, match="different forms"):
        train(METHODS["naive"], streams, settings, "cpu", lambda *progress: None)


def test_a_diverged_seed_is_named_and_the_others_go_on():
    settings = settings_for("naive", "permuted-digits", QUICK | {"train_examples": 1000})
    streams = [build("permuted-digits", seed, 3, 1000) for seed in (0, 1)]
    cell = Cell(METHODS["naive"], streams, settings, "cpu")
    with torch.no_grad():
        cell.net.theta[0] = float("inf")
        broken, sound = cell.train(lambda *progress: None)
    assert (broken.status, broken.diverged, broken.accuracy_matrix) == ("diverged", {"task": 0, "step": 49}, [])
    assert (sound.status, len(sound.accuracy_matrix)) == ("complete", 3)
    assert sound.accuracy_matrix[0][0] > 0.3


def test_progress_counts_every_step_once():
    settings = settings_for("naive", "permuted-digits", QUICK | {"epochs": 2, "train_examples": 600})
    seen = []
    train(METHODS["naive"], [build("permuted-digits", 0, 3, 600)], settings, "cpu", lambda *p: seen.append(p))
    assert seen[-1] == (360, 360, 2)
    assert [step for step, _, _ in seen] == sorted({step for step, _, _ in seen})


def test_multitask_repeats_its_only_row():
    outcome = run("multitask", "permuted-digits", [0], {}).outcomes[0]
    assert outcome.accuracy_matrix == [outcome.accuracy_matrix[0]] * 3 and None not in outcome.accuracy_matrix[0]


def test_a_task_is_evaluated_from_its_own_training_on():
    matrix = run("naive", "permuted-digits", [0], {}).outcomes[0].accuracy_matrix
    assert [[value is not None for value in row] for row in matrix] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_recent_labels_are_those_of_all_tasks_of_a_phase():
    streams = [build("permuted-digits", seed, 3, 40) for seed in (0, 1)]
    part = PhaseData(streams, (0, 2), torch.device("cpu"))
    order = torch.stack([torch.randperm(80, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)])
    recent = RecentData(part, order)
    assert torch.equal(recent.labels, recent.take(torch.arange(80).expand(2, 80)).labels)
