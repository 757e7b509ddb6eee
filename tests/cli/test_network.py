"""run --network and check-network as a person types them: records, workers, refusals."""

import json
import sys
from pathlib import Path

import pytest

from benchmark.cli.main import main
from benchmark.records import store
from tests.streams.test_external import SHAPES, written
from tests.support.strategies import DIGITS

EXAMPLES = Path(__file__).resolve().parents[2] / "docs/examples"
SOURCE = '''\
"""Two networks."""
from torch import nn

def network(shape, outputs, width=8):
    return nn.Sequential(nn.Linear(shape[0], width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, outputs))

def other(shape, outputs, width):
    return network(shape, outputs, width)
'''
SMALL = ["--set", "tasks=2", "--set", "train_examples=40", "--jobs", "1"]
RUN = ["run", "--method", "naive", "--stream", "split-digits", *SMALL]


pytestmark = pytest.mark.usefixtures("one_core")


@pytest.fixture
def net(tmp_path, monkeypatch) -> Path:
    """A file with two sound networks, in the current directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "net.py"
    path.write_text(SOURCE, encoding="utf-8")
    return path


def records(folder: str = "results"):
    return store.load_all(Path(folder))


def test_its_runs_are_recorded_by_name_arguments_and_code(net, capsys):
    common = ["--seeds", "2", "--results", "results"]
    assert main([*RUN, *common, "--network", "./net.py"]) == 0
    assert main([*RUN, *common, "--network", "net.py", "--set", "network.width=9"]) == 0
    assert main([*RUN, *common, "--network", "./net.py:other", "--set", "network.width=9"]) == 0
    assert main([*RUN, *common]) == 0
    found = {(r.settings.get("network"), r.settings.get("network.width"), r.seed): r for r in records()}
    networks = [("net", None), ("net", 9), ("net:other", 9), (None, None)]
    assert set(found) == {(*network, seed) for network in networks for seed in (0, 1)}
    versions = {network: found[*network, 0].provenance.code for network in networks}
    assert len({versions[network] for network in networks[:3]}) == 1
    assert versions["net", 9].startswith(versions[None, None] + "-") and versions[None, None].count("-") == 1
    assert found["net", 9, 0].accuracy_matrix == found["net:other", 9, 0].accuracy_matrix
    assert found["net", 9, 0].accuracy_matrix != found["net", 9, 1].accuracy_matrix
    assert found["net", 9, 0].provenance.seeds_together == [0] and found[None, None, 0].provenance.seeds_together == [
        0,
        1,
    ]
    capsys.readouterr()
    assert main([*RUN, *common, "--network", "./net.py"]) == 0 and "2 recorded already" in capsys.readouterr().out
    assert main(["table", "--results", "results"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "network=net:other network.width=9" in out and "network=net tasks=2" in out
    assert main(["verify", "--results", "results"]) == 0
    assert main(["report", "--results", "results", "--output", "page.html"]) == 0
    assert "net:other" in Path("page.html").read_text(encoding="utf-8")


def test_a_changed_file_is_run_again_and_a_comment_changes_nothing(net, capsys):
    folders = {name: net.parent / name for name in ("same", "changed")}
    for name, folder in folders.items():
        folder.mkdir()
        text = SOURCE.replace('"""Two networks."""', "# no words") if name == "same" else SOURCE.replace("0.2", "0.3")
        (folder / "net.py").write_text(text, encoding="utf-8")
    assert main([*RUN, "--seed", "0", "--network", "./net.py", "--results", "results"]) == 0
    (before,) = records()
    capsys.readouterr()
    assert main([*RUN, "--seed", "0", "--network", "same/net.py", "--results", "results"]) == 0
    assert "1 recorded already" in capsys.readouterr().out
    assert main([*RUN, "--seed", "0", "--network", "changed/net.py", "--results", "results"]) == 0
    (after,) = records()
    assert after.provenance.code != before.provenance.code and after.settings == before.settings


def test_a_module_s_function_is_a_network(net, monkeypatch):
    monkeypatch.syspath_prepend(str(net.parent))
    net.rename(net.with_name("clbench_test_networks.py"))
    spec = "clbench_test_networks:other"
    assert main([*RUN, "--seed", "0", "--network", spec, "--set", "network.width=5", "--results", "results"]) == 0
    assert [record.settings["network"] for record in records()] == [spec]
    del sys.modules["clbench_test_networks"]


def test_worker_processes_load_it_again_and_get_the_same_numbers(net):
    command = [*RUN[:-2], "--seeds", "2", "--network", "./net.py:other", "--set", "network.width=6"]
    assert main([*command, "--jobs", "1", "--results", "one"]) == 0
    assert main([*command, "--jobs", "2", "--threads", "1", "--results", "two"]) == 0
    one, two = records("one"), records("two")
    assert len(one) == 2 and [r.accuracy_matrix for r in one] == [r.accuracy_matrix for r in two]
    assert {r.provenance.code for r in one} == {r.provenance.code for r in two}


def test_a_recorded_run_is_checked_bit_for_bit(net, capsys):
    command = ["--method", "naive", "--stream", "split-digits", "--seed", "0", "--results", "results"]
    assert main(["run", *command, *SMALL, "--network", "./net.py"]) == 0
    assert main(["check", *command, *SMALL[:4], "--set", "network=./net.py"]) == 0
    assert "bit for bit" in capsys.readouterr().out


def test_the_streams_own_network_by_name_is_the_run_without_a_name(net, capsys):
    assert main([*RUN, "--seed", "0", "--results", "results"]) == 0
    capsys.readouterr()
    assert main([*RUN, "--seed", "0", "--network", "mlp", "--results", "results"]) == 0
    assert "1 recorded already" in capsys.readouterr().out


def test_the_mlp_takes_images_of_any_shape(tmp_path):
    path = written(tmp_path, SHAPES)
    arguments = [part for pair in ("channels=3", "side=16", "labels=[0, 1]") for part in ("--set", f"stream.{pair}")]
    command = ["run", "--method", "er-reservoir", "--stream", path, "--seed", "0", *arguments, "--jobs", "1"]
    assert main([*command, "--network", "mlp", "--results", str(tmp_path / "results")]) == 0
    assert [record.settings["network"] for record in records(tmp_path / "results")] == ["mlp"]


@pytest.mark.parametrize("stream", ["permuted-digits", "split-digits"])
def test_strategies_of_avalanche_train_it_too(net, stream):
    command = ["run", "--method", "avalanche:LwF", "--set", "alpha=1", "--set", "temperature=2", "--stream", stream]
    assert main([*command, *SMALL, "--seed", "0", "--network", "./net.py", "--results", "results"]) == 0
    assert [record.status for record in records()] == ["complete"]


def test_a_strategy_that_needs_features_refuses_it(net, capsys):
    net.with_name("classes.py").write_text(DIGITS, encoding="utf-8")  # ICaRL trains on class-incremental streams alone
    stream = ["--stream", "./classes.py", "--set", "stream.groups=[[0, 1], [2, 3]]"]
    assert main(["run", "--method", "avalanche:ICaRL", *stream, "--seed", "0", "--network", "./net.py"]) == 2
    err = capsys.readouterr().err
    assert "ICaRL needs a network that is cut into features and classifier" in err and err.count("error:") == 1


def test_list_shows_networks_and_the_settings_of_one(net, capsys):
    assert main(["list"]) == 0
    assert "resnet18   reduced ResNet-18" in capsys.readouterr().out
    assert main(["list", "--json"]) == 0
    assert [each["id"] for each in json.loads(capsys.readouterr().out)["networks"]] == ["mlp", "resnet18"]
    shown = ["list", "--method", "stable-sgd", "--stream", "split-digits", "--set", "network=./net.py"]
    assert main([*shown, "--set", "network.width=3"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "network net given here" in lines and "network.width 3 given here" in lines
    assert "dropout 0.0 0: an external network has its own" in lines


BAD = {
    "no such file": (None, [], "cannot read net.py"),
    "a syntax error": ("def network(:", [], "net.py, line 1: SyntaxError"),
    "a failing import": ("import no_such_module_here", [], "net.py, line 1: ModuleNotFoundError"),
    "no function": ("x = 1", [], "network is missing; write def network(shape, outputs)"),
    "not a function": ("network = 3", [], "network is not a function; write def network(shape, outputs)"),
    "too few parameters": ("def network(shape): pass", [], "the function takes (shape); it must take (shape, outputs)"),
    "an argument that lacks": ("def network(shape, outputs, width): pass", [], "give --set network.width=VALUE"),
    "an unknown argument": (SOURCE, ["--set", "network.widht=3"], "did you mean 'network.width'?"),
    "the suite's own argument": (SOURCE, ["--set", "network.outputs=3"], "takes no 'network.outputs', it takes width"),
    "dropout of the built-in ones": (
        SOURCE,
        ["--set", "dropout=0.5"],
        "'dropout' has no effect on the external network net",
    ),
    "no module": ("def network(shape, outputs): return outputs", [], "net.py: the function returns a int"),
    "an error when it is made": (
        "def network(shape, outputs):\n    return 1 / 0",
        [],
        "net.py, line 2: ZeroDivisionError",
    ),
    "an error in forward": (
        SOURCE.replace("nn.Linear(width, outputs)", "nn.Linear(width + 1, outputs)"),
        [],
        "net.py: RuntimeError: mat1 and mat2",
    ),
    "other outputs": (SOURCE.replace("(width, outputs)", "(width, 3)"), [], "net.py: the module returns torch.float32"),
    "two networks": (SOURCE, ["--set", "network=mlp"], "exclude each other"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_network_is_one_line_and_a_two(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    source, more, said = BAD[case]
    if source is not None:
        Path("net.py").write_text(source, encoding="utf-8")
    assert main([*RUN, "--seed", "0", "--network", "./net.py", *more, "--results", "results"]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1 and "Traceback" not in err
    assert not list(Path().rglob("*.json"))


@pytest.mark.parametrize(
    "name, more, said",
    [
        ("mpl", [], "there is no 'mpl', did you mean 'mlp'?"),
        ("resnet18", [], "resnet18 takes examples of 3 x 32 x 32, but split-digits has 64"),
        ("mlp", ["--set", "network.width=3"], "'network.width' is an argument of an external network"),
        ("no_such_module_here:f", [], "No module named"),
        ("math:pow", [], "math is not a Python file"),
        ("json:no_such", [], "no_such is missing"),
        ("./a b.py", [], "is not a Python file with a name of"),
        ("./mlp.py", [], "has the name of the suite's network 'mlp'; rename the file"),
        ("./net.txt", [], "is not a Python file with a name of"),
    ],
)
def test_names_that_lead_nowhere_are_one_line(name, more, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*RUN, "--network", name, *more, "--results", "results"]) == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1 and not Path("results").exists()


def test_arguments_without_a_network_are_refused(capsys):
    assert main([*RUN, "--set", "network.width=3"]) == 2
    assert "'network.width' is an argument of an external network" in capsys.readouterr().err


@pytest.mark.parametrize("example", ["mlp3", "cnn"])
def test_the_examples_keep_the_contract(example, capsys):
    assert main(["check-network", str(EXAMPLES / f"{example}.py")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "all hold"


def test_a_stream_whose_examples_have_another_shape(tmp_path, capsys):
    path = written(tmp_path, SHAPES.replace("12)", "60)"))
    arguments = [part for pair in ("channels=3", "side=16", "labels=[0, 1]") for part in ("--set", f"stream.{pair}")]
    assert main(["check-network", str(EXAMPLES / "cnn.py"), "--stream", path, *arguments]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "all hold"


BODY = """\
import itertools
import torch
import torch.nn.functional as F
from torch import nn

calls = itertools.count()

class Net(nn.Linear):
    steps = 0.0

    def forward(self, x):
        {}

def network(shape, outputs):
    {}
    return Net(shape[0], outputs)
"""
PLAIN = "return super().forward(x)"
BROKEN = {
    "outputs of the right shape": (BODY.format("return super().forward(x)[:, :3]", ""), "returns torch.float32 [10, 3"),
    "different initial values": (BODY.format(PLAIN, "torch.manual_seed(0)"), "do not call torch.manual_seed"),
    "batches of any size": (
        BODY.format("return super().forward(F.batch_norm(x, None, None, training=True) if self.training else x)", ""),
        "batch norm over vectors needs 2",
    ),
    "does not change the batch": (BODY.format("x -= 0.5; return super().forward(x)", ""), "in place"),
    "gets a gradient": (BODY.format("return x @ self.weight.t()", ""), "no gradient reaches bias"),
    "the same numbers": (BODY.format("return super().forward(x) * (1 + next(calls) % 7)", ""), "two equal runs differ"),
    "are independent": (
        BODY.format("Net.steps += 1.0; return super().forward(x) * (1 + Net.steps % 3)", "Net.steps = 0.0"),
        "trained with another seed",
    ),
    "resumes exactly": (
        BODY.format("self.steps = self.steps + self.training; return super().forward(x) / (1 + self.steps)", ""),
        "register_buffer",
    ),
    "depend only on it": (BODY.format("return super().forward(x - x.mean(0))", ""), "other examples of the batch"),
}  # fmt: skip


@pytest.mark.parametrize("clause", BROKEN)
def test_each_clause_fails_for_a_network_that_breaks_it(clause, tmp_path, capsys):
    source, said = BROKEN[clause]
    assert main(["check-network", written(tmp_path, source, "net.py")]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if clause in line]
    assert line.startswith("failed") and said in line


def test_check_network_is_for_networks_of_ones_own(capsys):
    assert main(["check-network", "mlp"]) == 2
    assert "mlp is built in" in capsys.readouterr().err
