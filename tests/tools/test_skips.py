"""Continuous integration fails where a test is skipped that tests/expected_skips.txt does not name."""

import pytest

from tests.support.process import ROOT, environment, python
from tests.support.skips import unexpected

TEST = "tests/training/test_cuda_graphs.py::test_one"


def test_the_test_and_the_reason_must_both_be_expected():
    assert unexpected([(TEST, "needs a CUDA device")]) == []
    assert unexpected([(TEST, "on a whim")]) == [f"{TEST}: on a whim"]
    assert unexpected([("tests/test_x.py::test_one", "needs a CUDA device")]) != []


@pytest.mark.parametrize(
    ("ci", "workers", "code"), [("1", [], 1), ("1", ["-n", "1"], 1), (None, [], 0)], ids=["here", "in a worker", "off"]
)
def test_an_unexpected_skip_fails_the_session(tmp_path, ci, workers, code):
    (tmp_path / "test_file.py").write_text("import pytest\npytest.importorskip('no_such_library')\n")
    (tmp_path / "test_part.py").write_text(
        "import pytest\ndef test_one(): pytest.skip('on a whim')\ndef test_other(): pass\n"
    )
    command = ["-m", "pytest", "-p", "xdist", "-p", "tests.support.skips", *workers]
    given = environment(CI=ci, PYTHONPATH=str(ROOT), PYTEST_ADDOPTS=None, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    done = python(*command, cwd=tmp_path, env=given)
    assert done.returncode == code, done.stdout + done.stderr
    for said in ("test_part.py::test_one: on a whim", "test_file.py: could not import 'no_such_library'"):
        assert (said in done.stdout) == bool(code)
