"""Ray for real: a cluster of node processes on this machine, one of which is killed in mid-run."""

import os
import signal
import socket
from pathlib import Path

import psutil
import pytest

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # before Ray is imported: it listens on 127.0.0.1 alone
ray = pytest.importorskip("ray", reason="Ray is not installed: make test-cluster")

from ray.cluster_utils import Cluster  # noqa: E402

from benchmark.cli.main import main  # noqa: E402
from benchmark.records import store  # noqa: E402
from benchmark.runs.executors import ray_driver as on_ray  # noqa: E402
from benchmark.runs.progress import Advance  # noqa: E402
from tests.support.writers import leftovers, numbers  # noqa: E402

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(3000),
]  # under a minute on idle cores, but a busy machine imports PyTorch for minutes
CELLS = ["--method", "naive", "--method", "agem", "--stream", "permuted-digits", "--stream", "rotated-digits"]
COMMAND = ["run", *CELLS, "--seeds", "2", "--set", "tasks=3", "--set", "train_examples=500", "--set", "epochs=10"]
STORE = 80 * 2**20


@pytest.fixture(autouse=True, scope="module")
def one_core_there(one_core):
    """Units get one thread here as there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(on_ray, "cores", lambda: 1)
        yield


@pytest.fixture(scope="module")
def cluster():
    """A head that trains nothing and two nodes of one core."""
    cluster = Cluster(
        initialize_head=True, head_node_args=dict(num_cpus=0, include_dashboard=False, object_store_memory=STORE)
    )
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=STORE)
        yield cluster
    finally:
        cluster.shutdown()


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Path:
    """What this machine makes of the command by itself."""
    results = tmp_path_factory.mktemp("local")
    assert main([*COMMAND, "--jobs", "1", "--results", str(results)]) == 0
    return results


def when_told(monkeypatch, act) -> list:
    """Calls `act` once, when two units are at work; what it returns is put into the list returned."""
    working, done, once = set(), [], on_ray._Driver._take_in

    def take_in(driver, index, letter):
        once(driver, index, letter)
        if isinstance(letter, Advance):
            working.add(index)
        if len(working & {job.index for job in driver.running.values()}) == 2 and not done:
            done.append(act())

    monkeypatch.setattr(on_ray._Driver, "_take_in", take_in)
    return done


def kill(node) -> int:
    """SIGKILL to the node's processes, as if its plug were pulled; how many they were."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    processes = [raylet, *raylet.children(recursive=True)]
    for process in processes:
        process.kill()
    return len(processes)


def test_a_node_is_lost_and_all_records_are_those_of_this_machine(cluster, local, tmp_path, monkeypatch, capsys):
    killed = when_told(monkeypatch, lambda: kill(next(iter(cluster.worker_nodes))))
    address = ["--executor", "ray", "--address", cluster.address]
    assert main([*COMMAND, *address, "--results", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert killed[0] >= 2 and "lost with its node or process; it goes on elsewhere" in said
    assert "8 to do on cpu, each a Ray task with 1 CPU" in said and said.count(": accuracy ") == 8
    assert numbers(tmp_path) == numbers(local) and leftovers(tmp_path) == []
    for record in store.load_all(tmp_path):
        twin = store.load(store.path_of(local, record.method, record.stream, record.seed, record.settings))
        ours, theirs = dict(record.provenance), dict(twin.provenance)
        assert ours.pop("started") and theirs.pop("started") and ours == theirs


def test_sigterm_is_one_line_and_130_and_the_cluster_stays(cluster, tmp_path, monkeypatch, capsys):
    cluster.add_node(num_cpus=1, object_store_memory=STORE)
    when_told(monkeypatch, lambda: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    address = ["--executor", "ray", "--address", cluster.address]
    assert main([*COMMAND, *address, "--results", str(tmp_path)]) == 130
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "the same command goes on" in err
    assert signal.getsignal(signal.SIGTERM) == before and not ray.is_initialized()
    assert cluster.head_node.remaining_processes_alive()


BROKEN = """
from methods.method import Method

class Broken(Method):
    id = "broken"

    def direction(self, net, batch):
        return no_such_name
"""


def test_a_method_in_a_file_is_sent_and_what_it_raises_is_one_line_that_names_the_node(cluster, tmp_path, capsys):
    file = tmp_path / "broken.py"
    file.write_text(BROKEN, encoding="utf-8")
    command = ["run", "--method", str(file), "--stream", "split-digits", "--seed", "0", "--set", "tasks=2"]
    address = ["--executor", "ray", "--address", cluster.address]
    assert main([*command, *address, "--results", str(tmp_path / "results")]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: node {socket.gethostname()}: plugins/") and err.count("\n") == 1
    assert "/broken.py, line 8: NameError" in err and store.load_all(tmp_path / "results") == []


PROBE = """
from benchmark.training.probe import Probe


class Norm(Probe):
    name = "norm"

    def measure(self, view):
        return {"norm": view.net.theta.norm(dim=1)}
"""


def test_probes_are_sent_and_measure_what_this_machine_measures(cluster, tmp_path, capsys):
    file = tmp_path / "norm.py"
    file.write_text(PROBE, encoding="utf-8")
    command = ["run", "--method", "naive", "--stream", "split-digits", "--seeds", "2", "--set", "tasks=2"]
    measured = [*command, "--measure", "continual:every=9", "--measure", f"{file}:every=20"]
    address = ["--executor", "ray", "--address", cluster.address]
    here, there = tmp_path / "here", tmp_path / "there"
    assert main([*command, *address, "--results", str(there)]) == 0
    assert main([*measured, "--jobs", "1", "--results", str(here)]) == 0
    assert main([*measured, *address, "--results", str(there)]) == 0
    assert numbers(there) == numbers(here)
    assert [r.measurements for r in store.load_all(there)] == [r.measurements for r in store.load_all(here)]
    capsys.readouterr()
    assert main([*measured, *address, "--results", str(there)]) == 0 and "none to do" in capsys.readouterr().out


def test_a_network_in_a_file_is_sent_with_the_name_of_its_function(cluster, tmp_path):
    file = tmp_path / "net.py"
    file.write_text("from torch import nn\n\ndef wide(shape, outputs):\n    return nn.Linear(shape[0], outputs)\n")
    command = ["run", "--method", "naive", "--stream", "split-digits", "--seed", "0", "--set", "tasks=2"]
    command += ["--set", "train_examples=50", "--network", f"{file}:wide"]
    address = ["--executor", "ray", "--address", cluster.address]
    assert main([*command, *address, "--results", str(tmp_path / "ray")]) == 0
    assert main([*command, "--jobs", "1", "--results", str(tmp_path / "here")]) == 0
    (sent,), (here,) = store.load_all(tmp_path / "ray"), store.load_all(tmp_path / "here")
    assert sent.settings["network"] == "net:wide" and sent.provenance.code == here.provenance.code
    assert sent.accuracy_matrix == here.accuracy_matrix


def raylets() -> set[int]:
    return {process.pid for process in psutil.Process().children() if "raylet" in process.name()}


def test_without_an_address_a_ray_of_its_own_comes_and_goes(local, tmp_path, capsys):
    before = raylets()
    few = ["run", "--method", "agem", "--stream", "rotated-digits", *COMMAND[9:]]
    assert main([*few, "--executor", "ray", "--jobs", "1", "--results", str(tmp_path)]) == 0
    assert numbers(tmp_path).items() <= numbers(local).items() and len(numbers(tmp_path)) == 2
    assert raylets() == before


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:9", "no Ray cluster answers at 127.0.0.1:9 ("),
        ("127.0.0.1:99999", "no Ray cluster answers at 127.0.0.1:99999 ("),
        ("ray://somewhere:10001", "'ray://somewhere:10001' is neither 'auto' nor HOST:PORT"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_line(address, said, tmp_path, capsys):
    assert main([*COMMAND, "--executor", "ray", "--address", address, "--results", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: --address: ") and said in err and err.count("\n") == 1
