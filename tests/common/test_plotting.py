"""Matplotlib is imported whatever MPLBACKEND says."""

import pytest

from tests.support.process import environment, python

SCRIPT = """
import os, benchmark.common.plotting, matplotlib
from matplotlib.figure import Figure
Figure().savefig(os.environ["PLACE"])
print(os.environ["MPLBACKEND"], matplotlib.rcParams["figure.dpi"])
"""


@pytest.mark.parametrize("name", ["no_such_backend", "module://nowhere", "svg"])
def test_no_backend_stands_in_the_way_and_the_variable_stays(name, tmp_path):
    done = python("-c", SCRIPT, check=True, env=environment(MPLBACKEND=name, PLACE=str(tmp_path / "a.png")))
    assert done.stdout == f"{name} 100.0\n" and (tmp_path / "a.png").stat().st_size > 100
