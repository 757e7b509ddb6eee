"""What programs read: lines of JSON, scalars for TensorBoard, the words a shell completes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmark.cli.main import main
from benchmark.records import store
from benchmark.runs.executors import base
from benchmark.runs.progress import Evaluated, Notice, say_json
from benchmark.runs.tensorboard import Board
from benchmark.streams.kinds import STREAMS
from methods.catalogue import METHOD_ROWS
from methods.errors import InputError
from methods.settings import settings_for

ROOT = Path(__file__).resolve().parents[2]
RUN = [
    "run",
    "--method",
    "naive",
    "--method",
    "multitask",
    "--stream",
    "split-digits",
    "--seeds",
    "2",
    "--jobs",
    "1",
    "--set",
    "tasks=3",
    "--set",
    "train_examples=40",
]


@pytest.fixture(scope="module")
def watched(tmp_path_factory) -> tuple[Path, Path]:
    """The records and the TensorBoard folder of four runs, one command."""
    folder = tmp_path_factory.mktemp("watched")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "cores", lambda: 1)
        assert main([*RUN, "--results", str(folder / "results"), "--tensorboard", str(folder / "board")]) == 0
    torch.set_num_threads(1)
    return folder / "results", folder / "board"


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder)).Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_every_run_has_its_scalars_task_by_task(watched):
    results, board = watched
    found = store.load_all(results)
    assert len(found) == 4
    for run in found:
        place = store.path_of(results, run.method, run.stream, run.seed, run.settings)
        told, matrix = scalars(board / place.relative_to(results).with_suffix("")), run.accuracy_matrix
        tasks = ["accuracy/task_01", "accuracy/task_02", "accuracy/task_03"]
        assert sorted(told) == [*tasks, "average_accuracy", "forgetting"]
        for task in range(3):
            rows = [t for t in range(3) if t >= task or run.method == "multitask"]
            values = [(t + 1, pytest.approx(matrix[t][task])) for t in rows]
            assert told[f"accuracy/task_{task + 1:02}"] == values
        assert told["average_accuracy"][1] == (2, pytest.approx(sum(matrix[1][:2]) / 2))
        assert told["average_accuracy"][2] == (3, pytest.approx(run.metrics.average_accuracy))
        assert told["forgetting"][0] == (1, 0.0)
        assert told["forgetting"][2] == (3, pytest.approx(run.metrics.average_forgetting))


def test_rows_are_written_as_tasks_end_and_once(tmp_path):
    place = tmp_path / "results" / "s" / "m" / "seed-0-x.json"
    for attempt in range(2):  # the second replaces the first
        with Board(tmp_path / "board", tmp_path / "results") as board:
            board.watch(Evaluated(place, [[0.5, 0.25]]))
            assert scalars(tmp_path / "board/s/m/seed-0-x")["average_accuracy"][-1] == (1, 0.5)
            board.watch(Evaluated(place, [[0.5, 0.25], [0.25, 0.75]]))
            board.add(place, [[0.5, 0.25], [0.25, 0.75]])
    told = scalars(tmp_path / "board/s/m/seed-0-x")
    assert told["accuracy/task_01"] == [(1, 0.5), (2, 0.25)] and told["forgetting"] == [(1, 0.0), (2, 0.25)]


def test_a_folder_for_tensorboard_that_cannot_be_is_one_line(watched, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main([*RUN, "--results", str(watched[0]), "--tensorboard", str(tmp_path / "file" / "x")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: --tensorboard: cannot write to") and err.count("\n") == 1
    with Board(tmp_path / "board", tmp_path) as board, pytest.raises(InputError, match="--tensorboard"):
        (tmp_path / "board" / "s").write_text("")
        board.watch(Evaluated(tmp_path / "s" / "m" / "seed.json", [[0.5]]))


def test_json_of_a_run_is_a_line_a_run_and_nothing_else(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(base, "cores", lambda: 1)
    command = [*RUN, "--results", str(tmp_path), "--json"]
    assert main(command) == 0
    torch.set_num_threads(1)
    out, err = capsys.readouterr()
    told = [json.loads(line) for line in out.splitlines()]
    assert [(run["method"], run["seed"], run["status"]) for run in told] == [
        ("naive", 0, "complete"),
        ("naive", 1, "complete"),
        ("multitask", 0, "complete"),
        ("multitask", 1, "complete"),
    ]
    for run in told:
        record = store.load(Path(run["place"]))
        assert run["metrics"] == dict(record.metrics) and run["settings"] == record.settings
    assert "4 to do" in err and "records are in" in err
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert out == "" and "none to do" in err


def test_notices_are_no_json(capsys):
    say_json(Notice("waiting\x1b"))
    assert capsys.readouterr() == ("", "waiting?\n")


def test_json_of_list_and_data(capsys):
    assert main(["list", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in told["methods"]] == list(METHOD_ROWS)
    assert [row["id"] for row in told["streams"]] == list(STREAMS) and told["streams"][0]["tasks"] == 20
    assert main(["list", "--json", "--method", "ewc", "--stream", "permuted-mnist"]) == 0
    (cell,) = json.loads(capsys.readouterr().out)
    assert cell["settings"]["batch_size"] == {"value": 32, "source": "published code, replicate_mnist.sh"}
    assert cell["settings"].keys() == settings_for("ewc", "permuted-mnist").everything().keys()
    assert main(["data", "--json"]) == 0
    assert [row["dataset"] for row in json.loads(capsys.readouterr().out)] == ["mnist", "cifar100", "digits"]


def test_tensorboard_is_not_loaded_unless_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "benchmark.runs.tensorboard", None)  # an import of it fails
    monkeypatch.setattr(base, "cores", lambda: 1)
    assert main([*RUN, "--results", str(tmp_path)]) == 0
    torch.set_num_threads(1)
    with pytest.raises(ImportError):
        main([*RUN, "--results", str(tmp_path), "--tensorboard", str(tmp_path / "board")])


def completed(line: str) -> list[str]:
    """What bash is told of the last word of a line."""
    script = "import sys; sys.argv = ['clbench']; from benchmark.__main__ import main; sys.exit(main())"
    environment = {"_CLBENCH_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | environment,
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_a_shell_completes_commands_options_and_names():
    assert completed("clbench ver") == ["verify"]
    assert completed("clbench run --tens") == ["--tensorboard"]
    assert completed("clbench run --method e") == ["ewc", "er-reservoir"]
    assert completed("clbench table --stream split-") == ["split-cifar100", "split-digits"]
