"""The registry of networks, and how networks are named."""

import re
from pathlib import Path

import pytest

from benchmark.networks import external
from benchmark.networks.registry import NETWORKS, check_fits, default_network
from benchmark.streams.kinds import STREAMS
from methods.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def test_the_streams_of_the_suite_have_networks_of_the_registry():
    assert {kind.network for kind in STREAMS.values()} == set(NETWORKS) == {"mlp", "resnet18"}


@pytest.mark.parametrize(
    "shape, network", [((64,), "mlp"), ((784,), "mlp"), ((3, 32, 32), "resnet18"), ((3, 16, 16), ""), ((2, 32, 32), "")]
)
def test_the_shape_of_the_examples_decides_the_default_network(shape, network):
    assert default_network(shape) == network


def test_a_network_that_does_not_fit_is_refused():
    assert check_fits(NETWORKS["mlp"], (3, 16, 16), "mine") is NETWORKS["mlp"]
    with pytest.raises(InputError, match="resnet18 takes examples of 3 x 32 x 32, and mine has 3 x 16 x 16"):
        check_fits(NETWORKS["resnet18"], (3, 16, 16), "mine")
    with pytest.raises(
        InputError, match="mine has examples of 3 x 16 x 16, for which the suite has no default network"
    ):
        check_fits(None, (3, 16, 16), "mine")


def test_no_other_file_compares_names_of_networks():
    compared = re.compile(r"""(network|kind)\w*(\.id)?\s*[!=]=\s*["']|["'](mlp|resnet18)["']\s*[!=]=""")
    files = [path for package in ("benchmark", "methods") for path in (ROOT / package).rglob("*.py")]
    assert len(files) > 100
    found = [path for path in files if compared.search(path.read_text(encoding="utf-8"))]
    assert [path for path in found if path.parent.name != "networks"] == []


@pytest.mark.parametrize(
    "spec, canonical, file",
    [
        ("./net.py", "/here/net.py", "/here/net.py"),
        ("net.py", "/here/net.py", "/here/net.py"),
        ("./net.py:wide", "/here/net.py:wide", "/here/net.py"),
        ("/a/b/net.py:wide", "/a/b/net.py:wide", "/a/b/net.py"),
        ("package.module:function", "package.module:function", None),
        ("mlp", "mlp", None),
    ],
)
def test_names_hold_in_any_process(spec, canonical, file, monkeypatch):
    monkeypatch.setattr("os.getcwd", lambda: "/here")
    assert external.canonical(spec) == canonical and external.file_of(external.canonical(spec)) == file
    if file:
        assert external.at(canonical, "plugins/1/net.py") == canonical.replace(file, "plugins/1/net.py")
