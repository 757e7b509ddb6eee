"""Pickled data: nothing runs from a file, the digest is of the bytes that are read, ./data is left alone."""

import hashlib
import json
import os
import pickle
import shutil
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from avalanche.benchmarks.classic import CLEAR

from benchmark.cli.main import main
from benchmark.streams import pickles
from benchmark.streams.archives import ARCHIVES, read
from benchmark.streams.avalanche.data import seed_for
from benchmark.streams.pickles import only_known, plain
from methods.errors import InputError


class Harmful:
    """Makes a folder when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


@pytest.fixture
def workplace(monkeypatch, tmp_path):
    """A working and home directory, without BENCHMARK_DATA."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BENCHMARK_DATA", raising=False)
    return tmp_path


def harmful_files(folder: Path, trace: Path) -> None:
    """What CORe50 and OpenLORIS look for, the pickles with code in them."""
    for name in ("core50_128x128", "core50_32x32", "batches_filelists"):
        (folder / name).mkdir(parents=True)
    for name in ("train.zip", "validation.zip", "test.zip", "batches_filelists.zip"):
        (folder / name).write_bytes(b"")
    for name in ("paths.pkl", "Paths.pkl", "labels.pkl", "Labels.pkl", "LUP.pkl", "labels2names.pkl"):
        (folder / name).write_bytes(pickle.dumps(Harmful(trace)))


@pytest.mark.parametrize("name", ["CORe50", "OpenLORIS"])
@pytest.mark.parametrize("named", [False, True])
def test_no_code_runs_from_data(workplace, capsys, name, named):
    trace = workplace / "trace"
    harmful_files(workplace / "data", trace)
    command = ["run", "--stream", f"avalanche:{name}", "--method", "naive", "--seeds", "1", "--results", "r"]
    assert main([*command, *(["--data", "data"] if named else [])]) == 2
    err = capsys.readouterr().err
    assert not trace.exists() and err.count("\n") == 1
    assert ("pickle of unknown digest" in err and "aths.pkl" in err) if named else "nothing is downloaded here" in err


def test_what_is_named_in_a_pickle_is_arrays_alone(tmp_path):
    kept = {
        "data": np.arange(6).reshape(2, 3),
        "labels": [1, 2.5, None, True, "a", b"b"],
        "more": OrderedDict(a=(1, 2)),
    }
    for protocol in (2, 3, 4):
        back = plain(pickle.dumps(kept, protocol))
        assert np.array_equal(back.pop("data"), kept["data"])
        assert back == {name: value for name, value in kept.items() if name != "data"}
    for harm in (Harmful(tmp_path / "trace"), print, Path("x"), np.load, torch.zeros(1)):
        with pytest.raises(pickle.UnpicklingError, match="which is code, not data"):
            plain(pickle.dumps(harm))
    assert not (tmp_path / "trace").exists()


def test_the_digest_is_of_the_bytes_that_are_unpickled(tmp_path, monkeypatch):
    """A file that is swapped after it was read changes nothing, and one of unknown digest is refused."""
    good, harm = pickle.dumps({"fine_labels": [1]}), pickle.dumps(Harmful(tmp_path / "trace"))
    monkeypatch.setattr(pickles, "known", lambda: {hashlib.md5(good).hexdigest(): "good"})
    path = tmp_path / "file.pkl"
    path.write_bytes(harm)
    with only_known() as refusals, open(path, "rb") as file:
        with pytest.raises(InputError, match="file.pkl is a pickle of unknown digest"):
            pickle.load(file)
        with pytest.raises(InputError):
            pickle.loads(good)
        assert len(refusals) == 2
        path.write_bytes(good)
        with open(path, "rb") as again:
            assert pickle.load(again, encoding="latin1") == {"fine_labels": [1]}
    assert not (tmp_path / "trace").exists()
    assert pickle.loads(good) == {"fine_labels": [1]}  # outside the block


def test_torch_files_are_read_as_tensors_alone(tmp_path):
    torch.save(Harmful(tmp_path / "trace"), tmp_path / "harm.pt")
    torch.save({"a": torch.ones(2)}, tmp_path / "good.pt")
    with only_known():
        assert torch.equal(torch.load(tmp_path / "good.pt")["a"], torch.ones(2))
        with pytest.raises(pickle.UnpicklingError):
            torch.load(tmp_path / "harm.pt")
    assert not (tmp_path / "trace").exists()


def test_published_pickles_are_known():
    names = set(pickles.known().values())
    assert {"paths.pkl", "Paths.pkl", "data_batch_1", "batches.meta", "train", "test", "meta"} <= names


def test_cifar_as_avalanche_reads_it_comes_from_checked_bytes(real_data, workplace, capsys):
    """With a file swapped for code between the check of its digest and its opening."""
    shutil.copytree(real_data / "cifar-100-python", workplace / "named/cifar-100-python")
    from benchmark.streams.avalanche import data

    before, trace = data.digests, workplace / "trace"

    def swapped(archive, root):
        found = before(archive, root)
        (root / archive.folder / "test").write_bytes(pickle.dumps(Harmful(trace)))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "digests", swapped)
        code = main(
            [
                *("list", "--method", "naive", "--stream", "avalanche:SplitCIFAR100"),
                *("--set", "stream.n_experiences=5", "--data", "named"),
            ]
        )
    err = capsys.readouterr().err
    assert code == 2 and "pickle of unknown digest" in err and not trace.exists()


def test_a_file_of_an_archive_is_read_once(real_data):
    content, digest = read(ARCHIVES["mnist"], real_data, "t10k-labels-idx1-ubyte")
    assert hashlib.md5(content).hexdigest() == digest and len(content) == 10008


def clear_features(root: Path, buckets: int = 3, each: int = 6) -> None:
    """Features of two classes, in the layout of CLEAR's first release."""
    base = root / "training_folder"
    (base / "filelists").mkdir(parents=True)
    (root / "class_names.txt").write_text("cat\ndog")
    (root / "one.png").write_bytes(b"")
    (base / "bucket_indices.json").write_text(json.dumps(list(range(buckets))))
    for bucket in map(str, range(buckets)):
        features, lists = base / "features/moco_b0" / bucket, base / "filelists" / bucket
        for folder in (features, lists):
            folder.mkdir(parents=True)
        torch.save((torch.rand(each, 16), torch.arange(each) % 2), features / "all.pth")
        (lists / "all.txt").write_text("one.png 0\n")


def test_clear_gets_a_seed_only_where_it_splits_by_one(tmp_path, capsys):
    clear_features(tmp_path / "clear")
    given = ["--stream", "avalanche:CLEAR", "--method", "naive", "--data", str(tmp_path / "clear"), "--jobs", "1"]
    given += ["--set", "stream.data_name=clear10_neurips2021", "--set", "stream.feature_type=moco_b0"]
    run = ["run", *given, "--results", str(tmp_path / "results")]
    assert main([*run, "--seed", "7"]) == 0, capsys.readouterr().err
    assert "test images are also training images" in capsys.readouterr().err  # in Avalanche they are the same here
    assert seed_for(CLEAR, 3, {}) == {} and seed_for(CLEAR, 3, {"evaluation_protocol": "iid"}) == {"seed": 3}
    assert main([*run, "--set", "stream.evaluation_protocol=iid", "--seed", "7"]) == 2
    assert "avalanche:CLEAR has splits for the seeds 0 to 4 and none for 7" in capsys.readouterr().err
