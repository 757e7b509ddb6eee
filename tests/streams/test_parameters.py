"""Arguments of a stream's function: equal ones are one record, unequal ones are two, defaults are written out."""

from pathlib import Path

import pytest

from benchmark.cli.main import main
from benchmark.records import store
from benchmark.streams.outline import whole
from benchmark.streams.parameters import checked, defaults, written_out
from methods.arguments import canonical, recorded
from methods.errors import InputError
from methods.settings import Settings, settings_for


def function(
    seed, whole=1, share=0.5, flag=True, name="plain", digits="5", sizes=(1, 2.5), none=None, dataset_root="x"
):
    return {key: value for key, value in locals().items() if key not in ("seed", "dataset_root")}


USUAL = {"digits": "'5'", "flag": True, "name": "plain", "none": None, "share": 0.5, "sizes": "(1, 2.5)", "whole": 1}


def same(one: dict, two: dict) -> bool:
    """Equal, and of equal types."""
    return one == two and {key: type(value) for key, value in one.items()} == {k: type(v) for k, v in two.items()}


def test_defaults_are_written_out():
    assert same(written_out(function, {}), USUAL) and same(defaults(function), USUAL)


@pytest.mark.parametrize(
    "name, values, recorded_as",
    [
        ("whole", ["3", "3.0", 3, 3.0, " 3"], 3),
        ("whole", ["1", "1.0", "True", 1.0, True], 1),
        ("whole", ["2.5"], 2.5),
        ("whole", ["None"], None),
        ("whole", ["0", "-0.0", "False"], 0),
        ("share", ["1", "1.0", "True"], 1.0),
        ("share", ["-0.0", "0"], 0.0),
        ("flag", ["0", "False", "0.0"], False),
        ("flag", ["2"], 2),
        ("none", ["4", "4.0"], 4),
        ("none", ["True"], True),
        ("none", ["1"], 1),
        ("name", ["odd", "'odd'", '"odd"'], "odd"),
        ("digits", ["'7'"], "'7'"),
        ("digits", ["7"], 7),
        ("sizes", ["[1,2]", "[1, 2.0]", "[ 1,  2 ]"], "[1, 2]"),
        ("sizes", ["(1,2)"], "(1, 2)"),
    ],
)
def test_equal_arguments_have_one_form(name, values, recorded_as):
    for value in values:
        assert same(written_out(function, {name: value}), USUAL | {name: recorded_as}), value


def test_a_function_gets_its_own_defaults_and_what_was_given():
    recorded_as = written_out(function, {"whole": "2.0", "digits": "'7'"})
    given = checked("file.py", function, recorded_as.items())
    assert same(given, {"whole": 2, "digits": "7"})
    assert function(0, **given) == function(0) | {"whole": 2, "digits": "7"}
    assert checked("file.py", function, written_out(function, {"none": "1"}).items()) == {"none": 1}
    with pytest.raises(InputError, match="did you mean 'stream.whole'"):
        checked("file.py", function, [("wholes", 1)])


def test_defaults_that_no_record_holds_are_left_to_the_function():
    def odd(seed, transform=print, infinite=float("inf"), long="x" * 501, broken="a\nb", inside=[object()]):  # noqa: B006, B008
        pass

    assert written_out(odd, {}) == {} and checked("file.py", odd, []) == {}
    assert written_out(odd, {"transform": "None"}) == {"transform": None}


def test_a_number_has_one_form_in_lists_and_without_a_default():
    assert repr(canonical([1.0, -0.0, (2.0, True), {"a": 3.0}])) == "[1, 0, (2, True), {'a': 3}]"
    assert repr(canonical(2**60 + 1, 0.5)) == str(2**60 + 1)  # no float is equal to it


def test_zero_has_no_sign_in_settings_and_arguments():
    class Own(Settings):
        strength: float = 0.5

    values = settings_for("naive", "permuted-digits", {"momentum": "-0.0", "strength": -0.0}, Own)
    assert str(values.momentum) == str(values.strength) == "0.0"
    assert str(recorded("schedule.gamma", "-0.0")) == "0.0"


STREAM = """
from benchmark.streams.build import build

def stream(seed, tasks=2, kind=None):
    return build(kind or "split-digits", seed, tasks).benchmark
"""


@pytest.fixture
def path(tmp_path) -> str:
    (tmp_path / "mine.py").write_text(STREAM, encoding="utf-8")
    return str(tmp_path / "mine.py")


def test_equal_arguments_are_one_record_and_none_is_another(path, tmp_path, capsys):
    results = tmp_path / "results"
    command = ["run", "--method", "naive", "--stream", path, "--seed", "0", "--jobs", "1", "--results", str(results)]
    command += ["--set", "train_examples=20"]
    for more in ([], ["--set", "stream.tasks=2"], ["--set", "stream.tasks=2.0"], ["--set", "stream.kind=None"]):
        assert main([*command, *more]) == 0
    assert len(store.load_all(results)) == 1
    assert main([*command, "--set", "stream.kind=permuted-digits"]) == 0
    kinds = [record.settings["stream.kind"] for record in store.load_all(results)]
    assert sorted(map(str, kinds)) == ["None", "permuted-digits"]


def test_a_negative_zero_is_the_same_run(tmp_path, capsys):
    results = tmp_path / "results"
    command = ["run", "--method", "naive", "--stream", "permuted-digits", "--seeds", "2", "--jobs", "1"]
    command += ["--set", "tasks=2", "--set", "train_examples=20", "--results", str(results)]
    assert main(command) == 0 == main([*command, "--set", "momentum=-0.0", "--set", "dropout=-0"])
    assert "2 recorded already, none to do" in capsys.readouterr().out and len(store.load_all(results)) == 2


def test_list_says_which_arguments_are_defaults(path, capsys):
    assert main(["list", "--method", "naive", "--stream", path, "--set", "stream.tasks=3"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "stream.tasks 3 given here" in out and "stream.kind default of the stream's function" in out


def test_streams_of_the_suite_gain_nothing():
    assert whole("split-digits", 0, {"tasks": "2"}) == {"tasks": "2"}


def test_two_files_of_one_name_do_not_replace_each_other(path, tmp_path, capsys):
    results, folder = tmp_path / "results", tmp_path / "elsewhere"
    folder.mkdir()
    other = folder / "mine.py"
    other.write_text(STREAM.replace("split-digits", "permuted-digits"), encoding="utf-8")
    command = ["run", "--method", "naive", "--seeds", "2", "--jobs", "1", "--results", str(results)]
    command += ["--set", "train_examples=20", "--stream"]
    assert main([*command, path]) == 0
    before = {file: file.read_bytes() for file in Path(results).rglob("*.json")}
    capsys.readouterr()
    assert main([*command, str(other)]) == 2
    err = capsys.readouterr().err
    assert "runs of naive on a stream mine with other data (seeds 0, 1)" in err and err.count("\n") == 1
    assert {file: file.read_bytes() for file in Path(results).rglob("*.json")} == before
    assert main([*command, str(other), "--force"]) == 0
    assert all(file.read_bytes() != text for file, text in before.items())
