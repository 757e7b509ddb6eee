"""Full disks, closed folders, no home, no network: one line that names what is wrong, and all else as it was."""

import errno
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmark.cli.main import main
from benchmark.common import imports, memory
from benchmark.records import store
from benchmark.training import engine
from tests.support.literal import record
from tests.support.process import ROOT, environment, python, typed

MATRIX = [[0.8, 0.1], [0.5, 0.9]]
SMALL = [
    "--method",
    "naive",
    "--stream",
    "split-digits",
    "--set",
    "tasks=2",
    "--set",
    "train_examples=20",
    "--jobs",
    "1",
]

SMALL_FILES = (
    "import resource, signal\n"
    "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))\n"
)
"""The beginning of a script that may write no file of more than 500 bytes."""


@pytest.fixture
def results(tmp_path) -> Path:
    """Two sound records."""
    for seed in (0, 1):
        store.save(tmp_path / "results", record("ewc", "permuted-mnist", seed, MATRIX, tasks=2))
    return tmp_path / "results"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def one_line(done: subprocess.CompletedProcess, *said: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert all(part in done.stderr for part in said), done.stderr


def refused(capsys, arguments: list[str], *said: str) -> None:
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1
    assert all(part in err for part in said), err


def test_an_unreadable_record_is_named(results, capsys, monkeypatch):
    victim = sorted(results.glob("*/*/*.json"))[0]
    read = Path.read_bytes

    def closed(path):
        if path == victim:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", closed)
    refused(capsys, ["table", "--results", str(results)], str(victim), "Permission denied")
    assert main(["verify", "--results", str(results)]) == 1
    assert f"unsound: cannot read {victim}: Permission denied" in capsys.readouterr().out


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads whatever the permissions say")
def test_a_record_without_permissions_is_named(results, capsys):
    victim = sorted(results.glob("*/*/*.json"))[0]
    victim.chmod(0)
    refused(capsys, ["table", "--results", str(results)], str(victim), "Permission denied")


def test_a_damaged_record_stops_a_run_that_needs_it_and_leaves_the_others(tmp_path, capsys):
    command = ["run", *SMALL, "--seeds", "2", "--results", str(tmp_path)]
    assert main(command) == 0
    victim, other = sorted(tmp_path.glob("*/*/seed-*.json"))
    os.truncate(victim, 100)
    before = contents(tmp_path)
    capsys.readouterr()
    refused(capsys, command, str(victim), "remove it and run it again")
    assert contents(tmp_path) == before
    victim.unlink()
    assert main(command) == 0
    assert "1 recorded already, 1 to do" in capsys.readouterr().out
    assert len(store.load_all(tmp_path)) == 2 and other.read_bytes() == before[str(other)]


def in_namespace(script: str) -> subprocess.CompletedProcess:
    """Run a script where it may mount file systems that nobody else sees; skips the test where that is refused."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("no unshare here: no file system can be mounted")
    start = [unshare, "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    if subprocess.run([*start, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode:
        pytest.skip("mounting a file system in a namespace of one's own is not permitted here")
    return subprocess.run([*start, "bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)


def on_small_disk(
    folder: Path, *, fill: str, options: str = "size=64k", then: str = "true"
) -> subprocess.CompletedProcess:
    """A run with results on a small file system of its own, which `fill` fills; `then` looks at what is left."""
    run = [sys.executable, "-m", "benchmark", "run", *SMALL, "--seeds", "2", "--results", f"{folder}/r"]
    disk = shlex.quote(str(folder))
    return in_namespace(
        f"mount -t tmpfs -o {options} none {disk} && mkdir {disk}/r && {fill}\n"
        f"{shlex.join(run)}; code=$?; {then}; exit $code"
    )


def test_a_disk_that_is_full_from_the_start_is_told_before_training(tmp_path):
    done = on_small_disk(tmp_path, options="size=64k,nr_inodes=3", fill=f"touch {tmp_path}/last || true")
    one_line(done, "--results", f"{tmp_path}/r", "No space left on device")
    assert "accuracy" not in done.stdout


def test_a_disk_that_fills_up_in_mid_run_is_one_line_and_leaves_what_is_whole(tmp_path):
    # one block is left, and the first record takes it
    fill = f"head -c 61440 /dev/zero > {tmp_path}/ballast"
    check = shlex.join([sys.executable, "-m", "benchmark", "verify", "--results", f"{tmp_path}/r"])
    done = on_small_disk(tmp_path, fill=fill, then=check)
    one_line(done, f"{tmp_path}/r", "No space left on device", "make room")
    assert done.stdout.splitlines()[-1].split(",")[1:2] == [" 0 unsound"]
    assert ".tmp" not in done.stdout, "a draft is left"


def test_a_read_only_results_directory_is_told_before_training(tmp_path):
    disk, command = shlex.quote(str(tmp_path)), [sys.executable, "-m", "benchmark", "run", *SMALL]
    done = in_namespace(
        f"mount -t tmpfs -o size=1m none {disk} && mkdir {disk}/r && mount -o remount,ro {disk} && "
        + shlex.join([*command, "--seed", "0", "--results", f"{tmp_path}/r"])
    )
    one_line(done, "--results", f"{tmp_path}/r", "Read-only file system")
    assert "accuracy" not in done.stdout


def test_a_file_size_limit_is_a_full_disk_too(tmp_path):
    run = record("ewc", "permuted-mnist", 0, MATRIX, tasks=2)
    old = store.save(tmp_path, run)
    before = contents(tmp_path)
    script = (
        f"{SMALL_FILES}import sys; from pathlib import Path; from benchmark.records import store\n"
        "run, = store.load_all(Path(sys.argv[1]))\n"
        "try: store.save(Path(sys.argv[1]), run.model_copy(update={'seconds': 9.0}))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = python("-c", script, tmp_path)
    assert done.stdout.startswith(f"InputError cannot write {old} (File too large)"), done.stderr
    assert contents(tmp_path) == before


@pytest.mark.parametrize("option", ["--output", "--insert"])
def test_a_document_outlives_a_disk_that_is_full(results, tmp_path, option):
    document = tmp_path / "table.md"
    document.write_text("before\n<!-- table -->\n<!-- /table -->\n" + 500 * "after\n")
    before = contents(tmp_path)
    script = f"{SMALL_FILES}import sys; from benchmark.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = ["table", "--results", str(results), option, str(document)]
    done = python("-c", script, *command)
    one_line(done, str(document), "File too large")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("option", ["--output", "--insert"])
def test_a_document_behind_a_link_keeps_its_place_and_its_mode(results, tmp_path, option):
    document, link = tmp_path / "table.md", tmp_path / "link.md"
    document.write_text("<!-- table -->\n<!-- /table -->\n")
    document.chmod(0o600)
    link.symlink_to(document)
    assert main(["table", "--results", str(results), option, str(link)]) == 0
    assert link.is_symlink() and "EWC" in document.read_text() and document.stat().st_mode & 0o777 == 0o600


def test_a_table_goes_into_a_pipe(results):
    done = typed("table", "--results", str(results), "--format", "csv", "--output", "/dev/stdout")
    assert done.returncode == 0 and done.stdout.startswith("method,stream,"), done.stderr
    assert Path("/dev/stdout").is_symlink()


@pytest.mark.parametrize("home", [None, "/proc"], ids=["unset", "closed"])
def test_a_run_needs_no_home_directory(tmp_path, home):
    done = typed("run", *SMALL, "--seed", "0", "--results", str(tmp_path / "r"), env=environment(HOME=home))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(store.load_all(tmp_path / "r")) == 1
    assert not (ROOT / "~").exists()


@pytest.mark.parametrize(
    ("config", "sound"),
    [('{"dataset_location": "/data"}', True), ("", False), ('{"dataset_loc', False), ("[1]", False), (None, False)],
)
def test_avalanches_settings_are_trusted_only_where_they_are_sound(tmp_path, monkeypatch, config, sound):
    monkeypatch.setenv("HOME", str(tmp_path))
    if config is not None:
        (tmp_path / ".avalanche").mkdir()
        (tmp_path / ".avalanche/config.json").write_text(config)
    assert imports._has_config() is sound
    monkeypatch.setenv("HOME", "/dev/null")
    assert imports._has_config() is False


def test_damaged_settings_of_avalanche_do_no_harm_and_stay(tmp_path):
    file = tmp_path / ".avalanche" / "config.json"
    file.parent.mkdir()
    file.write_text("{")
    script = (
        "import os, benchmark.common.imports\n"
        "from avalanche.benchmarks.datasets.dataset_utils import AVALANCHE_CONFIG\n"
        "print(AVALANCHE_CONFIG['dataset_location'], os.environ['HOME'])"
    )
    done = python("-c", script, env=environment(HOME=str(tmp_path)))
    assert (done.stdout.split(), done.stderr) == ([f"{tmp_path}/.avalanche/data", str(tmp_path)], "")
    assert contents(tmp_path) == {str(file): b"{"}


@pytest.mark.parametrize("named", ["/" + "a" * 300, "/proc/1/fd/x/y"])
def test_a_data_directory_that_cannot_be_is_one_line(named, capsys):
    refused(capsys, ["data", "--data", named], "--data", "not a directory")


def test_without_a_network_a_run_says_where_it_looked(tmp_path, capsys, monkeypatch):
    def no_network(root):
        raise OSError("Network is unreachable")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("BENCHMARK_DATA", raising=False)
    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", lambda *a, **k: no_network(None))
    refused(
        capsys,
        ["run", "--method", "naive", "--stream", "permuted-mnist", "--results", "r"],
        "MNIST",
        "Network is unreachable",
        "--data",
        "BENCHMARK_DATA",
    )
    assert contents(tmp_path) == {}


def test_swapped_data_files_are_named(real_data, tmp_path, capsys):
    folder = tmp_path / "data" / "MNIST" / "raw"
    shutil.copytree(real_data / "MNIST" / "raw", folder)
    one, other = folder / "train-images-idx3-ubyte", folder / "t10k-images-idx3-ubyte"
    swap = folder / "swap"
    one.rename(swap), other.rename(one), swap.rename(other)
    refused(
        capsys,
        [
            "run",
            "--method",
            "naive",
            "--stream",
            "permuted-mnist",
            "--results",
            str(tmp_path / "r"),
            "--data",
            str(tmp_path / "data"),
        ],
        str(one),
        "md5",
    )
    assert not list((tmp_path / "r").rglob("*.json"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_to_a_full_disk_is_one_line(results, unbuffered):
    for command in (
        ["list"],
        ["list", "--settings"],
        ["verify", "--results", str(results)],
        ["table", "--results", str(results)] if unbuffered else ["--help"],
    ):
        with open("/dev/full", "w") as full:
            asked = environment(PYTHONUNBUFFERED=unbuffered)
            done = typed(*command, env=asked, stdout=full, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert done.stderr.startswith("error: cannot write to standard output (No space left on device)")


def test_closed_output_and_closed_errors():
    closed = f"{shlex.quote(sys.executable)} -m benchmark list"
    done = subprocess.run(["bash", "-c", f"{closed} >&-"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    one_line(done, "standard output is closed")
    done = subprocess.run(["bash", "-c", f"{closed} -x 2>&-"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


LACKS = {
    "cpu": RuntimeError(
        "[enforce fail at alloc_cpu.cpp:114] err == 0. DefaultCPUAllocator: can't allocate memory: "
        "you tried to allocate 400000000000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "python": MemoryError(),
    "gpu": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
}


@pytest.mark.parametrize("lack", LACKS)
def test_a_lack_of_memory_names_the_cell_and_keeps_what_is_finished(lack, tmp_path, capsys, monkeypatch):
    def train(method, *given, train=engine.train, **more):
        if method.id == "ewc":
            raise LACKS[lack]
        return train(method, *given, **more)

    monkeypatch.setattr(engine, "train", train)
    refused(
        capsys,
        ["run", *SMALL, "--method", "ewc", "--seed", "3", "--results", str(tmp_path)],
        "ewc on split-digits, seed 3",
        "not enough memory",
        "--jobs",
        "--set",
    )
    assert [run.method for run in store.load_all(tmp_path)] == ["naive"] and not list(tmp_path.rglob("*.safetensors"))


def test_other_errors_of_pytorch_are_not_taken_for_a_lack_of_memory():
    with pytest.raises(RuntimeError, match="shapes"), memory.refused("a cell"):
        raise RuntimeError("shapes do not match")


@pytest.mark.slow
def test_a_lack_of_memory_in_a_worker_is_the_same_line(tmp_path, capsys):
    overcommit = Path("/proc/sys/vm/overcommit_memory")
    if not overcommit.exists() or overcommit.read_text().strip() == "1":
        pytest.skip("this system promises memory that it does not have")
    huge = ["--set", "tasks=1000", "--set", "train_examples=20", "--set", "memory_per_class=100000"]  # 256 GB
    cells = ["--method", "agem", "--method", "er-reservoir", "--stream", "permuted-digits"]
    refused(
        capsys,
        ["run", *cells, *huge, "--seed", "0", "--jobs", "2", "--results", str(tmp_path)],
        "on permuted-digits",
        "not enough memory",
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify", "--results=~/r"],
        ["table", "--results", "~/r"],
        ["table", "--results", "~/r", "--output=~/t.md"],
        ["table", "--results", "~/r", "--figure=~/f"],
        ["data", "--data=~/r"],
    ],
)
def test_a_tilde_is_the_home_directory(results, arguments, monkeypatch, capsys):
    home = results.parent
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    results.rename(home / "r")
    assert main(arguments) == 0
    assert not Path("~").exists() and sorted(path.name for path in home.iterdir()) == sorted(
        [
            "r",
            *(["t.md"] if "--output=~/t.md" in arguments else []),
            *(["f.png", "f.svg"] if "--figure=~/f" in arguments else []),
        ]
    )


@pytest.mark.parametrize("option", ["--data", "--results"])
def test_a_home_that_is_nobodys_is_one_line(option, capsys):
    refused(capsys, ["run", f"{option}=~no-such-person/x"], option, "no home directory '~no-such-person'")


@pytest.mark.parametrize("command", ["table", "verify"])
def test_what_steers_a_terminal_in_a_file_name_is_not_passed_on(command, tmp_path, capsys):
    folder = tmp_path / "split-digits" / "e\x1b[31mwc\n"
    folder.mkdir(parents=True)
    (folder / "a\x1b]0;title\x07.json").write_text("{")
    code = main([command, "--results", str(tmp_path)])
    said = "".join(capsys.readouterr())
    assert code == (2 if command == "table" else 1) and "e?[31mwc" in said and "a?]0;title?" in said
    assert all(letter.isprintable() for letter in said.replace("\n", "")) and said.count("\n") <= 2


def test_a_run_whose_reader_has_left_says_that_it_is_not_done(tmp_path):
    read, write = os.pipe()
    os.close(read)
    command = ["run", *SMALL, "--seed", "0", "--results", str(tmp_path / "r")]
    done = typed(*command, stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    one_line(done, "Broken pipe", "the same command continues")


def test_a_termination_before_training_is_one_line_and_130():
    script = (
        "import os, signal, sys; from benchmark.runs import plan\n"
        "plan.plan = lambda *given: os.kill(os.getpid(), signal.SIGTERM)\n"
        "from benchmark.__main__ import main; sys.exit(main())"
    )
    done = python("-c", script, "run", "--stream", "split-digits")
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.count("\n") == 1 and "the same command continues" in done.stderr
