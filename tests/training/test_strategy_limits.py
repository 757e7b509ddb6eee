"""What a strategy of Avalanche cannot do is one line, told before anything is trained."""

import avalanche.training.supervised as supervised
import pytest

from benchmark.cli.main import main
from benchmark.records import store
from benchmark.streams.build import Stream
from benchmark.training.avalanche.fit import remembered
from benchmark.training.avalanche.requirements import CLASS, DOMAIN
from benchmark.training.external import settings_of
from methods.errors import InputError, UnitError
from tests.support.strategies import Trained, tiny_streams


@pytest.fixture(scope="module")
def streams(tmp_path_factory) -> dict[str, Stream]:
    return tiny_streams(tmp_path_factory.mktemp("streams"))


@pytest.mark.parametrize(
    "name, stream, sets, part",
    [
        ("PNNStrategy", "permuted-digits", [], "cannot run here: it needs a progressive network"),
        ("CoPE", "permuted-digits", [], "stops every task after the first batch"),
        ("MER", "permuted-digits", [], "cannot run here: its meta-learning loop"),
        ("DER", "split-digits", [], "it calls the network without task labels"),
        ("LFL", "split-digits", [], "it works on domain-incremental streams only"),
        ("MIR", "permuted-digits", ["mem_size=10"], "it must hold more than batch_size_mem"),
        ("BiC", "permuted-digits", [], "it takes the classes of a task as new ones"),
        ("CWRStar", "split-digits", [], "every head counts its labels from 0"),
        ("ER_AML", "permuted-digits", ["mem_size=50"], "fewer than a batch of 10: raise mem_size"),
        ("DER", "permuted-digits", ["mem_size=5"], "fewer than a replayed batch of 10"),
        ("GSS_greedy", "permuted-digits", ["mem_size=31"], "mem_size=31 is more than the 30 examples"),
        ("EWC", "permuted-digits", ["mode=online"], "needs --set decay_factor=VALUE"),
        ("EWC", "permuted-digits", ["mode=other"], "setting 'mode' cannot be 'other'"),
        ("AGEM", "permuted-digits", ["patterns_per_exp=-3"], "setting 'patterns_per_exp' cannot be '-3'"),
        ("SCR", "permuted-digits", ["temperature=0"], "setting 'temperature' cannot be '0'"),
        ("Naive", "permuted-digits", ["shuffle=False"], "setting 'shuffle' cannot be False"),
    ],
)
def test_what_cannot_run_is_one_line_before_anything_is_trained(tmp_path, capsys, name, stream, sets, part):
    changes = [word for change in ["tasks=2", "train_examples=30", *sets] for word in ("--set", change)]
    methods = ["--method", f"avalanche:{name}"]
    command = ["run", *methods, "--stream", stream, "--seed", "0", *changes, "--results", str(tmp_path)]
    assert main(command) == 2
    err = capsys.readouterr().err
    assert part in err and err.count("\n") == 1 and not list(store.load_all(tmp_path))


def test_other_cells_are_not_trained_where_one_is_refused(tmp_path, capsys):
    methods = ["--method", "naive", "--method", "avalanche:DER"]
    small = ["--set", "tasks=2", "--set", "train_examples=30", "--seed", "0", "--results", str(tmp_path)]
    assert main(["run", *methods, "--stream", "split-digits", *small]) == 2
    assert "task labels" in capsys.readouterr().err and not list(store.load_all(tmp_path))


def test_a_memory_holds_what_the_librarys_own_does(streams):
    policy = Trained("DER", streams[CLASS], mem_size=31).strategy.storage_policy
    held = {label: len(group.buffer) for label, group in policy.buffer_groups.items()}
    assert remembered(streams[CLASS], 31, 2) == held and sum(held.values()) == 31


def test_gem_without_its_solver_says_how_to_install_it(streams, monkeypatch):
    monkeypatch.setattr("benchmark.training.avalanche.fit.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install quadprog, or the extra 'gem'"):
        Trained("GEM", streams[DOMAIN])


def test_a_float_that_the_library_calls_an_integer_is_a_float():
    assert settings_of("avalanche:SCR", "permuted-digits", {"temperature": "0.1"}).temperature == 0.1


def test_an_error_without_text_is_told_by_its_place(streams, monkeypatch):
    def failing(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(supervised.Naive, "train", failing)
    with pytest.raises(UnitError, match=r"AssertionError: .+"):
        Trained("Naive", streams[DOMAIN])
