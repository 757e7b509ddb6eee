"""python -m benchmark verify: what it finds, what it only notes, and that it changes nothing."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from benchmark.cli.main import main
from benchmark.records import checkpoint
from benchmark.records.schema import compose
from benchmark.records.store import save
from benchmark.records.verify import verify
from tests.support.literal import PROVENANCE, record

MATRIX = [[0.8, 0.1], [0.5, 0.9]]
ORIGIN = PROVENANCE | {"versions": {"torch": "2.13.0"}}


def cell(method: str, seed: int, **origin):
    matrix = MATRIX if method == "ewc" else [[0.8, 0.1], [0.4, 0.9]]
    run = record(method, "permuted-mnist", seed, matrix, tasks=2)
    return compose(method, run.stream, seed, run.settings, matrix, 1.0, None, ORIGIN | origin)


@pytest.fixture
def results(tmp_path) -> Path:
    """Four sound records of two cells."""
    for method in ("ewc", "naive"):
        for seed in (0, 1):
            save(tmp_path / "results", cell(method, seed))
    return tmp_path / "results"


def everything(folder: Path) -> dict[str, tuple]:
    """What a folder holds, to tell whether anything in it was touched."""
    return {
        str(path): (path.lstat().st_mtime_ns, path.lstat().st_ino, path.read_bytes() if path.is_file() else None)
        for path in sorted(folder.rglob("*"))
    }


def edited(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


DAMAGE = {
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "foreign": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00"),
    "of another kind": lambda path: path.write_text('{"name": "package", "version": "1.0"}'),
    "a matrix edited": lambda path: edited(path, accuracy_matrix=[[0.8, 0.1], [0.95, 0.9]]),
    "a time edited": lambda path: edited(path, seconds=0.1),
    "moved": lambda path: path.rename(path.with_name("seed-9-00000000.json")),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a dangling link": lambda path: (path.unlink(), path.symlink_to("nowhere")),
}


def test_sound_records_are_counted_and_nothing_is_touched(results, capsys):
    before = everything(results)
    assert main(["verify", "--results", str(results)]) == 0
    assert capsys.readouterr() == ("4 sound records, 0 unsound, 0 notes\n", "")
    assert everything(results) == before


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_record_that_is_not_sound_is_one_line_and_a_one(results, kind, capsys):
    victim = sorted(results.glob("*/ewc/*.json"))[0]
    DAMAGE[kind](victim)
    named = victim if os.path.lexists(victim) else victim.with_name("seed-9-00000000.json")
    before = everything(results)
    assert main(["verify", "--results", str(results)]) == 1
    out, err = capsys.readouterr()
    assert err == "" and out.splitlines()[-1] == "3 sound records, 1 unsound, 0 notes"
    line, _ = out.splitlines()
    assert line.startswith("unsound: ") and str(named) in line
    assert everything(results) == before
    assert main(["table", "--results", str(results)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_every_unsound_record_is_reported(results, capsys):
    paths = sorted(results.glob("*/*/*.json"))
    for path, damage in zip(paths[:3], ("truncated", "a matrix edited", "empty"), strict=True):
        DAMAGE[damage](path)
    assert main(["verify", "--results", str(results), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["records"] == 1 and found["notes"] == []
    assert [str(path) in line for path, line in zip(paths[:3], found["unsound"], strict=True)] == [True] * 3


@pytest.mark.parametrize(
    ("origin", "said"),
    [
        ({"commit": None, "clean": None}, "commit is unknown"),
        ({"clean": False}, "changed files"),
        ({"versions": {"torch": None}}, "version of torch"),
        ({"data": {}}, "digests of its data"),
        ({"seeds_together": [5]}, "trained together"),
    ],
)
def test_provenance_that_leaves_a_doubt_is_a_note_unless_strict(tmp_path, origin, said, capsys):
    path = save(tmp_path, cell("agem", 0, **origin))
    assert main(["verify", "--results", str(tmp_path)]) == 0
    note, last = capsys.readouterr().out.splitlines()
    assert note.startswith(f"note: {path}: ") and said in note and last.endswith("0 unsound, 1 notes")
    assert main(["verify", "--results", str(tmp_path), "--strict"]) == 1


def test_a_doubt_that_many_records_share_is_one_note(results):
    for method in ("ewc", "naive"):
        for seed in (0, 1):
            save(results, cell(method, seed, clean=False))
    (only,) = verify(results).notes
    assert " and 3 more: made from changed files, commit 0123abc" in only


def test_a_cell_of_several_codes_or_data_is_noted(results):
    save(results, cell("ewc", 1, code="2-def"))
    assert verify(results).notes == ["ewc on permuted-mnist mixes code: 1-abc and 2-def"]
    save(results, cell("naive", 1, data={"train": "other"}))
    assert any("naive on permuted-mnist mixes data" in note for note in verify(results).notes)


def test_what_is_no_record_is_noted(results):
    folder = next(results.glob("*/ewc"))
    for name in (".seed-0-aa.12-ab.tmp", "seed-0-aa.json.bak"):
        (folder / name).write_text("{")
    draft, other = verify(results).notes
    assert "draft" in draft and ".tmp" in draft and "no record" in other and ".bak" in other


def test_damaged_state_is_unsound_and_sound_state_is_not(results, capsys):
    place = results / ".state/permuted-mnist/ewc/seed-2-2f59f6fd-00000000.safetensors"
    point = checkpoint.Point(run={}, seeds=[2], threads=1, started="", phase=0, outcomes=[])
    checkpoint.save(place, point, {"theta": torch.ones(1, 9)})
    assert verify(results).unsound == []
    whole = bytearray(place.read_bytes())
    whole[-1] ^= 1
    for content in (bytes(whole), bytes(whole[:40]), b"", b"{}"):
        place.write_bytes(content)
        before = everything(results)
        assert main(["verify", "--results", str(results)]) == 1
        line, last = capsys.readouterr().out.splitlines()
        assert line.startswith(f"unsound: {place} ") and "remove it" in line and last.startswith("4 sound")
        assert everything(results) == before


def test_a_foreign_name_cannot_steer_the_terminal(results, capsys):
    shutil.copy(next(results.glob("*/ewc/*.json")), results / "permuted-mnist/ewc/a\x1b[2J\nb.json")
    assert main(["verify", "--results", str(results)]) == 1
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 2 and all(line.isprintable() for line in out.splitlines())


@pytest.mark.parametrize("place", ["nowhere", "file"])
def test_what_is_no_directory_is_bad_input(tmp_path, place, capsys):
    (tmp_path / "file").write_text("")
    assert main(["verify", "--results", str(tmp_path / place)]) == 2
    err = capsys.readouterr().err
    assert "--results" in err and place in err and err.count("\n") == 1


def test_an_empty_directory_is_sound(tmp_path, capsys):
    assert main(["verify", "--results", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "0 sound records, 0 unsound, 0 notes\n"


def test_a_pipe_in_the_place_of_a_state_is_unsound(results):
    place = results / ".state/permuted-mnist/ewc/seed-2-2f59f6fd-00000000.safetensors"
    place.parent.mkdir(parents=True)
    os.mkfifo(place)
    (line,) = verify(results).unsound
    assert str(place) in line and "not a regular file" in line
