"""What the tests of `check` share: the command, and a small run that it can repeat."""

from pathlib import Path

from benchmark.cli.main import main

RUN = [
    "--method",
    "er-reservoir",
    "--stream",
    "rotated-digits",
    "--set",
    "tasks=2",
    "--set",
    "train_examples=400",
    "--set",
    "learning_rate=0.3",
]


def check(results: Path, *more: str) -> int:
    """The exit code of `check` in one process."""
    return main(["check", "--results", str(results), "--jobs", "1", *more])
