"""What the table refuses to average, what it says of equal rows, and that verify says the same."""

import json

import pytest

from benchmark.cli.main import main
from benchmark.records.schema import compose
from benchmark.records.store import save
from benchmark.records.verify import verify
from benchmark.report.page import page
from benchmark.tables.curves import matrices
from benchmark.tables.table import frame, render, streams
from methods.settings import settings_for
from tests.support.literal import PROVENANCE, record

STREAM = {"mirror.py": "a" * 64, "tensors of seed 0": "b" * 64}


def external(seed: int, last: float = 0.5, method: str = "naive", data=STREAM, origin=None, **settings):
    """A run on an external stream of two tasks; settings whose names have a '__' are a stream's arguments."""
    own = {name.replace("__", "."): value for name, value in settings.items()}
    known = dict(settings_for("naive", "permuted-digits", {"tasks": 2})) | own
    made_by = PROVENANCE | {"data": data, "versions": {"torch": "2.13.0"}, "seeds_together": [seed]} | (origin or {})
    return compose(method, "mirror", seed, known, [[0.8, 0.1], [last, 0.9]], 1.0, None, made_by)


def saved(folder, records) -> list:
    return [save(folder, each) for each in records]


@pytest.mark.parametrize("twin", [{"stream__noise": 1.0}, {"stream__noise": True}, {"momentum": -0.0}])
def test_two_records_of_one_run_are_refused_and_both_files_named(twin, tmp_path, capsys):
    first = {"stream__noise": 1} if "stream__noise" in twin else {"momentum": 0.0}
    paths = saved(tmp_path, [external(0, **first), external(0, **twin), external(1, **first)])
    assert len(set(paths)) == 3
    for command in (["table"], ["table", "--figure", str(tmp_path / "f")], ["report"]):
        assert main([*command, "--results", str(tmp_path)]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and all(str(path.relative_to(tmp_path)) in err for path in paths[:2])
        assert "two records of one run (naive on mirror, seed 0" in err
    (line,) = verify(tmp_path).unsound
    assert "two records of one run" in line and main(["verify", "--results", str(tmp_path)]) == 1


def test_equal_numbers_at_other_seeds_are_one_row():
    runs = [external(0, stream__noise=1), external(1, stream__noise=True), external(2, stream__noise=1.0)]
    assert frame([*runs, external(0, stream__noise=2)])["seeds"].tolist() == [3, 1]


def test_none_and_an_absent_argument_are_two_rows():
    easy = [external(seed, 0.94, stream__noise=None) for seed in (0, 1)]
    hard = [external(seed, 0.10) for seed in (0, 1)]
    cells = frame([*easy, *hard])
    rows = zip(cells["variant"], cells["seeds"], cells["accuracy_mean"].round(6), strict=True)
    assert sorted(rows, key=str) == [({"stream.noise": None}, 2, 92.0), ({}, 2, 50.0)]


def test_a_setting_that_built_in_runs_lack_is_named():
    whole = record("ewc", "split-digits", 0, [[0.5] * 5] * 5)
    bare = whole.model_copy(update={"settings": {k: v for k, v in whole.settings.items() if k != "fisher_window"}})
    none = whole.model_copy(update={"settings": whole.settings | {"fisher_window": None}})
    cells = frame([whole, bare, none])
    assert cells["seeds"].tolist() == [1, 1, 1]
    text = render([whole, bare, none])
    assert "EWC [without fisher_window]" in text and "EWC [fisher_window=None]" in text


@pytest.mark.parametrize(("one", "other"), [(1, "1"), (None, "None"), (True, "True"), ("a b=2", "a")])
def test_different_settings_have_different_labels_in_figures_too(one, other):
    runs = [external(0, 0.1, note=one), external(0, 0.7, note=other, **({"b": 2} if other == "a" else {}))]
    drawn = matrices(runs)["mirror"]
    assert len(drawn) == len(frame(runs)) == 2
    assert sorted(float(a[0, 1, 0]) for a in drawn.values()) == [0.1, 0.7]


@pytest.mark.parametrize("method", ["naive", "ewc"])
def test_two_stream_files_of_one_name_are_not_mixed(method, tmp_path, capsys):
    other = {"mirror.py": "c" * 64, "tensors of seed 0": "d" * 64}
    paths = saved(tmp_path, [external(0), external(1, method=method, data=other)])
    assert main(["table", "--results", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and all(str(path.relative_to(tmp_path)) in err for path in paths)
    assert "different data of mirror (mirror.py: " in err and "aaaaaaaaaaaa" in err and "cccccccccccc" in err
    assert any("different data of mirror" in line for line in verify(tmp_path).unsound)
    assert main(["table", "--results", str(tmp_path), "--method", "naive"]) == (2 if method == "naive" else 0)


def test_other_arguments_make_other_tensors_of_one_file():
    runs = [
        external(0, stream__noise=1),
        external(0, stream__noise=2, data=STREAM | {"tensors of seed 0": "e" * 64}),
        external(1, data={"mirror.py": "a" * 64}),  # a record of before there were digests of tensors
    ]
    assert len(frame(runs)) == 3


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ({"code": "2-def"}, "mixes code: 1-abc and 2-def"),
        ({"versions": {"torch": "2.12.0"}}, "mixes versions of torch: 2.12.0 and 2.13.0"),
        ({"versions": {"torch": None}}, "mixes versions of torch: 2.13.0 and unknown"),
        ({"device": "cuda"}, "mixes devices: cpu and cuda"),
        ({"processor": "another"}, "mixes processors: a processor and another"),
    ],
)
def test_what_else_a_row_mixes_is_noted(origin, said, tmp_path):
    saved(tmp_path, [external(0), external(1, origin=origin)])
    found = verify(tmp_path)
    assert found.unsound == [] and f"naive on mirror {said}" in found.notes
    assert len(frame([external(0), external(1, origin=origin)])) == 1


def test_rows_equal_at_all_common_seeds_are_told(tmp_path):
    runs = [external(seed, seed / 10, method) for method in ("naive", "stable-sgd") for seed in (0, 1)]
    runs += [external(2, 0.9, "naive"), external(0, 0.0, "ewc"), external(1, 0.2, "ewc"), external(5, 0.0, "agem")]
    note = "Equal in every accuracy at all common seeds: Naive SGD and Stable SGD."
    for form in ("markdown", "latex", "html"):
        assert note in render(runs, form)
    assert note in page(runs)
    (stream,) = json.loads(render(runs, "json"))["streams"]
    assert stream["equal"] == [[{"method": "naive", "variant": {}}, {"method": "stable-sgd", "variant": {}}]]
    saved(tmp_path, runs)
    assert verify(tmp_path).notes == ["naive and stable-sgd on mirror are equal in every accuracy at all common seeds"]


def test_equal_rows_of_one_method_are_told_apart_by_their_settings(tmp_path):
    runs = [external(0, fisher_window=window) for window in (10, 20)]
    assert "Naive SGD [fisher_window=10] and Naive SGD [fisher_window=20]" in render(runs)
    saved(tmp_path, runs)
    (note,) = verify(tmp_path).notes
    assert "naive [fisher_window=10]" in note and "naive [fisher_window=20]" in note and "on mirror are equal" in note


def test_where_no_rows_are_equal_nothing_is_said_of_it():
    runs = [external(0, 0.1), external(0, 0.2, "ewc")]
    assert "Equal in" not in render(runs) and "equal" not in json.loads(render(runs, "json"))["streams"][0]
    assert [list(stream.equal) for stream in streams(runs)] == [[]]


def test_a_record_without_a_digest_is_noted(tmp_path, capsys):
    place = save(tmp_path, external(0))
    said = json.loads(place.read_text())
    del said["provenance"]["digest"]
    place.write_text(json.dumps(said))
    (note,) = verify(tmp_path).notes
    assert note.startswith(f"{place}: it has no digest")
    assert main(["verify", "--strict", "--results", str(tmp_path)]) == 1
