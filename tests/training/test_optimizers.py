"""Optimizers of torch.optim on all seeds at once, against torch.optim on each seed's own module; what is refused."""

import json

import pytest
import torch

from benchmark.cli.main import main
from benchmark.common import cuda_graphs
from benchmark.records import checkpoint, store
from benchmark.records.checkpoint import Outcome
from benchmark.streams.build import build
from benchmark.training import engine
from benchmark.training.engine import Cell
from benchmark.training.external import settings_of
from benchmark.training.optimizer_names import OPTIMIZERS, REFUSED
from benchmark.training.optimizers import Optimizer, Step, TorchStep
from methods.arguments import with_arguments
from methods.errors import InputError
from methods.method import Penalty
from methods.registry import METHODS
from methods.settings import settings_for
from tests.oracles.plain import in_a_row
from tests.oracles.plain_optim import PlainOptimRun
from tests.runs.test_resume import assert_goes_on_exactly
from tests.training.test_device import rerun, train_two_phases

QUICK = {"tasks": 3, "train_examples": 100, "hidden": 32, "fisher_window": 3, "memory_batch": 7}
TOLERANCE = 2e-4
"""Largest difference of a parameter after some 60 steps in float32: sums are taken in another order."""

RULES = {
    "sgd": ({"momentum": 0.5, "optimizer.nesterov": True, "optimizer.weight_decay": 0.01}, 0.1),
    "adam": ({"optimizer.eps": 1e-3, "optimizer.betas": "(0.8, 0.99)", "optimizer.amsgrad": True}, 0.005),
    "adamw": ({"optimizer.eps": 1e-3, "optimizer.weight_decay": 0.1}, 0.005),
    "adamax": ({"optimizer.eps": 1e-3}, 0.005),
    "nadam": ({"optimizer.eps": 1e-3}, 0.005),
    "radam": ({"optimizer.eps": 1e-3}, 0.005),
    "rmsprop": ({"optimizer.eps": 1e-2, "optimizer.momentum": 0.5, "optimizer.centered": True}, 0.002),
    "adagrad": ({"optimizer.eps": 1e-3, "optimizer.initial_accumulator_value": 0.01}, 0.01),
    "adadelta": ({"optimizer.eps": 1e-3}, 0.5),
}
"""Arguments and a rate of each; a large eps, for where a gradient is tiny the quotient would magnify its rounding."""


def settings(method="naive", stream="permuted-digits", optimizer="sgd", **overrides):
    arguments, rate = RULES[optimizer]
    given = QUICK | {"optimizer": optimizer, "learning_rate": rate, "learning_rate_decay": 0.8, "momentum": 0}
    return settings_of(method, stream, given | arguments | overrides)


def cell_of(settings, method="naive", stream="permuted-digits", seeds=(0, 1, 2), device="cpu") -> Cell:
    streams = [build(stream, seed, settings.tasks, settings.train_examples) for seed in seeds]
    return Cell(METHODS[method], streams, settings, device)


@torch.no_grad()
def trained(*args, **more) -> Cell:
    cell = cell_of(*args, **more)
    cell.train(lambda *progress: None)
    return cell


def differences(cell: Cell, method: str = "naive") -> list[float]:
    """The largest difference of a parameter between each seed and the plain loop, smallest first.

    Where an input of a ReLU is 0 but for rounding, the last seed may rightly differ by more.
    """
    return sorted((cell.net.theta[i] - plain(cell, i, method)).abs().max().item() for i in range(len(cell.streams)))


def plain(cell: Cell, index: int, method: str = "naive") -> torch.Tensor:
    """The parameters of one seed trained alone, by torch.optim with its own choice of kernels."""
    values = cell.settings
    name = OPTIMIZERS[values.optimizer].torch_class
    given = {key.partition(".")[2]: value for key, value in values if key.startswith("optimizer.")}
    given |= {"betas": (0.8, 0.99)} if "betas" in given else {}
    given |= {"momentum": values.momentum} if values.optimizer == "sgd" else {}
    run = PlainOptimRun(
        method,
        cell.streams[index],
        values,
        lambda parameters, rate: getattr(torch.optim, name)(parameters, lr=rate, **given),
        values.optimizer_lifetime,
    )
    run.train()
    return in_a_row(run.theta())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("stream", "method"), [("permuted-digits", "naive"), ("split-digits", "ewc")])
def test_seeds_side_by_side_equal_torch_optim_on_each_alone(optimizer, stream, method):
    cell = trained(settings(method, stream, optimizer, epochs=2), method, stream)
    assert differences(cell, method)[1] < TOLERANCE
    assert cell.outcomes[1].status == "complete"


@pytest.mark.parametrize("lifetime", ["epoch", "task", "run"])
@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_the_state_lives_as_long_as_the_setting_says(optimizer, lifetime):
    cell = trained(settings(optimizer=optimizer, epochs=2, optimizer_lifetime=lifetime))
    assert differences(cell)[1] < TOLERANCE
    others = {"epoch", "task", "run"} - {lifetime}
    for other in others:
        theta = trained(settings(optimizer=optimizer, epochs=2, optimizer_lifetime=other)).net.theta
        assert (theta - cell.net.theta).abs().max() > 10 * TOLERANCE


@pytest.mark.parametrize("lifetime", ["task", "run"])
def test_plain_momentum_lives_longer_too(lifetime):
    values = settings_of(
        "naive", "permuted-digits", QUICK | {"momentum": 0.8, "epochs": 2} | {"optimizer_lifetime": lifetime}
    )
    cell = trained(values)
    assert differences(cell)[1] < TOLERANCE
    assert (
        cell.net.theta - trained(values.model_copy(update={"optimizer_lifetime": "epoch"})).net.theta
    ).abs().max() > 1e-3


@pytest.mark.parametrize("changes", [{}, {"momentum": 0.5}, {"optimizer_lifetime": "run"}])
def test_sgd_without_arguments_takes_the_fast_step(changes):
    optimizer = Optimizer(torch.zeros(2, 16), settings_for("naive", "permuted-digits", changes))
    assert type(optimizer.begin_epoch(0.1, None)) is Step


def test_sgd_by_torch_is_the_fast_step_up_to_rounding():
    fast = trained(settings_of("ewc", "permuted-digits", QUICK | {"momentum": 0.5}), "ewc")
    slow = trained(settings_of("ewc", "permuted-digits", QUICK | {"momentum": 0.5, "optimizer.dampening": 0}), "ewc")
    assert isinstance(slow.optimizer.begin_epoch(0.1, None), TorchStep)
    assert (fast.net.theta - slow.net.theta).abs().max() < TOLERANCE


def steps(optimizer: str, rows: list[int], count: int = 4, penalty: bool = True) -> torch.Tensor:
    """Some rows of random parameters after steps along random directions."""
    generator = torch.Generator().manual_seed(0)
    theta, strength, anchor = (torch.rand(5, 48, generator=generator)[rows] for _ in range(3))
    step = TorchStep(theta, settings(optimizer=optimizer))
    step.begin(0.05, Penalty(strength, anchor) if penalty else None)
    for _ in range(count):
        step(torch.randn(5, 48, generator=generator)[rows])
    return theta


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_row_has_the_same_bits_in_any_company(optimizer):
    together = steps(optimizer, [0, 1, 2, 3, 4])
    for row in range(5):
        assert torch.equal(steps(optimizer, [row])[0], together[row])
    assert torch.equal(steps(optimizer, [3, 1]), together[[3, 1]])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_direction_that_a_method_gives_is_left_as_it_was(optimizer):
    theta, direction = torch.ones(2, 16), torch.full((2, 16), 0.5)
    step = TorchStep(theta, settings(optimizer=optimizer))
    step.begin(0.05, Penalty(torch.ones(2, 16), torch.zeros(2, 16)))
    step(direction)
    assert torch.equal(direction, torch.full((2, 16), 0.5)) and not torch.equal(theta, torch.ones(2, 16))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_zeros_that_fill_a_row_stay_zero(optimizer):
    cell = trained(settings("ewc", optimizer=optimizer, **{"optimizer.weight_decay": 0.01}), "ewc", seeds=(0, 1))
    used = sum(weight[0].numel() + bias[0].numel() for weight, bias in cell.net.views(cell.net.theta))
    assert used < cell.net.theta.shape[1], "this network has no such zeros"
    assert torch.equal(cell.net.theta[:, used:], torch.zeros_like(cell.net.theta[:, used:]))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_state_that_lives_for_the_run_is_taken_up_exactly(optimizer, tmp_path):
    values = settings("agem", optimizer=optimizer, epochs=2, optimizer_lifetime="run", dropout=0.2, batch_size=7)
    assert_goes_on_exactly(lambda: cell_of(values, "agem"), tmp_path)
    kept = checkpoint.load(tmp_path / "1.safetensors").tensors
    assert any(name.startswith("optimizer.") and value.ndim == 2 for name, value in kept.items())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_all_that_an_optimizer_remembers_is_tensors(optimizer):
    """Else a state that is saved would lack some of it."""
    step = TorchStep(torch.ones(2, 16), settings(optimizer=optimizer))
    step.begin(0.1, None)
    step(torch.ones(2, 16))
    state = step.optimizer.state[step.parameter].values()
    assert all(isinstance(value, torch.Tensor) or value is None for value in state)
    groups = [dict(group, params=None, lr=None) for group in step.optimizer.param_groups]
    step(torch.ones(2, 16))
    assert [dict(group, params=None, lr=None) for group in step.optimizer.param_groups] == groups


@pytest.mark.parametrize("lifetime", ["epoch", "task"])
def test_a_state_that_ends_with_the_task_is_not_saved(lifetime, tmp_path):
    values = settings(optimizer="adam", epochs=2, optimizer_lifetime=lifetime)
    assert_goes_on_exactly(lambda: cell_of(values), tmp_path)
    assert not any(name.startswith("optimizer.") for name in checkpoint.load(tmp_path / "1.safetensors").tensors)


def test_the_state_of_other_networks_is_a_misfit():
    saved = trained(settings(optimizer="adam", optimizer_lifetime="run")).state()
    state = saved | {"optimizer.exp_avg": torch.zeros(3, 8)}
    for other in (
        settings(optimizer="adam", optimizer_lifetime="run"),
        settings_for("naive", "permuted-digits", QUICK),
    ):
        with pytest.raises(engine.Misfit), torch.no_grad():
            cell_of(other).restore(1, [Outcome()] * 3, state)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_task_is_trained_on_a_device_without_a_look_at_a_number(optimizer):
    there = cell_of(settings("ewc", optimizer=optimizer, epochs=2, optimizer_lifetime="run"), "ewc", device="meta")
    train_two_phases(there)
    assert there.net.theta.is_meta


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_passes_are_captured_and_whole_steps_are_not(optimizer, monkeypatch):
    eager, recorded = cell_of(settings(optimizer=optimizer)), []
    train_two_phases(eager)
    monkeypatch.setitem(
        cuda_graphs.RECORDERS, "cpu", lambda passes, inputs: recorded.append(passes.__name__) or rerun(passes, inputs)
    )
    replayed = cell_of(settings(optimizer=optimizer))
    train_two_phases(replayed)
    assert set(recorded) == {"_forward_and_back"}
    assert torch.equal(replayed.net.theta, eager.net.theta)


def test_every_optimizer_of_torch_is_offered_or_refused():
    known = {name for name, value in vars(torch.optim).items() if isinstance(value, type) and name != "Optimizer"}
    assert {row.torch_class for row in OPTIMIZERS.values()} | {n for n in known if n.lower() in REFUSED} == known
    assert not REFUSED.keys() & OPTIMIZERS.keys()


@pytest.mark.parametrize("name", ["LBFGS", "adafactor", "Muon", "SparseAdam", "asgd", "Rprop"])
def test_an_optimizer_that_mixes_elements_is_refused_with_the_reason(name):
    with pytest.raises(InputError, match=f"optimizer '{name}' cannot train a run: it") as error:
        settings_of("naive", "permuted-digits", {"optimizer": name})
    assert REFUSED[name.lower()] in str(error.value)


WRONG = {
    "a name": ({"optimizer": "adamm"}, "unknown optimizer 'adamm': did you mean 'adam'?"),
    "no name": ({"optimizer": "qqq"}, "unknown optimizer 'qqq': known are sgd, adam,"),
    "a lifetime": (
        {"optimizer_lifetime": "week"},
        "'optimizer_lifetime' cannot be 'week': it should be 'epoch', 'task'",
    ),
    "an argument": ({"optimizer": "adam", "optimizer.weight_decey": 1}, "did you mean 'optimizer.weight_decay'?"),
    "an argument of none": ({"optimizer": "adam", "optimizer.zzz": 1}, "known are betas, eps, weight_decay, amsgrad"),
    "the rate": (
        {"optimizer": "adam", "optimizer.lr": 1},
        "optimizer.lr is not available: give the setting 'learning_rate'",
    ),
    "the rate of sgd": ({"optimizer.lr": 1}, "optimizer.lr is not available"),
    "the parameters": ({"optimizer": "adam", "optimizer.params": 1}, "chosen by the suite"),
    "a kernel": ({"optimizer": "adam", "optimizer.fused": True}, "chosen by the suite"),
    "uphill": ({"optimizer.maximize": True}, "chosen by the suite"),
    "momentum of another": (
        {"optimizer": "adam", "momentum": 0.5},
        "'momentum' is only for SGD, adam would ignore its value 0.5",
    ),
    "momentum twice": ({"optimizer.momentum": 0.5}, "give --set momentum=VALUE"),
    "a range": (
        {"optimizer": "adam", "optimizer.betas": "(0.9, 1.5)"},
        "'adam' cannot be created: Invalid beta parameter",
    ),
    "a negative decay": ({"optimizer.weight_decay": -1}, "Invalid weight_decay value: -1"),
    "Nesterov without": ({"optimizer.nesterov": True}, "Nesterov momentum requires a momentum"),
    "a number as text": (
        {"optimizer": "adam", "optimizer.eps": "tiny"},
        "optimizer.eps cannot be 'tiny': it should be a number",
    ),
    "a truth as number": (
        {"optimizer": "adam", "optimizer.eps": True},
        "optimizer.eps cannot be 'True': it should be a number",
    ),
    "a number as truth": (
        {"optimizer": "adam", "optimizer.amsgrad": 1},
        "amsgrad cannot be '1': it should be True or False",
    ),
    "one of two": ({"optimizer": "adam", "optimizer.betas": 0.9}, "it should be 2 numbers, as '(0.9, 0.999)'"),
    "no division": ({"optimizer": "adam", "optimizer.eps": 0}, "optimizer.eps cannot be 0"),
    "infinite": ({"optimizer": "adam", "optimizer.eps": "1e999"}, "optimizer.eps cannot be 1e999: it should be finite"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_in_a_line_before_anything_is_trained(case, tmp_path, capsys):
    changes, said = WRONG[case]
    pairs = [word for name, value in changes.items() for word in ("--set", f"{name}={value}")]
    command = ["run", "--method", "naive", "--stream", "permuted-digits", "--results", str(tmp_path / "none")]
    assert main([*command, *pairs]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and len(err.splitlines()) == 1
    assert not (tmp_path / "none").exists()


def test_a_cell_refuses_what_planning_would():
    values = with_arguments(settings_for("naive", "permuted-digits", QUICK), {"optimizer.zzz": 1})
    with pytest.raises(InputError, match="takes no 'optimizer.zzz'"):
        trained(values)


def test_a_typed_run_is_recorded_with_its_optimizer(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("benchmark.runs.executors.base.cores", lambda: 1)
    small = [
        "--method",
        "naive",
        "--stream",
        "split-digits",
        "--seed",
        "0",
        "--set",
        "train_examples=30",
        "--set",
        "tasks=2",
    ]
    chosen = ["--set", "optimizer=adamw", "--set", "optimizer.betas=(0.8, 0.99)", "--set", "learning_rate=0.01"]
    assert main(["run", *small, *chosen, "--results", str(tmp_path)]) == 0
    (file,) = (tmp_path / "split-digits" / "naive").glob("*.json")
    recorded = store.load(file).settings
    assert recorded["optimizer"] == "adamw" and recorded["optimizer.betas"] == "(0.8, 0.99)"
    assert "optimizer_lifetime" not in recorded and "schedule" not in recorded
    capsys.readouterr()
    assert main(["run", *small, *chosen, "--results", str(tmp_path)]) == 0
    assert "none to do" in capsys.readouterr().out


def test_the_list_shows_the_optimizers_and_the_settings_their_sources(capsys):
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert all(f"torch.optim.{row.torch_class} " in listed and row.reference in listed for row in OPTIMIZERS.values())
    assert main(["list", "--json"]) == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)["optimizers"]] == list(OPTIMIZERS)
    chosen = ["--set", "optimizer=adam", "--set", "optimizer.eps=0.001"]
    assert main(["list", "--json", "--method", "stable-sgd", "--stream", "permuted-digits", *chosen]) == 0
    (cell,) = json.loads(capsys.readouterr().out)
    assert cell["settings"]["optimizer.eps"] == {"value": 0.001, "source": "given here"}
    assert cell["settings"]["optimizer_lifetime"] == {
        "value": "epoch",
        "source": "published code, stable_sgd/main.py: a new one every epoch",
    }
