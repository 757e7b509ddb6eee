"""Avalanche's strategies as rows: the same records, and the suite's numbers wherever the definitions agree."""

import warnings

import numpy as np
import pytest
import torch

from benchmark.cli.main import main
from benchmark.common.randomness import Randomness
from benchmark.records import checkpoint, store
from benchmark.streams.build import build
from benchmark.training import engine
from benchmark.training.avalanche.modules import module_for
from benchmark.training.avalanche.strategies import strategy_named
from methods.errors import InputError
from methods.registry import METHODS
from methods.settings import settings_for

SMALL = {"tasks": 2, "train_examples": 100, "hidden": 16, "epochs": 3}


def ours(method: str, stream: str, seed: int, **changes) -> checkpoint.Outcome:
    settings = settings_for(method, stream, SMALL | changes)
    return engine.train(METHODS[method], [build(stream, seed, 2, 100)], settings, "cpu", lambda *_: None)[0]


def theirs(name: str, stream: str, seed: int, **changes) -> checkpoint.Outcome:
    return side_by_side(name, stream, [seed], **changes)[0]


def side_by_side(name: str, stream: str, seeds: list[int], **changes) -> list[checkpoint.Outcome]:
    method = strategy_named(f"avalanche:{name}")
    settings = settings_for(method.id, stream, SMALL | changes, method.Settings)
    streams = [build(stream, seed, 2, 100) for seed in seeds]
    return method.train(method, streams, settings, "cpu", lambda *_: None)


def assert_same(one: checkpoint.Outcome, two: checkpoint.Outcome) -> None:
    # an answer that the last bit decides may differ
    assert np.allclose(*(np.array(each.accuracy_matrix, float) for each in (one, two)), atol=0.015, equal_nan=True)


@pytest.mark.parametrize("stream", ["permuted-digits", "split-digits"])
def test_naive_is_the_suites_naive(stream):
    long = {"hidden": 64, "epochs": 8}
    mine = ours("naive", stream, 1, **long)
    assert_same(mine, theirs("Naive", stream, 1, **long))
    assert mine.accuracy_matrix[1][1] > 0.4  # it has learned


def test_an_optimizer_is_kept_through_the_run_as_the_suites_with_that_lifetime():
    adam = {"optimizer": "adam", "learning_rate": 0.003}
    their = theirs("Naive", "permuted-digits", 1, **adam)
    assert_same(ours("naive", "permuted-digits", 1, optimizer_lifetime="run", **adam), their)
    anew = ours("naive", "permuted-digits", 1, **adam)
    assert not np.allclose(
        np.array(anew.accuracy_matrix, float), np.array(their.accuracy_matrix, float), equal_nan=True
    )


@pytest.mark.parametrize("changes", [{"schedule": "cosine"}, {"optimizer_lifetime": "task"}])
def test_a_schedule_and_a_lifetime_are_refused(changes):
    with pytest.raises(InputError, match=f"avalanche:Naive cannot have .*{next(iter(changes))}: Avalanche"):
        theirs("Naive", "permuted-digits", 0, **changes)


def test_agem_is_the_suites_agem_where_both_remember_all_of_the_first_task():
    mine = ours("agem", "permuted-digits", 2, memory_per_class=10, memory_batch=100)
    their = theirs("AGEM", "permuted-digits", 2, patterns_per_exp=100, sample_size=100)
    assert_same(mine, their)
    assert mine.accuracy_matrix[1] != ours("naive", "permuted-digits", 2).accuracy_matrix[1]


def test_ewc_without_strength_is_naive_and_with_it_is_not():
    naive = theirs("Naive", "permuted-digits", 1)
    assert theirs("EWC", "permuted-digits", 1, ewc_lambda=0.0).accuracy_matrix == naive.accuracy_matrix
    assert (
        theirs("EWC", "permuted-digits", 1, ewc_lambda=1e3, learning_rate=0.05).accuracy_matrix[1]
        != (theirs("Naive", "permuted-digits", 1, learning_rate=0.05).accuracy_matrix[1])
    )


@pytest.mark.parametrize("stream, shape", [("split-digits", (1, 8, 8)), ("permuted-digits", (1, 8, 8))])
def test_the_module_is_the_engines_network(stream, shape):
    built, settings = build(stream, 0, 2, 50), settings_for("naive", stream, SMALL)
    cell = engine.Cell(METHODS["naive"], [built], settings, "cpu")
    module = module_for(built, settings, Randomness([0], torch.device("cpu")))
    images = torch.rand(5, *shape)
    for head in range(built.heads):
        outputs = module(images) if built.heads == 1 else module(images, head)
        assert torch.allclose(outputs, cell.net.logits(images, 0, head), atol=1e-6)


def test_the_resnet_module_is_the_engines_network(tmp_path):
    from tests.streams.test_external import SHAPES

    path = tmp_path / "images.py"
    path.write_text(SHAPES, encoding="utf-8")
    built = build(str(path), 0, 2, 0, None, (("channels", 3), ("side", 32), ("labels", "[0, 1]")))
    settings = settings_for("naive", "split-cifar100", {"tasks": 2})
    cell = engine.Cell(METHODS["naive"], [built], settings, "cpu")
    module = module_for(built, settings, Randomness([0], torch.device("cpu"))).eval()
    images = torch.rand(3, 3, 32, 32)
    for head in (0, 1):
        assert torch.allclose(module(images, head), cell.net.logits(images, 0, head), atol=1e-5)


def test_joint_training_is_one_phase_of_all_tasks():
    outcome = theirs("JointTraining", "permuted-digits", 0)
    assert outcome.accuracy_matrix[0] == outcome.accuracy_matrix[1]


def test_divergence_is_told_with_task_and_step():
    outcome = theirs("Naive", "permuted-digits", 0, learning_rate=1e30)
    assert outcome.status == "diverged" and outcome.diverged == {"task": 0, "step": 29}
    assert outcome.accuracy_matrix == []


def test_the_global_generators_and_the_order_of_the_seeds_do_not_matter():
    torch.manual_seed(1)
    first, state = theirs("Replay", "permuted-digits", 3, epochs=1, mem_size=20), torch.get_rng_state()
    torch.manual_seed(2)
    assert theirs("Replay", "permuted-digits", 3, epochs=1, mem_size=20).accuracy_matrix == first.accuracy_matrix
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)
    _, beside = side_by_side("Replay", "permuted-digits", [4, 3], epochs=1, mem_size=20)
    assert beside.accuracy_matrix == first.accuracy_matrix


def test_rows_are_recorded_and_shown(tmp_path, capsys):
    command = [
        "run",
        "--method",
        "avalanche:Replay",
        "--method",
        "naive",
        "--stream",
        "permuted-digits",
        "--seeds",
        "2",
        "--set",
        "tasks=2",
        "--set",
        "train_examples=30",
        "--jobs",
        "1",
        "--results",
        str(tmp_path),
    ]
    assert main(command) == 0
    found = [record for record in store.load_all(tmp_path) if record.method == "avalanche:Replay"]
    assert [record.seed for record in found] == [0, 1] and found[0].settings["mem_size"] == 200
    capsys.readouterr()
    assert main(command) == 0
    assert "4 recorded already, none to do" in capsys.readouterr().out
    assert main(["table", "--method", "avalanche:Replay", "--results", str(tmp_path)]) == 0
    assert "avalanche:Replay" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name, changes, part",
    [
        ("avalanche:lwf", [], "did you mean 'avalanche:LwF'?"),
        ("avalanche:Replay", ["mem_sise=3"], "did you mean 'mem_size'?"),
        ("avalanche:Replay", ["mem_size=x"], "mem_size"),
        ("avalanche:PNNStrategy", ["tasks=2", "train_examples=30"], "needs a progressive network (PNN)"),
    ],
)
def test_what_cannot_be_run_is_one_line(tmp_path, capsys, name, changes, part):
    sets = [word for change in changes for word in ("--set", change)]
    command = ["run", "--method", name, "--stream", "permuted-digits", "--seed", "0", *sets]
    assert main([*command, "--jobs", "1", "--results", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert part in err and err.count("\n") == 1


def test_an_unknown_strategy_names_those_there_are():
    with pytest.raises(InputError, match="SynapticIntelligence"):
        strategy_named("avalanche:Zzz")


def test_what_the_library_says_about_itself_is_not_shown():
    with warnings.catch_warnings(record=True) as seen:
        theirs("Replay", "permuted-digits", 0, epochs=1, mem_size=20)
    assert seen == []
