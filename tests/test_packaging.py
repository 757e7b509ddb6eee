"""The suite as a wheel, installed where its source is not; its papers; its documentation as a site."""

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml

from benchmark import __version__
from benchmark.records.store import load_all
from methods.catalogue import METHOD_ROWS
from methods.settings import Settings
from tests.support.process import ROOT, environment

pytestmark = pytest.mark.packaging
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "benchmark", "methods")


def done(*command: str | Path, cwd: Path) -> str:
    """Run a command without what the tests add to Python's path; its output."""
    given = environment(PYTHONPATH=None)
    result = subprocess.run(command, cwd=cwd, env=given, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from the sdist of a copy of the sources."""
    folder = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    done(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", cwd=folder)
    assert len(list((folder / "dist").glob("clbench_table2-*.tar.gz"))) == 1
    (built,) = (folder / "dist").glob("clbench_table2-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The programs of an environment with the wheel, and the libraries of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    programs = folder / "bin"
    done(
        sys.executable,
        "-m",
        "pip",
        "--python",
        programs / "python",
        "install",
        "--no-deps",
        "--no-index",
        "--quiet",
        "--disable-pip-version-check",
        wheel,
        cwd=folder,
    )
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return programs


def test_the_wheel_has_every_file_of_the_packages(wheel):
    inside = set(ZipFile(wheel).namelist())
    ours = {
        str(path.relative_to(ROOT))
        for name in ("benchmark", "methods")
        for path in (ROOT / name).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert ours <= inside
    assert {name.partition("/")[0] for name in inside - ours} == {f"clbench_table2-{__version__}.dist-info"}


def test_installed_the_command_line_is_the_same_from_any_directory(installed, tmp_path):
    listed = done(installed / "clbench", "list", cwd=tmp_path)
    assert all(method in listed for method in METHOD_ROWS)
    assert done(installed / "python", "-m", "benchmark", "list", cwd=tmp_path) == listed
    assert done(installed / "clbench", "--version", cwd=tmp_path) == f"clbench-table2 {__version__}\n"


def test_installed_a_run_is_recorded_where_it_was_started(installed, tmp_path):
    done(
        installed / "clbench",
        "run",
        "--method",
        "agem",
        "--stream",
        "split-digits",
        "--seed",
        "0",
        "--jobs",
        "1",
        "--set",
        "tasks=2",
        "--set",
        "train_examples=40",
        cwd=tmp_path,
    )
    (run,) = load_all(tmp_path / "results")
    assert (run.method, run.status, run.provenance.commit) == ("agem", "complete", None)
    assert "A-GEM" in done(installed / "clbench", "table", cwd=tmp_path)


def test_the_citation_is_of_this_version_and_of_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["cff-version"], citation["type"], citation["version"]) == ("1.2.0", "software", __version__)
    assert {"message", "title", "authors"} <= set(citation) and citation["license"] == "MIT"
    (paper,) = citation["references"]
    assert paper["type"] == "conference-paper" and paper["year"] == 2020
    names = [author["family-names"] for author in paper["authors"]]
    assert names == ["Mirzadeh", "Farajtabar", "Pascanu", "Ghasemzadeh"]


def test_the_changelog_has_this_version():
    assert f"\n## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The documentation as `make docs` builds it: a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "--quiet", "build", "--strict", "--site-dir", folder]
    subprocess.run(
        [*command, "--config-file", ROOT / "docs/site/mkdocs.yml"],
        cwd=ROOT,
        check=True,
        timeout=120,
        env=environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
    )
    return folder


def test_the_site_has_the_equations_and_the_sources(site):
    page = (site / "methods.html").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]*>", "", page).replace("&gt;", ">").replace("&lt;", "<")
    assert all(row.title in text for row in METHOD_ROWS.values())
    assert "direction = g - min(g.r, 0) / (r.r) * r" in text and text.count("Deviations:") == len(METHOD_ROWS)
    settings = (site / "settings.html").read_text(encoding="utf-8")
    assert all(f"<code>{name}</code>" in settings for name in Settings.model_fields)
    assert "published code, replicate_mnist.sh" in settings


def test_the_site_shows_the_figures(site):
    (figure,) = re.findall(r'src="([^"]*accuracy\.png)"', (site / "index.html").read_text(encoding="utf-8"))
    assert (site / figure).read_bytes() == (ROOT / "results" / "accuracy.png").read_bytes()


def test_a_page_of_the_site_loads_nothing_from_elsewhere(site):
    pages = list(site.glob("*.html"))
    assert len(pages) >= 7
    loads = r"""<(?:script|img|iframe|link)\b[^>]*(?:src|href)=["']?(?:https?:)?//|@import|url\(["']?https?:"""
    assert {page.name: found for page in pages if (found := re.findall(loads, page.read_text(encoding="utf-8")))} == {}
