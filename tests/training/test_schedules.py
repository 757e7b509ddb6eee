"""Learning-rate schedules: formulas against torch.optim.lr_scheduler, runs against a plain loop, what is refused."""

import json
import re
import shlex
from pathlib import Path

import pytest
import torch
from torch.optim import lr_scheduler

from benchmark.cli.main import main
from benchmark.common import cuda_graphs
from benchmark.records import store
from benchmark.streams.build import build
from benchmark.training import external, schedules
from benchmark.training.conformance import findings
from benchmark.training.engine import Cell
from benchmark.training.external import settings_of
from benchmark.training.optimizer_names import OPTIMIZERS
from benchmark.training.phases import PhaseData
from benchmark.training.schedules import SCHEDULES, rates, schedule_of
from methods.clock import Clock
from methods.errors import InputError
from methods.method import Method
from methods.registry import METHODS
from tests.oracles.plain import in_a_row
from tests.oracles.plain_optim import PlainOptimRun
from tests.runs.test_resume import assert_goes_on_exactly
from tests.training.test_device import rerun, train_two_phases

QUICK = {"tasks": 3, "train_examples": 100, "hidden": 32, "epochs": 2, "momentum": 0, "learning_rate": 0.2}
TOLERANCE = 2e-4
PHASES, EPOCHS, STEPS = 3, 4, 40
"""Of the clocks below: STEPS of a phase, in all its EPOCHS."""


def schedule(name: str, **arguments):
    given = {"schedule": name} | {f"schedule.{key}": value for key, value in arguments.items()}
    return schedule_of(settings_of("naive", "permuted-digits", given))


def clocks() -> list[Clock]:
    """Of every step of a run."""
    return [
        Clock(phase, PHASES, step * EPOCHS // STEPS, EPOCHS, step, STEPS, phase * STEPS + step, PHASES * STEPS)
        for phase in range(PHASES)
        for step in range(STEPS)
    ]


def factors(name: str, **arguments) -> list[float]:
    chosen = schedule(name, **arguments)
    return [1.0 if chosen is None else chosen(clock) for clock in clocks()]


def of_torch(made, count: int) -> list[float]:
    """The rates of a scheduler of PyTorch over `count` steps, of an optimizer whose rate is 1."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler, rates = made(optimizer), []
    for _ in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def one_cycle(**arguments):
    """PyTorch's, which refuses to be asked for the rate after its last step."""

    class Ending(lr_scheduler.OneCycleLR):
        def step(self, epoch=None):
            if self.last_epoch + 1 < self.total_steps:
                super().step(epoch)

    return lambda o, n: Ending(o, 1.0, total_steps=n, cycle_momentum=False, **arguments)


CURVES = {
    "constant": ({}, lambda o, n: lr_scheduler.ConstantLR(o, factor=1.0, total_iters=n)),
    "step": ({"step_size": 7, "gamma": 0.5}, lambda o, n: lr_scheduler.StepLR(o, 7, 0.5)),
    "linear": (
        {"start_factor": 0.9, "end_factor": 0.2},
        lambda o, n: lr_scheduler.LinearLR(o, start_factor=0.9, end_factor=0.2, total_iters=n),
    ),
    "cosine": ({"min_factor": 0.05}, lambda o, n: lr_scheduler.CosineAnnealingLR(o, n, eta_min=0.05)),
    "cosine-restarts": (
        {"T_0": 5, "T_mult": 2, "min_factor": 0.1},
        lambda o, n: lr_scheduler.CosineAnnealingWarmRestarts(o, 5, 2, eta_min=0.1),
    ),
    "exponential": ({"gamma": 0.9}, lambda o, n: lr_scheduler.ExponentialLR(o, 0.9)),
    "one-cycle": (
        {"pct_start": 0.4, "div_factor": 10, "final_div_factor": 100},
        one_cycle(pct_start=0.4, div_factor=10, final_div_factor=100),
    ),
}


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("total", [1, 2, 9, 40, 700])
def test_a_curve_is_that_of_torch(name, total):
    arguments, made = CURVES[name]
    ours = [SCHEDULES[name](t, total, **arguments) for t in range(total)]
    assert ours == pytest.approx(of_torch(lambda optimizer: made(optimizer, total), total), rel=1e-9, abs=1e-12)


def test_every_curve_is_compared_and_restarts_of_equal_length_too():
    assert CURVES.keys() == {name for name, curve in SCHEDULES.items() if curve.__module__ == schedules.__name__}
    ours = [SCHEDULES["cosine-restarts"](t, 100, T_0=7) for t in range(100)]
    assert ours == pytest.approx(of_torch(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 7), 100), abs=1e-12)


@pytest.mark.parametrize("name", CURVES)
def test_the_defaults_are_those_of_torch(name):
    """Where an argument may be left out."""
    needed = {key: value for key, value in CURVES[name][0].items() if schedules.arguments_taken(name)[key] is None}
    ours = [SCHEDULES[name](t, 20, **needed) for t in range(20)]
    made = {
        "step": lambda o: lr_scheduler.StepLR(o, 7),
        "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 20),
        "cosine-restarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 5),
        "exponential": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
        "one-cycle": lambda o: one_cycle()(o, 20),
        "linear": lambda o: lr_scheduler.LinearLR(o, start_factor=1.0, end_factor=0.0, total_iters=20),
        "constant": lambda o: lr_scheduler.ConstantLR(o, factor=1.0),
    }[name]
    assert ours == pytest.approx(of_torch(made, 20), abs=1e-12)


@pytest.mark.parametrize("name", ["cosine", "linear", "exponential"])
def test_warm_up_is_torchs_sequence_of_a_linear_rise_and_the_schedule(name):
    arguments, made = CURVES[name]

    def sequence(optimizer):
        rise = lr_scheduler.LinearLR(optimizer, start_factor=0.1, end_factor=1.0, total_iters=8)
        return lr_scheduler.SequentialLR(optimizer, [rise, made(optimizer, STEPS - 8)], milestones=[8])

    ours = factors(name, warmup=8, warmup_start=0.1, **arguments)
    assert ours[:STEPS] == pytest.approx(of_torch(sequence, STEPS), abs=1e-9)
    assert ours[STEPS : 2 * STEPS] == ours[:STEPS]


def test_warm_up_rises_from_zero_and_ends_in_the_rate_itself():
    ours = factors("constant", warmup=4)
    assert ours[:6] == [0, 0.25, 0.5, 0.75, 1, 1] and ours[STEPS] == 0
    over_run = factors("constant", warmup=4, span="run")
    assert over_run[:5] == ours[:5] and set(over_run[4:]) == {1.0}
    assert factors("constant", warmup=10**6)[:3] == pytest.approx([0, 1e-6, 2e-6])


UNITS = {
    ("step", "task"): lambda c: (c.step, STEPS),
    ("step", "run"): lambda c: (c.phase * STEPS + c.step, PHASES * STEPS),
    ("epoch", "task"): lambda c: (c.step // 10, EPOCHS),
    ("epoch", "run"): lambda c: (c.phase * EPOCHS + c.step // 10, PHASES * EPOCHS),
    ("task", "run"): lambda c: (c.phase, PHASES),
}


@pytest.mark.parametrize(("unit", "span"), UNITS)
def test_time_is_counted_in_the_unit_over_the_span(unit, span):
    wanted = [SCHEDULES["cosine"](*UNITS[unit, span](clock)) for clock in clocks()]
    assert factors("cosine", unit=unit, span=span) == wanted
    if span == "task" or unit == "task":
        assert factors("cosine", unit=unit) == wanted, "the span need not be said"
    assert len(set(wanted)) == {"step": STEPS, "epoch": EPOCHS, "task": PHASES}[unit] * (
        PHASES if span == "run" and unit != "task" else 1
    )


@pytest.mark.parametrize("name", CURVES)
def test_a_factor_is_never_above_1_nor_below_0(name):
    for span in ("task", "run"):
        assert all(0 <= factor <= 1 for factor in factors(name, span=span, warmup=3, **CURVES[name][0]))


def test_without_a_schedule_the_rate_is_the_methods_own_number():
    assert schedule("constant") is None
    assert rates(None, 0.1, clocks()[0], 3) == [0.1, 0.1, 0.1]
    assert Method.schedule is None and all(method.schedule is None for method in METHODS.values())


# Runs


def cell_of(settings, method="naive", seeds=(0, 1, 2), method_class=None, device="cpu") -> Cell:
    streams = [build("permuted-digits", seed, settings.tasks, settings.train_examples) for seed in seeds]
    return Cell(method_class or METHODS[method], streams, settings, device)


@torch.no_grad()
def trained(*args, **more) -> Cell:
    cell = cell_of(*args, **more)
    cell.train(lambda *progress: None)
    return cell


def settings(name="cosine", method="naive", **overrides):
    return settings_of(method, "permuted-digits", QUICK | {"schedule": name} | overrides)


@pytest.mark.parametrize("method", ["naive", "ewc", "er-reservoir"])
@pytest.mark.parametrize(
    ("unit", "optimizer"), [("step", "sgd"), ("epoch", "sgd"), ("step", "momentum"), ("step", "rmsprop")]
)
def test_a_run_equals_a_plain_loop_with_torchs_scheduler(method, unit, optimizer):
    """The rate restarts with each task, from the rate that has decayed from task to task."""
    changes = {"learning_rate_decay": 0.8, "schedule.unit": unit, "optimizer_lifetime": "task"}
    more = {
        "sgd": {},
        "momentum": {"momentum": 0.5, "epochs": 1, "optimizer_lifetime": "epoch"},  # the fast step has momentum here
        "rmsprop": {"optimizer": "rmsprop", "learning_rate": 0.01, "optimizer.eps": 0.01},
    }[optimizer]
    cell = trained(settings("cosine", method, **changes | more), method)
    differences = []
    for index, stream in enumerate(cell.streams):
        run = PlainOptimRun(
            method,
            stream,
            cell.settings,
            lambda parameters, rate: (
                torch.optim.RMSprop(parameters, lr=rate, eps=0.01)
                if optimizer == "rmsprop"
                else torch.optim.SGD(parameters, lr=rate, momentum=cell.settings.momentum)
            ),
            "task",
            lambda made, steps, epochs: lr_scheduler.CosineAnnealingLR(made, steps if unit == "step" else epochs),
            unit,
        )
        run.train()
        differences.append((cell.net.theta[index] - in_a_row(run.theta())).abs().max().item())
    assert sorted(differences)[1] < TOLERANCE, "one seed may have an input of a ReLU that is 0 but for rounding"
    wanted = {("step", 2): 60, ("step", 1): 30, ("epoch", 2): 6}[unit, cell.settings.epochs]
    assert len(set(run.rates)) == wanted, "the loop had other rates from step to step"


def test_over_the_run_a_rate_falls_once_and_steps_count_on():
    seen = []

    class Looking(METHODS["naive"]):
        def direction(self, net, batch):
            seen.append((batch.task, batch.steps_left))
            return super().direction(net, batch)

    values = settings("linear", **{"schedule.span": "run"})
    cell = cell_of(values, method_class=Looking)
    planned = [
        rate
        for phase in range(3)
        for epoch in range(2)
        for rate in rates(cell.schedule, cell.method.learning_rate(phase), cell._clock(phase, epoch, 10), 10)
    ]
    assert planned == pytest.approx([0.2 * (1 - k / 60) for k in range(60)])
    with torch.no_grad():
        cell.train(lambda *progress: None)
    assert len(seen) == 60


@pytest.mark.parametrize("span", ["task", "run"])
def test_a_run_is_taken_up_at_its_place_in_the_schedule(span, tmp_path):
    values = settings("one-cycle", "agem", **{"schedule.span": span, "dropout": 0.2})
    assert_goes_on_exactly(lambda: cell_of(values, "agem"), tmp_path)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_a_schedule(method):
    plain, falling = (
        trained(settings(name, method, **more), method, (0, 1))
        for name, more in (("constant", {}), ("exponential", {"schedule.gamma": 0.9}))
    )
    assert (plain.net.theta - falling.net.theta).abs().max() > 1e-3
    assert falling.outcomes[0].status == "complete"


def test_a_rate_of_zero_leaves_the_parameters_as_they_are():
    cell = cell_of(settings("constant", **{"schedule.warmup": 1, "schedule.unit": "task"}))
    before = cell.net.theta.clone()
    with torch.no_grad():
        cell._train_phase(0, PhaseData(cell.streams, cell.phases[0], cell.device), lambda step: None)
    assert torch.equal(cell.net.theta, before)


@pytest.mark.parametrize(
    ("name", "changes", "whole"),
    [
        ("constant", {}, 4),
        ("cosine", {}, 0),
        ("cosine", {"schedule.unit": "epoch"}, 4),
        ("cosine", {"schedule.unit": "task"}, 4),
        ("constant", {"schedule.warmup": 3}, 2),  # the second epoch of a task has one rate
    ],
)
def test_a_whole_step_is_captured_once_an_epoch_that_has_one_rate(name, changes, whole, monkeypatch):
    eager, recorded = cell_of(settings(name, **changes)), []
    train_two_phases(eager)

    def recorder(passes, inputs):
        recorded.append(passes.__name__)
        return rerun(passes, inputs)

    monkeypatch.setitem(cuda_graphs.RECORDERS, "cpu", recorder)
    replayed = cell_of(settings(name, **changes))
    train_two_phases(replayed)
    assert torch.equal(replayed.net.theta, eager.net.theta)
    assert recorded.count("_forward_and_back") == 1 and recorded.count("whole_step") == whole


def test_a_task_is_trained_on_a_device_without_a_look_at_a_number():
    there = cell_of(settings("one-cycle", "ewc"), "ewc", device="meta")
    train_two_phases(there)
    assert there.net.theta.is_meta


# Schedules of a method's file

OWN = '''\
"""A method with a schedule of its own."""
from methods.method import Method

class Mine(Method):
    id = "mine"

    def schedule(self, clock):
        """Half the rate in every second epoch."""
        return 0.5 if clock.epoch % 2 else 1.0
'''
ADDED = '''\
"""A method, and a schedule that its file adds."""
from typing import Annotated
from pydantic import Field
from benchmark.training.schedules import schedule
from methods.method import Method

@schedule("inverse-root")
def inverse_root(t: int, total: int, offset: Annotated[float, Field(gt=0)] = 1.0) -> float:
    """sqrt(offset / (t + offset))"""
    return (offset / (t + offset)) ** 0.5

class Mine(Method):
    id = "mine"
'''
RUN = ["run", "--stream", "split-digits", "--seed", "0", "--set", "tasks=2", "--set", "train_examples=30"]


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty current directory; schedules that files add are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("benchmark.runs.executors.base.cores", lambda: 1)
    known = dict(SCHEDULES)
    yield tmp_path
    SCHEDULES.clear()
    SCHEDULES.update(known)


def recorded(folder: Path) -> dict[str, object]:
    (file,) = (folder / "results" / "split-digits" / "mine").glob("*.json")
    return store.load(file).settings


def test_a_methods_own_schedule_is_its_rate(here, capsys):
    (here / "own.py").write_text(OWN)
    assert main([*RUN, "--method", "./own.py"]) == 0
    assert "schedule" not in recorded(here)
    method = external.method_named(str(here / "own.py"))
    values = settings_of(str(here / "own.py"), "permuted-digits", QUICK)
    cell = trained(values, method_class=method)
    run = PlainOptimRun(
        "naive",
        cell.streams[0],
        values,
        lambda parameters, rate: torch.optim.SGD(parameters, lr=rate),
        "task",
        lambda made, steps, epochs: lr_scheduler.LambdaLR(made, lambda epoch: 0.5 if epoch % 2 else 1.0),
        "epoch",
    )
    run.train()
    assert (cell.net.theta[0] - in_a_row(run.theta())).abs().max() < TOLERANCE
    assert all(finding.why is None for finding in findings(method))
    for changes in ("schedule=cosine", "schedule.warmup=3"):
        assert main([*RUN, "--method", "./own.py", "--set", changes]) == 2
        assert "the method has a schedule of its own" in capsys.readouterr().err


@pytest.mark.parametrize("given", ["None", "float('nan')", "-1.0", "float('inf')", "'0.5'"])
def test_what_is_no_factor_is_told_in_a_line(here, capsys, given):
    (here / "bad.py").write_text(OWN.replace("0.5 if clock.epoch % 2 else 1.0", given))
    assert main([*RUN, "--method", "./bad.py"]) == 2
    err = capsys.readouterr().err
    assert "the schedule returns" in err and "return a finite number of 0 or more" in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("wrong", ['schedule = "cosine"', "def schedule(self):\n        return 1.0"])
def test_a_schedule_that_cannot_be_called_is_refused_with_its_line(here, capsys, wrong):
    (here / "wrong.py").write_text(
        f'"""A method."""\nfrom methods.method import Method\n\nclass Mine(Method):\n    id = "mine"\n    {wrong}\n'
    )
    assert main([*RUN, "--method", "./wrong.py"]) == 2
    assert "schedule must take (self, clock)" in capsys.readouterr().err


def test_an_error_in_a_schedule_names_its_line(here, capsys):
    (here / "raises.py").write_text(OWN.replace("0.5 if clock.epoch % 2 else 1.0", "clock.tasks"))
    assert main([*RUN, "--method", "./raises.py"]) == 2
    assert "raises.py, line 9: AttributeError" in capsys.readouterr().err


def test_one_decorated_function_adds_a_schedule(here, capsys):
    (here / "added.py").write_text(ADDED)
    chosen = ["--set", "schedule=inverse-root", "--set", "schedule.offset=4"]
    assert main([*RUN, "--method", "./added.py", *chosen]) == 0
    assert recorded(here)["schedule"] == "inverse-root" and recorded(here)["schedule.offset"] == 4
    values = settings_of(str(here / "added.py"), "permuted-digits", {"schedule": "inverse-root", "schedule.offset": 4})
    falling = schedule_of(values, external.method_named(str(here / "added.py")))
    assert [falling(clock) for clock in clocks()[:13:12]] == [1.0, 0.5]
    capsys.readouterr()
    assert main([*RUN, "--method", "./added.py", "--set", "schedule=inverse-root", "--set", "schedule.offset=-1"]) == 2
    assert "schedule.offset cannot be '-1': it should be greater than 0" in capsys.readouterr().err


def test_a_schedule_of_one_methods_file_is_that_methods_alone(here):
    (here / "added.py").write_text(ADDED)
    external.method_named(str(here / "added.py"))
    assert "inverse-root" in SCHEDULES
    with pytest.raises(InputError, match="unknown schedule 'inverse-root'"):
        settings_of("naive", "permuted-digits", {"schedule": "inverse-root"})


def test_the_suites_schedules_cannot_be_replaced(here, capsys):
    (here / "thief.py").write_text(ADDED.replace("inverse-root", "cosine"))
    before = SCHEDULES["cosine"]
    assert main([*RUN, "--method", "./thief.py"]) == 2
    assert "there is a schedule 'cosine' already" in capsys.readouterr().err and SCHEDULES["cosine"] is before


WRONG = {
    "a name": ({"schedule": "cosin"}, "unknown schedule 'cosin': did you mean 'cosine'?"),
    "no name": ({"schedule": "qqq"}, "known are constant, step, linear, cosine,"),
    "an argument": (
        {"schedule": "step", "schedule.gama": 0.5, "schedule.step_size": 3},
        "did you mean 'schedule.gamma'?",
    ),
    "an argument of none": ({"schedule.gamma": 0.5}, "'constant' takes no 'schedule.gamma': known are unit, span,"),
    "what it needs": ({"schedule": "step"}, "'step' needs step_size: give --set schedule.step_size=VALUE"),
    "a range": (
        {"schedule": "exponential", "schedule.gamma": 2},
        "gamma cannot be '2': it should be less than or equal to 1",
    ),
    "text": ({"schedule": "cosine", "schedule.min_factor": "low"}, "it should be a valid number"),
    "half a step": ({"schedule.warmup": 2.5}, "schedule.warmup cannot be '2.5': it should be a valid integer"),
    "a truth": ({"schedule.warmup": True}, "schedule.warmup cannot be 'True': it should be a valid integer"),
    "a unit": ({"schedule": "cosine", "schedule.unit": "day"}, "it should be 'step', 'epoch' or 'task'"),
    "a span": ({"schedule": "cosine", "schedule.span": "epoch"}, "it should be 'task' or 'run'"),
    "a task within a task": (
        {"schedule": "cosine", "schedule.unit": "task", "schedule.span": "task"},
        "schedule.unit=task gives each task one rate, so it spans the run",
    ),
    "infinite": ({"schedule": "one-cycle", "schedule.div_factor": "1e999"}, "schedule.div_factor cannot be 1e999"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_in_a_line_before_anything_is_trained(case, tmp_path, capsys):
    changes, said = WRONG[case]
    pairs = [word for name, value in changes.items() for word in ("--set", f"{name}={value}")]
    assert main([*RUN, "--method", "naive", "--results", str(tmp_path / "none"), *pairs]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and len(err.splitlines()) == 1
    assert not (tmp_path / "none").exists()


def test_the_list_shows_the_schedules_with_their_arguments(capsys):
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert "gamma^floor(t / step_size)" in listed and "step_size=VALUE, gamma=0.1" in listed
    assert main(["list", "--json"]) == 0
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out)["schedules"]}
    assert rows.keys() == SCHEDULES.keys()
    assert rows["step"]["arguments"] == {"step_size": None, "gamma": 0.1}


def test_the_page_has_every_schedule_and_optimizer_and_commands_that_work(capsys):
    page = (Path(__file__).resolve().parents[2] / "docs/schedules.md").read_text(encoding="utf-8")
    for name in SCHEDULES:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
        arguments = row.rpartition("|")[0].rpartition("|")[2]
        said = {word.strip().removesuffix(" needed").partition("=")[0] for word in arguments.split(",")} - {""}
        assert said == schedules.arguments_taken(name).keys()
    assert all(f"`{name}`" in page for name in OPTIMIZERS)
    commands = re.findall(r"^\$ python -m benchmark run (.*)$", page, re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        assert main(["list", "--json", *shlex.split(command)]) == 0, capsys.readouterr().err
