"""Provenance: commit and cleanliness of a real checkout, and what a record takes."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import benchmark
from benchmark.records import provenance
from benchmark.records.schema import Provenance


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A Person", "-c", "user.email=person@example.org"]
    # a hook that runs the tests sets variables that would lead git to the hook's own repository
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", folder, *identity, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "code.py").write_text("one = 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "First")
    provenance.checkout.cache_clear()
    yield tmp_path
    provenance.checkout.cache_clear()


def test_a_clean_checkout_gives_its_commit(project):
    assert provenance.checkout(project) == (git(project, "rev-parse", "HEAD"), True)


@pytest.mark.parametrize("name", ["code.py", "new.py"])
def test_a_changed_or_a_new_file_is_not_clean(project, name):
    (project / name).write_text("two = 2\n")
    assert provenance.checkout(project)[1] is False


def test_new_records_leave_the_tree_clean(project):
    (project / "results").mkdir()
    (project / "results" / "seed-0.json").write_text("{}")
    assert provenance.checkout(project)[1] is True


def test_another_project_s_checkout_around_ours_is_not_ours(project):
    (project / "inside").mkdir()
    assert provenance.checkout(project / "inside") == (None, None)


def test_a_checkout_without_a_commit_or_without_git_is_unknown(tmp_path, monkeypatch):
    git(tmp_path, "init", "--quiet")
    provenance.checkout.cache_clear()
    assert provenance.checkout(tmp_path) == (None, None)
    monkeypatch.setenv("PATH", "")
    provenance.checkout.cache_clear()
    assert provenance.checkout(tmp_path) == (None, None)
    provenance.checkout.cache_clear()


def test_git_s_own_environment_does_not_lead_astray(project, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path_factory.mktemp("elsewhere")))
    commit, clean = provenance.checkout(project)
    assert len(commit) == 40 and clean


def test_gather_makes_what_a_record_takes():
    gathered = provenance.gather("1-abc", {"train": "d41d8c"}, "cpu", 2, [0, 1, 2])
    Provenance.model_validate(gathered)
    assert (gathered["code"], gathered["data"], gathered["device"]) == ("1-abc", {"train": "d41d8c"}, "cpu")
    assert (gathered["threads"], gathered["seeds_together"]) == (2, [0, 1, 2])
    assert gathered["processor"]
    age = datetime.now(UTC) - datetime.fromisoformat(gathered["started"])
    assert timedelta(seconds=-1) < age < timedelta(seconds=60)


def test_versions_name_the_libraries_that_decide_the_numbers():
    versions = provenance.versions()
    assert list(versions) == ["python", "torch", "torchvision", "avalanche-lib", "numpy", "benchmark"]
    assert versions["benchmark"] == benchmark.__version__
    assert versions["torch"] is not None


def test_a_library_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr(provenance, "LIBRARIES", ("no-such-library-anywhere",))
    assert provenance.versions()["no-such-library-anywhere"] is None
