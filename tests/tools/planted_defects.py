"""Defects planted one at a time in a copy of the project: is each of them caught?

    python -m tests.tools.planted_defects            all of them; the table goes to docs/checks.md
    python -m tests.tools.planted_defects ewc fisher those with one of these words in their names; nothing is written

Each is the replacement of a text that stands exactly once in its file. The command that should catch it runs on the
sound copy first, where it must pass. Exit code 1 if a defect survives.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tabulate import tabulate

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT, MARK = ROOT / "docs/checks.md", "defects"
LEFT_BEHIND = (".*", "out", "data", "build", "__pycache__", "*.egg-info")
AT_A_TIME = 2
BROKEN = "broke down with exit code "
CHECK = ("-m", "benchmark", "check", "--jobs", "1")


def tests(*arguments: str) -> tuple[str, ...]:
    """The command that runs these tests until one fails."""
    return ("-m", "pytest", "-x", "-p", "no:cacheprovider", "--durations=0", *arguments)


@dataclass(frozen=True)
class Defect:
    """One line put wrong, and the command that should catch it."""

    name: str
    file: str
    sound: str
    wrong: str
    command: tuple[str, ...] = CHECK

    def plant(self, project: Path) -> None:
        """Put it into the project. Raises ValueError unless its sound text stands there exactly once."""
        path = project / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.sound) != 1:
            raise ValueError(f"{self.name}: {self.file} has {text.count(self.sound)} times {self.sound!r}, not once")
        path.write_text(text.replace(self.sound, self.wrong), encoding="utf-8")


DEFECTS = (
    Defect(
        "EWC without its penalty",
        "methods/ewc.py",
        "Penalty(self.settings.ewc_lambda * self.fisher,",
        "Penalty(0 * self.fisher,",
    ),
    Defect(
        "EWC's Fisher not updated after the first task",
        "methods/ewc.py",
        "self.fisher = (self._squares - low) / (high",
        "self.fisher = self.fisher if self.fisher is not None else (self._squares - low) / (high",
    ),
    Defect(
        "EWC's anchor stays at the first task",
        "methods/ewc.py",
        "self.anchor, self._squares = net.theta.clone(), None",
        "self.anchor, self._squares = net.theta.clone() if self.anchor is None else self.anchor, None",
    ),
    Defect(
        "A-GEM without its projection", "methods/agem.py", "return gradient.minus(scale, reference)", "return gradient"
    ),
    Defect(
        "A-GEM's projection with the other sign",
        "methods/agem.py",
        "conflict / reference.dot(reference), 0.0",
        "-conflict / reference.dot(reference), 0.0",
    ),
    Defect(
        "dot products over all seeds at once",
        "benchmark/networks/gradients.py",
        "total = total + products.sum((1, 2))",
        "total = total + products.sum().expand(len(products))",
    ),
    Defect(
        "A-GEM's memory never written",
        "methods/agem.py",
        "self.memory.keep_last(recent, self.settings.memory_per_class)",
        "pass",
    ),
    Defect("ER's memory never written", "methods/er_reservoir.py", "self.memory.offer(batch)", "pass"),
    Defect(
        "a reservoir that favours early examples",
        "methods/memory.py",
        "uniform(count) * (places + 1)).long()",
        "uniform(count) * 2 * (places + 1)).long()",
        tests("tests/training/test_methods.py"),
    ),
    Defect(
        "a memory batch joined with the wrong labels",
        "methods/batch.py",
        "(self.labels, other.labels)",
        "(self.labels, other.labels.flip(1))",
    ),
    Defect(
        "learning-rate decay off by one",
        "methods/method.py",
        "learning_rate_decay ** (phase + 1)",
        "learning_rate_decay ** phase",
    ),
    Defect(
        "momentum carried over epochs",
        "benchmark/training/engine.py",
        "            step = self.optimizer.begin_epoch(",
        "            step = step if epoch else self.optimizer.begin_epoch(",
    ),
    Defect(
        "dropout active in evaluation",
        "benchmark/networks/mlp.py",
        "unit = torch.addmm(bias[seed], unit, weight[seed]).relu_()",
        "unit = torch.dropout(torch.addmm(bias[seed], unit, weight[seed]).relu_(), self.dropout, True)",
    ),
    Defect(
        "labels of the wrong head",
        "benchmark/training/phases.py",
        "heads = tasks if self.streams[0].heads > 1",
        "heads = tasks * 0 if self.streams[0].heads > 1",
    ),
    Defect(
        "test data used for training",
        "benchmark/streams/build.py",
        "train = _images(data.train_images, data.train_labels,",
        "train = _images(torch.cat([data.test_images, data.train_images]), "
        "torch.cat([data.test_labels, data.train_labels]),",
    ),
    Defect(
        "evaluation on training data",
        "benchmark/training/engine.py",
        "data, correct = stream.test[task], 0",
        "data, correct = stream.train[task], 0",
    ),
    Defect(
        "examples not shuffled",
        "benchmark/common/randomness.py",
        "torch.randperm(count, generator=generator)",
        "torch.arange(count)",
    ),
    Defect(
        "the same permutations for every seed",
        "benchmark/streams/build.py",
        "maps = permutations(seed, tasks, pixels)",
        "maps = permutations(0, tasks, pixels)",
        tests("tests/streams/test_build.py", "-k", "pixel_maps_differ"),
    ),
    Defect(
        "batch-norm statistics shared between seeds",
        "benchmark/networks/resnet.py",
        "value.view(self.seeds, -1)[seed] for name, value in self.buffers",
        "value.view(self.seeds, -1)[0] for name, value in self.buffers",
        tests("tests/networks/test_networks.py", "-k", "resnet"),
    ),
    Defect(
        "forgetting without its maximum",
        "benchmark/records/metrics.py",
        "np.nanmax(matrix[:-1, :-1], axis=0) - ",
        "matrix[-2, :-1] - ",
    ),
    Defect(
        "the last task counted in forgetting",
        "benchmark/records/metrics.py",
        "return (np.nanmax(matrix[:-1, :-1], axis=0) - matrix[-1, :-1])",
        "return np.append(np.nanmax(matrix[:-1, :-1], axis=0) - matrix[-1, :-1], 0)",
    ),
    Defect(
        "standard deviation over tasks, not seeds",
        "benchmark/tables/table.py",
        "rows = [_row(*group) for",
        'rows = [_row(*group) | {"accuracy_std": 100 * pd.Series(records[0].accuracy_matrix[-1]).std()} for',
    ),
)


def main(words: Sequence[str]) -> int:
    """Plant the defects named; return the exit code."""
    chosen = [d for d in DEFECTS if not words or any(word.lower() in d.name.lower() for word in words)]
    with tempfile.TemporaryDirectory(prefix="clbench-defects-") as folder, ThreadPoolExecutor(AT_A_TIME) as pool:
        sound = Path(folder, "sound")
        _copy(sound)
        commands = list(dict.fromkeys(defect.command for defect in chosen))
        for command, said in zip(commands, pool.map(partial(caught, sound), commands)):
            if said:
                print(f"{_typed(command)} fails without a defect: {said}", file=sys.stderr)
                return 1
        rows = list(pool.map(partial(_tried, sound), chosen))
    table = tabulate(
        rows, headers=("defect", "in", "caught by", "what it said"), tablefmt="pipe", disable_numparse=True
    )
    survivors = [name for name, _, catcher, _ in rows if not catcher]
    if not words:
        from benchmark.common.files import insert

        insert(table, DOCUMENT, MARK)
    print(f"{table}\n\n{len(rows) - len(survivors)} of {len(rows)} defects caught")
    return bool(survivors)


def _tried(sound: Path, defect: Defect) -> tuple[str, str, str, str]:
    with tempfile.TemporaryDirectory(prefix="planted-", dir=sound.parent) as folder:
        project = Path(folder, "project")
        shutil.copytree(sound, project, ignore=shutil.ignore_patterns("__pycache__"))
        defect.plant(project)
        said = caught(project, defect.command)
    print(f"{defect.name}: {said or 'SURVIVES'}", file=sys.stderr, flush=True)
    escaped = said.replace("|", "\\|").replace("<", "&lt;")
    catcher = f"`{_typed(defect.command)}`" if said and not said.startswith(BROKEN) else ""
    return defect.name, defect.file, catcher, escaped or "**survives**"


def _copy(project: Path) -> None:
    shutil.copytree(ROOT, project, ignore=shutil.ignore_patterns(*LEFT_BEHIND))


def caught(project: Path, command: Sequence[str]) -> str:
    """What a command that fails on the project says, its first such line; "" where it passes."""
    environment = {name: value for name, value in os.environ.items() if name != "BENCHMARK_DATA"}
    done = subprocess.run(
        [sys.executable, "-B", *command],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=1200,
        env=environment | {"PYTHONPATH": str(project), "COLUMNS": "200"},
    )
    if done.returncode == 0:
        return ""
    lines = (done.stdout + done.stderr).splitlines()
    if command == CHECK:
        telling = [line for line in lines if line.startswith(("moved: ", "unsound: ")) or "make table2" in line]
    else:
        telling = [line.partition(" - ")[0] for line in lines if line.startswith("FAILED ")]
    if done.returncode != 1 or not telling:  # a defect that stops the program was not caught by a check
        return f"{BROKEN}{done.returncode}: {lines[-1] if lines else ''}"
    more = f" and {len(telling) - 1} more" if len(telling) > 1 else ""
    return telling[0].partition("; ")[0].partition(" reads ")[0].partition(" (")[0] + more


def _typed(command: Sequence[str]) -> str:
    return "check" if command == CHECK else " ".join(word for word in command[2:] if word.startswith("tests/"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
