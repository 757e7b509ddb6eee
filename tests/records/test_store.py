"""Records: their keys, their text, and that nothing unsound is read or left behind."""

import errno
import hashlib
import json
import os
import signal
from pathlib import Path

import pytest
from pydantic import ValidationError

from benchmark.cli.main import main
from benchmark.records.measurement import MOST_NUMBERS
from benchmark.records.schema import Record, compose, digest, text
from benchmark.records.store import load, load_all, path_of, recorded, save
from methods.errors import InputError
from tests.support.literal import PROVENANCE, protocol_run, record
from tests.support.process import python

ROOT = Path(__file__).resolve().parents[2]
MATRIX = [[0.8, 0.1], [0.5, 0.9]]
KEYS = [
    "method",
    "stream",
    "seed",
    "settings",
    "accuracy_matrix",
    "metrics",
    "seconds",
    "status",
    "diverged",
    "provenance",
]


@pytest.fixture
def run():
    return record("ewc", "permuted-mnist", 3, MATRIX, tasks=2)


def edit(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refusal(path: Path) -> str:
    """The one line that reading the file is refused with."""
    with pytest.raises(InputError) as caught:
        load(path)
    message = str(caught.value)
    assert str(path) in message and "\n" not in message
    return message


def test_a_record_comes_back_as_it_was_saved(tmp_path, run):
    path = save(tmp_path, run)
    assert path.parent == tmp_path / "permuted-mnist" / "ewc"
    assert path.name.startswith("seed-3-") and path.suffix == ".json"
    assert load(path) == run
    assert load_all(tmp_path) == [run]
    assert os.listdir(path.parent) == [path.name]


def test_the_file_has_the_documented_keys(tmp_path, run):
    document = json.loads(save(tmp_path, run).read_text())
    assert list(document) == KEYS
    assert document["metrics"] == {
        "average_accuracy": 0.7,
        "average_forgetting": pytest.approx(0.3),
        "learning_accuracy": pytest.approx(0.85),
        "backward_transfer": pytest.approx(-0.3),
    }
    assert document["accuracy_matrix"] == MATRIX
    assert (document["status"], document["diverged"]) == ("complete", None)
    assert document["provenance"] == PROVENANCE | {"digest": digest(run)}
    assert document["settings"]["tasks"] == 2 and document["settings"]["ewc_lambda"] == 10.0


def test_the_matrix_is_written_one_row_a_line_with_every_digit():
    third = record("naive", "permuted-mnist", 0, [[1 / 3, 0.1], [0.5, 2 / 3]], tasks=2)
    rows = '"accuracy_matrix": [\n  [0.3333333333333333, 0.1],\n  [0.5, 0.6666666666666666]\n ],'
    assert rows in text(third)


def test_a_diverged_run_keeps_the_rows_before_and_has_no_metrics(tmp_path):
    diverged = record("ewc", "permuted-mnist", 0, [[0.9, 0.1]], {"task": 1, "step": 7}, tasks=2)
    document = json.loads(save(tmp_path, diverged).read_text())
    assert set(document["metrics"].values()) == {None}
    assert (document["status"], document["diverged"]) == ("diverged", {"task": 1, "step": 7})
    assert load_all(tmp_path) == [diverged]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 1.1])
def test_what_is_no_accuracy_never_becomes_a_record(value):
    with pytest.raises(ValueError, match="accuracy.matrix"):
        record("ewc", "permuted-mnist", 0, [[value, 0.1], [0.5, 0.9]], tasks=2)


def test_a_name_cannot_leave_the_results_directory(run):
    with pytest.raises(ValidationError, match="method"):
        compose("../ewc", run.stream, 0, run.settings, MATRIX, 1.0, None, PROVENANCE)


def test_changed_settings_give_another_file_and_their_order_does_not(tmp_path, run):
    here = path_of(tmp_path, "ewc", "permuted-mnist", 3, run.settings)
    assert path_of(tmp_path, "ewc", "permuted-mnist", 3, dict(reversed(run.settings.items()))) == here
    assert path_of(tmp_path, "ewc", "permuted-mnist", 3, run.settings | {"tasks": 3}) != here


def test_the_same_run_is_recorded_until_settings_code_or_data_change(tmp_path, run):
    cell = ("ewc", "permuted-mnist", 3)
    code, data = PROVENANCE["code"], PROVENANCE["data"]
    assert not recorded(tmp_path, *cell, run.settings, code, data)
    save(tmp_path, run)
    assert recorded(tmp_path, *cell, run.settings, code, data)
    assert not recorded(tmp_path, "ewc", "permuted-mnist", 4, run.settings, code, data)
    assert not recorded(tmp_path, *cell, run.settings | {"tasks": 3}, code, data)
    assert not recorded(tmp_path, *cell, run.settings, "2-abc", data)
    assert not recorded(tmp_path, *cell, run.settings, code, {"train": "another"})


def test_a_kill_in_mid_write_leaves_the_old_record_alone(tmp_path, run):
    old = save(tmp_path, run).read_bytes()
    script = (
        "import os, signal, sys; from pathlib import Path; from benchmark.records import store\n"
        "results = Path(sys.argv[1]); run, = store.load_all(results)\n"
        "os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)\n"
        "store.save(results, run.model_copy(update={'seconds': 99.0}))\n"
    )
    killed = python("-c", script, tmp_path)
    assert killed.returncode == -signal.SIGKILL
    path = path_of(tmp_path, run.method, run.stream, run.seed, run.settings)
    assert len(os.listdir(path.parent)) == 2, "the kill came before or after the write"
    assert path.read_bytes() == old
    assert load_all(tmp_path) == [run]


def test_whoever_reads_during_a_write_reads_the_old_record_to_its_end(tmp_path, run):
    path = save(tmp_path, run)
    with path.open() as reader:
        save(tmp_path, run.model_copy(update={"seconds": 99.0}))
        assert reader.read() == text(run)
    assert load(path).seconds == 99.0


def test_a_full_disk_is_one_line_and_changes_nothing(tmp_path, run, monkeypatch):
    path = save(tmp_path, run)
    old = path.read_bytes()

    def full(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device") as caught:
        save(tmp_path, run.model_copy(update={"seconds": 99.0}))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert path.read_bytes() == old and os.listdir(path.parent) == [path.name]


def test_results_that_cannot_be_a_directory_are_one_line(tmp_path, run):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        save(tmp_path / "file", run)
    with pytest.raises(InputError, match="not a directory"):
        load_all(tmp_path / "file")


def test_no_directory_holds_no_records(tmp_path):
    assert load_all(tmp_path / "none") == []


def test_truncated_text_is_refused_at_any_length(tmp_path, run):
    path = save(tmp_path, run)
    whole = path.read_bytes().rstrip()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        assert "not a sound record" in refusal(path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[]", b"null", b"{}", b'{"a": 1}', b"[" * 100_000])
def test_foreign_files_are_refused(tmp_path, content):
    path = tmp_path / "s" / "m" / "seed-0.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    refusal(path)
    with pytest.raises(InputError, match="seed-0.json"):
        load_all(tmp_path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"accuracy_matrix": [[0.8, 0.1], [0.6, 0.9]]}, "metrics do not follow"),
        ({"accuracy_matrix": [[0.8, 0.1]]}, "not one row a task"),
        ({"accuracy_matrix": [[0.8], [0.5, 0.9]]}, "not one number a task"),
        ({"accuracy_matrix": [[0.8, None], [None, 0.9]]}, "lacks the accuracy on a task that was trained"),
        ({"accuracy_matrix": [[0.8, 0.1], [0.5, float("nan")]]}, "accuracy_matrix.1.1"),
        ({"accuracy_matrix": [[0.8, 0.1], [0.5, "high"]]}, "accuracy_matrix.1.1"),
        ({"status": "diverged"}, "contradict"),
        ({"status": "done"}, "status"),
        ({"diverged": {"task": 0, "step": 1}}, "contradict"),
        ({"seconds": float("inf")}, "seconds"),
        ({"seconds": -1}, "seconds"),
        ({"method": "../../ewc"}, "method"),
        ({"note": "hello"}, "note"),
        ({"settings": {}}, "edited"),
        ({"seed": 4}, "edited"),
        ({"seconds": 2.5}, "edited"),
        ({"provenance": PROVENANCE | {"digest": "0" * 64}}, "edited"),
        ({"settings": {}, "provenance": PROVENANCE}, "belong there"),
        ({"seed": 4, "provenance": PROVENANCE}, "belong there"),
        ({"settings": {"note\x1b[2J": 1}}, "settings"),
        ({"settings": {"note": "\x1b[2J"}}, "settings.note"),
        ({"provenance": PROVENANCE | {"threads": 0}}, "provenance.threads"),
        ({"provenance": {name: PROVENANCE[name] for name in PROVENANCE if name != "code"}}, "provenance.code"),
    ],
)
def test_hand_edited_records_are_refused(tmp_path, run, changes, reason):
    path = save(tmp_path, run)
    edit(path, **changes)
    with pytest.raises(InputError, match=reason) as caught:
        load_all(tmp_path)
    assert str(path) in str(caught.value) and str(caught.value).isprintable()


def test_a_record_without_a_digest_is_read_as_before_there_were_digests(tmp_path, run):
    path = save(tmp_path, run)
    edit(path, provenance=PROVENANCE)
    assert load(path) == run


def test_the_digest_is_of_what_is_said_not_of_the_layout(tmp_path, run):
    path = save(tmp_path, run)
    path.write_text(json.dumps(dict(reversed(json.loads(path.read_text()).items())), indent=7))
    assert load(path) == run


def test_a_diverged_run_cannot_have_learned_every_task(tmp_path):
    with pytest.raises(ValidationError, match="a row for every task"):
        record("ewc", "permuted-mnist", 0, MATRIX, {"task": 1, "step": 7}, tasks=2)


def test_a_setting_named_as_a_key_stays_a_setting(tmp_path):
    odd = compose("m", "s", 0, {"accuracy_matrix": None}, MATRIX, 1.0, None, PROVENANCE)
    assert load(save(tmp_path, odd)) == odd


def test_the_suite_s_own_folders_hold_no_records(tmp_path, run):
    save(tmp_path, run)
    own = tmp_path / ".state" / "x" / "y.json"
    own.parent.mkdir(parents=True)
    own.write_text("{")
    assert load_all(tmp_path) == [run]


def test_a_folder_that_cannot_be_listed_is_not_passed_over(tmp_path, run, monkeypatch):
    closed = save(tmp_path, run).parent
    listed = Path.iterdir

    def iterdir(folder):
        if folder == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with pytest.raises(InputError, match="Permission denied") as caught:
        load_all(tmp_path)
    assert str(closed) in str(caught.value)


def test_a_copied_record_is_not_counted_twice(tmp_path, run):
    path = save(tmp_path, run)
    path.with_name("seed-3-copy.json").write_bytes(path.read_bytes())
    with pytest.raises(InputError, match="seed-3-copy.json does not belong there"):
        load_all(tmp_path)


def test_all_records_are_read(tmp_path):
    cells = [(method, "split-digits", seed) for method in ("agem", "ewc") for seed in (0, 1)]
    runs = [protocol_run(*cell, 0.9, 0.5) for cell in cells]
    for run in reversed(runs):
        save(tmp_path, run)
    assert load_all(tmp_path) == runs


MEASURED = {
    "continual": {
        "options": {"every": 2, "examples": 0},
        "code": "1-abc",
        "values": {"step": [2, 4], "accuracy": [[0.1 + 0.2], [None, 1]]},
    },
    "norm": {"options": {}, "code": "1-def", "values": {}},
}


def measured(measurements: dict | None):
    run = record("ewc", "permuted-mnist", 3, MATRIX, tasks=2)
    return Record.model_validate(run.model_dump() | {"measurements": measurements})


def test_measurements_come_back_as_they_were_saved_and_the_digest_covers_them(tmp_path):
    path = save(tmp_path, measured(MEASURED))
    document = json.loads(path.read_text())
    assert document["measurements"] == MEASURED and [*document][:-1] == KEYS
    assert '\n    "accuracy": [[0.30000000000000004], [null, 1]]\n' in path.read_text()
    assert load(path) == measured(MEASURED) and load_all(tmp_path) == [measured(MEASURED)]
    document["measurements"]["continual"]["values"]["step"] = [2, 3]
    path.write_text(json.dumps(document))
    assert "edited" in refusal(path)


def test_a_run_that_was_not_measured_says_nothing_of_measurements(tmp_path, run):
    assert text(measured(None)) == text(run) and "measurements" not in text(run)
    assert digest(measured(None)) == digest(run) != digest(measured(MEASURED))
    places = [save(tmp_path, each) for each in (run, measured(MEASURED))]
    assert places[0] == places[1]
    document = run.model_dump(mode="json", exclude={"measurements": True, "provenance": {"digest"}})
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    assert digest(run) == hashlib.sha256(canonical.encode()).hexdigest()


def test_committed_records_have_the_bytes_that_are_written_today():
    paths = sorted((ROOT / "results").glob("*-*/*/seed-*.json"))
    assert len(paths) >= 90
    for path in paths:
        content, seal = path.read_text(encoding="utf-8"), f',\n  "digest": "{digest(load(path))}"'
        assert content in (text(load(path)), text(load(path)).replace(seal, ""))  # the oldest have no digest


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"a": "high"}, "finite numbers"),
        ({"a": [True]}, "finite numbers"),
        ({"a": {"b": 1}}, "finite numbers"),
        ({"a": [float("nan")]}, "finite numbers"),
        ({"a": [[[[[[[1]]]]]]]}, "at most six levels deep"),
        ({"a": [0] * (MOST_NUMBERS + 1)}, "at most 1,000,000 numbers"),
        ({"a b": 1}, "measurements.norm.values.a b"),
    ],
    ids=range(7),
)
def test_a_measurement_that_holds_anything_but_numbers_is_refused(values, reason, tmp_path, run):
    path = save(tmp_path, run)
    measurements = {"norm": {"options": {}, "code": "1-abc", "values": values}}
    edit(path, measurements=measurements, provenance=json.loads(json.dumps(PROVENANCE)))
    assert reason in refusal(path)


def test_empty_measurements_are_refused(tmp_path, run):
    path = save(tmp_path, run)
    edit(path, measurements={}, provenance=PROVENANCE)
    assert "measurements is empty" in refusal(path)


def test_recorded_asks_for_the_same_options_and_code(tmp_path):
    run = measured(MEASURED)
    save(tmp_path, run)
    cell = (tmp_path, "ewc", "permuted-mnist", 3, run.settings, "1-abc", run.provenance.data)
    asked = {name: {key: MEASURED[name][key] for key in ("options", "code")} for name in MEASURED}
    assert recorded(*cell) and recorded(*cell, asked) and recorded(*cell, {"norm": asked["norm"]})
    assert not recorded(*cell, {"other": asked["norm"]})
    assert not recorded(*cell, {"norm": asked["norm"] | {"options": {"every": 1}}})
    assert not recorded(*cell, {"norm": asked["norm"] | {"code": "1-abc"}})


@pytest.mark.parametrize("command", ["verify", "table", "report"])
@pytest.mark.parametrize(
    "place", ["", "permuted-mnist", "permuted-mnist/ewc", "permuted-mnist/ewc/seed-9-abcdefab.json"]
)
def test_a_pipe_among_the_records_never_hangs(command, place, tmp_path, run, capsys):
    results = tmp_path / "results"
    if place.endswith(".json"):
        save(results, run)
    (results / place).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(results / place)
    assert main([command, "--results", str(results)]) in (0, 1, 2)
    said = capsys.readouterr()
    named = said.out + said.err
    assert "Traceback" not in named and (str(results) in named or "0 sound records" in named)
