"""Probes: they change no number of a run, measure what they say, and go on exactly where a run was stopped."""

import importlib.metadata
import random
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark.cli.main import main
from benchmark.records import checkpoint, store
from benchmark.runs import resume
from benchmark.streams.build import build
from benchmark.training import measuring
from benchmark.training import probes as named
from benchmark.training.engine import Cell
from benchmark.training.probe import Probe
from methods.errors import InputError
from methods.registry import METHODS
from methods.settings import settings_for

QUICK = {"tasks": 3, "train_examples": 60, "hidden": 20, "dropout": 0.2, "memory_batch": 5, "momentum": 0.5}
OFTEN = "continual:every=2,examples=15"
RUN = ["run", "--stream", "split-digits", "--seeds", "2", "--set", "tasks=3", "--set", "train_examples=40"]


pytestmark = pytest.mark.usefixtures("one_core")


def cell_of(method: str, stream: str, *measure: str, overrides=QUICK) -> Cell:
    settings = settings_for(method, stream, overrides)
    streams = [build(stream, seed, settings.tasks, settings.train_examples) for seed in (0, 1)]
    return Cell(METHODS[method], streams, settings, "cpu", named.asked(measure))


def trained(cell: Cell, keep=lambda cell: None) -> Cell:
    with torch.no_grad():
        cell.train(lambda *progress: None, keep)
    return cell


def numbers(results: Path) -> list[dict]:
    """What the records say, but for moments, digests and measurements."""
    left_out = {"seconds": True, "measurements": True, "provenance": {"started", "digest"}}
    return [record.model_dump(exclude=left_out) for record in store.load_all(results)]


def run(results: Path, *more: str, code: int = 0) -> None:
    assert main([*RUN, "--jobs", "1", "--results", str(results), *more]) == code


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    """Two runs of naive and two of agem, not measured."""
    results = tmp_path_factory.mktemp("plain")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmark.runs.executors.base.cores", lambda: 1)
        run(results, "--method", "naive", "--method", "agem")
    return results


@pytest.mark.parametrize("stream", ["rotated-digits", "split-digits"])
@pytest.mark.parametrize("method", METHODS)
def test_no_bit_of_a_run_depends_on_what_is_measured(method, stream):
    plain, measured = trained(cell_of(method, stream)), trained(cell_of(method, stream, OFTEN))
    there = measured.state()
    assert all(torch.equal(there[name], value) for name, value in plain.state().items())
    for ours, theirs in zip(plain.outcomes, measured.outcomes, strict=True):
        assert ours.measurements is None and set(theirs.measurements) == {"continual"}
        assert replace(ours, seconds=0.0) == replace(theirs, seconds=0.0, measurements=None)


class Snapshots(Probe):
    """Keeps the parameters."""

    name = "snapshots"
    taken = []

    def measure(self, view):
        Snapshots.taken.append(view.net.theta.clone())
        return {"met": [view.met] * len(view.streams)}


@pytest.mark.parametrize("stream", ["rotated-digits", "split-digits"])
def test_continual_equals_a_plain_evaluation_of_its_sample(stream, monkeypatch):
    monkeypatch.setattr(Snapshots, "taken", [])
    monkeypatch.setitem(named.__dict__, "probes", lambda own=named.probes: own() | {"snapshots": Snapshots})
    named._loaded.cache_clear()
    cell = trained(cell_of("naive", stream, OFTEN, "snapshots:every=2"))
    named._loaded.cache_clear()
    assert len(Snapshots.taken) == 3 * 3  # 6 steps a task: after 2, after 4, and at its end
    for seed, _ in enumerate(cell.streams):
        said = cell.outcomes[seed].measurements["continual"]
        samples = cell.probes.probes[0].samples[seed]
        expected = [
            [plain_accuracy(cell, theta, seed, task, samples[task]) for task in range(moment // 3 + 1)]
            for moment, theta in enumerate(Snapshots.taken)
        ]
        assert said["values"]["accuracy"] == expected
        assert said["values"]["phase"] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        assert said["values"]["step"] == list(range(2, 19, 2)) and said["options"] == {"every": 2, "examples": 15}
        assert cell.outcomes[seed].measurements["snapshots"]["values"]["met"] == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def plain_accuracy(cell: Cell, theta, seed: int, task: int, rows) -> float:
    """One example at a time, as Avalanche gives them, through layers written out."""
    stream, right = cell.streams[seed], 0
    (w1, b1), (w2, b2), (w3, b3) = [(w[seed], b[seed, 0]) for w, b in cell.net.views(theta)]
    for row in rows.tolist():
        image, label = stream.test[task][row]
        outputs = ((image.flatten() @ w1 + b1).relu() @ w2 + b2).relu() @ w3 + b3
        head = task if stream.heads > 1 else 0
        right += int(outputs[head * stream.classes : (head + 1) * stream.classes].argmax()) == label
    return right / len(rows)


def test_a_sample_is_fixed_and_each_seed_has_its_own():
    first, again = (cell_of("naive", "rotated-digits", OFTEN).probes.probes[0].samples for _ in range(2))
    for ours, theirs in zip(first, again, strict=True):
        assert all(torch.equal(a, b) and len(a.unique()) == 15 for a, b in zip(ours, theirs, strict=True))
    assert not torch.equal(first[0][0], first[1][0]) and not torch.equal(first[0][0], first[0][1])
    whole = cell_of("naive", "rotated-digits", "continual:examples=0").probes.probes[0].samples
    assert all(rows is None for rows in whole[0])


def test_at_the_end_of_a_phase_the_whole_test_set_gives_the_matrix():
    cell = trained(cell_of("agem", "split-digits", "continual:every=0,examples=0"))
    for outcome in cell.outcomes:
        rows = [[value for value in row if value is not None] for row in outcome.accuracy_matrix]
        assert outcome.measurements["continual"]["values"]["accuracy"] == rows


def test_a_run_taken_up_again_measures_what_an_uninterrupted_one_does(tmp_path):
    def keep(cell):
        if cell.phase < 3:
            point = checkpoint.Point(
                run={}, seeds=[0, 1], threads=1, started="", phase=cell.phase, outcomes=cell.outcomes
            )
            checkpoint.save(tmp_path / f"{cell.phase}", point, cell.state())

    whole = trained(cell_of("er-reservoir", "rotated-digits", OFTEN), keep)
    for phase in (1, 2):
        saved, later = checkpoint.load(tmp_path / f"{phase}"), cell_of("er-reservoir", "rotated-digits", OFTEN)
        later.restore(saved.point.phase, saved.point.outcomes, saved.tensors)
        trained(later)
        assert [o.measurements for o in later.outcomes] == [o.measurements for o in whole.outcomes]
        assert later.probes._counts == whole.probes._counts
    saved, without = checkpoint.load(tmp_path / "2"), cell_of("er-reservoir", "rotated-digits")
    without.restore(saved.point.phase, saved.point.outcomes, saved.tensors)  # what was measured is left aside
    assert [o.measurements for o in trained(without).outcomes] == [None, None]
    with pytest.raises(ValueError, match="does not fit"):
        cell_of("er-reservoir", "rotated-digits", OFTEN).restore(1, whole.outcomes, trained(without).state())


def test_a_diverged_seed_is_measured_until_it_diverged():
    cell = cell_of("naive", "rotated-digits", OFTEN)
    whole = trained(cell_of("naive", "rotated-digits", OFTEN)).outcomes[0].measurements
    cell.net.theta[1] = float("inf")
    outcomes = trained(cell).outcomes
    assert outcomes[1].measurements["continual"]["values"] == {"phase": [], "step": []}
    assert outcomes[0].measurements == whole


def test_a_recorded_run_is_measured_and_stays_what_it_is(plain, tmp_path, capsys):
    results, both = tmp_path / "results", ["--method", "naive", "--method", "agem"]
    shutil.copytree(plain, results)
    run(results, *both, "--measure", OFTEN)
    assert "4 to do" in capsys.readouterr().out
    assert numbers(results) == numbers(plain)
    assert all(
        record.measurements["continual"].options == {"every": 2, "examples": 15} for record in store.load_all(results)
    )
    for asked in ([], ["--measure", OFTEN]):
        run(results, *both, *asked)
        assert "none to do" in capsys.readouterr().out
    run(results, *both, "--measure", "continual:every=3")
    assert "4 to do" in capsys.readouterr().out and numbers(results) == numbers(plain)
    assert {store.load(path).measurements["continual"].options["every"] for path in results.glob("*/*/*.json")} == {3}


def test_two_workers_measure_what_one_does(plain, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for results, jobs in ((one, "1"), (two, "2")):
        command = [*RUN, "--method", "naive", "--method", "agem", "--measure", OFTEN, "--results", str(results)]
        assert main([*command, "--jobs", jobs, "--threads", "1"]) == 0
    assert numbers(one) == numbers(two) == numbers(plain)
    assert [r.measurements for r in store.load_all(one)] == [r.measurements for r in store.load_all(two)]


OWN = '''
from benchmark.training.probe import Probe

class Norm(Probe):
    """Euclidean norm of the parameters."""
    name = "norm"
    class Options(Probe.Options):
        power: float = 2.0
    def measure(self, view):
        %s
'''


def own(tmp_path: Path, body: str) -> str:
    path = tmp_path / "norm.py"
    path.write_text(OWN % body, encoding="utf-8")
    named._loaded.cache_clear()
    return str(path)


def test_a_probe_in_a_file_is_recorded_beside_the_others(plain, tmp_path):
    file, results = (
        own(tmp_path, "return {'norm': view.net.theta.norm(p=self.options.power, dim=1)}"),
        tmp_path / "results",
    )
    shutil.copytree(plain, results)
    run(results, "--method", "naive", "--measure", OFTEN)
    run(results, "--method", "naive", "--measure", f"{file}:power=1,every=3")
    assert numbers(results) == numbers(plain)
    record = next(record for record in store.load_all(results) if record.method == "naive")
    assert set(record.measurements) == {"continual", "norm"}
    assert record.measurements["norm"].options == {"every": 3, "power": 1.0}
    values = record.measurements["norm"].values
    assert values["step"] == [3, 4, 7, 8, 11, 12] and all(value > 0 for value in values["norm"])


def test_an_installed_package_brings_a_probe(tmp_path, monkeypatch):
    own(tmp_path, "return {'n': [1, 2]}")
    monkeypatch.syspath_prepend(tmp_path)
    point = importlib.metadata.EntryPoint("weights", "norm:Norm", named.GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point] if group == named.GROUP else [])
    (asked,) = named.asked(["weights:every=4"])
    assert asked.load().__name__ == "Norm" and dict(asked.options) == {"every": 4, "power": 2.0}
    sys.modules.pop("norm")
    named._loaded.cache_clear()


def test_an_edited_probe_measures_again(plain, tmp_path, capsys):
    results = tmp_path / "results"
    shutil.copytree(plain, results)
    for body, said in (
        ("return {'n': [1, 2]}", "2 to do"),
        ("return {'n': [1, 2]}  # two", "none to do"),
        ("return {'n': [3, 4]}", "2 to do"),
    ):
        run(results, "--method", "naive", "--measure", own(tmp_path, body))
        assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("view.net.theta.mul_(2); return {}", "changed the networks' parameters"),
        ("view.net.random.uniform(3); return {}", "draws from the run's generators"),
        ("return {'norm': view.net.theta.norm()}", "one entry per seed"),
        ("return {'norm': [1.0]}", "'norm' must have one entry per seed, 2 in all"),
        ("return {'norm': ['a', 'b']}", "finite numbers"),
        ("return {'step': [1, 2]}", "'step' cannot be the name"),
        ("return {'norm': [1 / 0]}", "norm.py, line 10: ZeroDivisionError"),
    ],
)
def test_what_a_probe_may_not_do_is_one_line(body, said, tmp_path, capsys):
    run(tmp_path / "results", "--method", "naive", "--measure", own(tmp_path, body), code=2)
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and store.load_all(tmp_path / "results") == []


def test_what_is_drawn_from_global_generators_is_the_same_again_and_disturbs_nothing(tmp_path):
    file = own(tmp_path, "import torch, random; return {'n': [torch.rand(1).tolist(), [random.random()]]}")
    before = torch.random.get_rng_state(), random.getstate()
    first, again = (trained(cell_of("naive", "rotated-digits", f"{file}:every=2")).outcomes for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before[0]) and random.getstate() == before[1]
    assert [o.measurements for o in first] == [o.measurements for o in again]
    drawn = [value for (value,) in first[1].measurements["norm"]["values"]["n"]]
    assert len(set(drawn)) == 9


def test_what_is_not_finite_is_null(tmp_path):
    file = own(tmp_path, "return {'n': [float('nan'), [1.0, float('inf'), True]]}")
    outcomes = trained(cell_of("naive", "rotated-digits", file)).outcomes
    assert [outcome.measurements["norm"]["values"]["n"] for outcome in outcomes] == [[None] * 3, [[1.0, None, 1]] * 3]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("continuel", ["no probe 'continuel'", "did you mean 'continual'?"]),
        ("xyz", ["choose from continual"]),
        ("", ["no probe ''"]),
        ("continual:evry=3", ["no option 'evry'", "did you mean 'every'?"]),
        ("continual:every=-1", ["'every'", "greater than or equal to 0"]),
        ("continual:every=x", ["'every'", "integer"]),
        ("continual:every=", ["KEY=VALUE"]),
        ("continual:every=2,every=3", ["twice"]),
        ("./no_such_probe.py", ["cannot read no_such_probe.py"]),
    ],
)
def test_a_probe_or_option_that_is_not_known_is_one_line(text, said, tmp_path, capsys):
    run(tmp_path / "results", "--method", "naive", "--measure", text, code=2)
    error = capsys.readouterr().err
    assert error.startswith("error: --measure") and error.count("\n") == 1 and all(part in error for part in said)


def test_a_probe_asked_for_twice_and_one_that_avalanche_would_train_are_refused(tmp_path, capsys):
    run(tmp_path, "--method", "naive", "--measure", "continual", "--measure", OFTEN, code=2)
    assert "'continual' is given twice" in capsys.readouterr().err
    run(tmp_path, "--method", "avalanche:Naive", "--measure", "continual", code=2)
    assert "avalanche:Naive trains in Avalanche's own loop" in capsys.readouterr().err


def test_too_many_numbers_are_refused_before_training(monkeypatch):
    monkeypatch.setattr("benchmark.training.probes.continual.MOST", 20)
    with pytest.raises(InputError, match="every=1 would record 36 accuracies.*choose every=2 or more"):
        cell_of("naive", "rotated-digits", "continual:every=1")
    monkeypatch.setattr(measuring, "MOST_NUMBERS", 15)
    with pytest.raises(InputError, match="more than 15 numbers"):
        trained(cell_of("naive", "rotated-digits", "continual:every=3"))


def test_a_record_with_other_numbers_stays_and_force_replaces_it(plain, tmp_path, capsys):
    results = tmp_path / "results"
    shutil.copytree(plain, results)
    path = next(results.glob("*/naive/seed-0-*.json"))
    document = store.load(path).model_dump()
    document["accuracy_matrix"][2][0] = document["accuracy_matrix"][1][0] = 0.125
    other = store.compose(
        *(
            document[name]
            for name in ("method", "stream", "seed", "settings", "accuracy_matrix", "seconds", "diverged")
        ),
        document["provenance"] | {"threads": 7},
    )
    text = store.save(results, other).read_bytes()
    run(results, "--method", "naive", "--measure", OFTEN)
    said = capsys.readouterr().out
    assert "seed 0: the measured run gave other numbers than its record; threads differ" in said
    assert path.read_bytes() == text and store.load(next(results.glob("*/naive/seed-1-*"))).measurements
    run(results, "--method", "naive", "--measure", OFTEN, "--force")
    assert numbers(results) == numbers(plain) and store.load(path).measurements


def test_a_state_saved_without_the_measurement_begins_anew(plain, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(resume, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(resume, "LARGEST_SHARE", float("inf"))
    ends = iter(range(100))

    def stop(cell):
        if next(ends) == 1:
            raise KeyboardInterrupt

    called = resume.Keeper.__call__
    with monkeypatch.context() as patch:
        patch.setattr(resume.Keeper, "__call__", lambda keeper, cell: (called(keeper, cell), stop(cell)))
        run(tmp_path, "--method", "naive", code=130)
    run(tmp_path, "--method", "naive", "--measure", OFTEN)
    assert "saved with other probe continual; it was removed, and its runs start again" in capsys.readouterr().out
    assert [len(record.measurements["continual"].values["step"]) for record in store.load_all(tmp_path)] == [6, 6]


def test_a_stopped_run_goes_on_measuring(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(resume, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(resume, "LARGEST_SHARE", float("inf"))
    called, ends = resume.Keeper.__call__, iter(range(100))

    def stopped(keeper, cell):
        called(keeper, cell)
        if next(ends) == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(resume.Keeper, "__call__", stopped)
        run(tmp_path / "a", "--method", "naive", "--measure", OFTEN, code=130)
    run(tmp_path / "a", "--method", "naive", "--measure", OFTEN)
    assert "resuming after task 2" in capsys.readouterr().out
    run(tmp_path / "b", "--method", "naive", "--measure", OFTEN)
    a, b = (store.load_all(tmp_path / name) for name in "ab")
    assert [r.measurements for r in a] == [r.measurements for r in b] and numbers(tmp_path / "a") == numbers(
        tmp_path / "b"
    )


def test_a_residual_network_and_its_statistics_feel_no_probe(real_data, monkeypatch):
    monkeypatch.setattr(Cell, "_evaluate", lambda cell, rows: None)  # the test images would take a minute
    settings = settings_for("er-reservoir", "split-cifar100", {"tasks": 2, "train_examples": 30, "dropout": 0.1})
    streams = [build("split-cifar100", 0, settings.tasks, settings.train_examples, real_data)]
    states = [
        trained(Cell(METHODS["er-reservoir"], streams, settings, "cpu", named.asked(measure)))
        for measure in ([], ["continual:every=2,examples=4"])
    ]
    plain, measured = (cell.state() for cell in states)
    assert all(torch.equal(measured[name], value) for name, value in plain.items())
    accuracy = states[1].outcomes[0].measurements["continual"]["values"]["accuracy"]
    assert [len(row) for row in accuracy] == [1, 1, 2, 2] and all(
        4 * value in range(5) for row in accuracy for value in row
    )
