"""A new built-in method is one file: with that alone it is listed, trained, and shown with its title."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.records import store
from methods.registry import METHODS
from tests.oracles.plain import RESTATED

ROOT = Path(__file__).resolve().parents[2]
SIGN_SGD = '''\
"""Sign SGD: steps of one length for every parameter."""

from methods.method import Method


class SignSGD(Method):
    """The direction is the sign of the gradient.

        theta <- theta - lr * sign(g),    g = gradient of the mean cross-entropy of the batch

    Source: Bernstein et al., 'signSGD: Compressed Optimisation for Non-Convex Problems', ICML 2018, algorithm 1.
    Deviations: none known.
    """

    id = "sign-sgd"
    title = "Sign SGD"
    memoryless = True
    reference = "Bernstein et al., signSGD: Compressed Optimisation for Non-Convex Problems, ICML 2018"
    order = 1.5
    stream_settings = {"split-digits": {"learning_rate": (0.001, "chosen for the digits")}}

    def direction(self, net, batch):
        """The signs of each seed's gradient."""
        return net.gradient(batch).dense().sign()
'''
SCRIPT = """
import json, sys
from benchmark.cli.main import main
changes = ["--stream", "split-digits", "--set", "tasks=2", "--set", "train_examples=20"]
some = [word for id in ("ewc", "sign-sgd", "naive") for word in ("--method", id)]
codes = [
    main(["list"]), main(["list", "--settings", "--method", "sign-sgd", "--stream", "split-digits"]),
    main(["run", *changes, *some, "--seed", "0", "--jobs", "1"]), main(["table"]), main(["table", "--format", "csv"]),
    main(["report"]),
]
print(json.dumps([codes, "methods.sign_sgd" in sys.modules]))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> tuple[Path, str]:
    """A copy of the methods with one more, the current directory of the commands, and what these said."""
    folder = tmp_path_factory.mktemp("seven")
    shutil.copytree(ROOT / "methods", folder / "methods", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "methods" / "sign_sgd.py").write_text(SIGN_SGD)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.append({str(ROOT)!r})\n{SCRIPT}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_it_is_listed_and_trained(told):
    folder, out = told
    codes, loaded = json.loads(out.splitlines()[-1])
    assert codes == [0] * 6 and loaded
    words = " ".join(out.split())
    assert "sign-sgd Sign SGD yes Bernstein et al., signSGD" in words
    assert "learning_rate 0.001 chosen for the digits" in words
    (record,) = [record for record in store.load_all(folder / "results") if record.method == "sign-sgd"]
    assert record.settings["learning_rate"] == 0.001


def test_it_stands_where_its_order_says(told):
    rows = [line.split("[")[0].strip("| ") for line in told[1].splitlines() if line.startswith("| ")]
    assert rows[1:] == ["Naive SGD", "Sign SGD", "EWC"]


def test_every_built_in_method_is_restated():
    missing = METHODS.keys() - set(RESTATED)
    assert not missing, (
        f"restate {', '.join(missing)} as a plain loop in tests/oracles/plain.py, and name it in RESTATED"
    )
