"""In continuous integration, a skipped test is a failure unless tests/expected_skips.txt expects it."""

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

EXPECTED = Path(__file__).resolve().parents[1] / "expected_skips.txt"


def expected() -> list[tuple[str, str]]:
    """Pairs of a pattern of test ids and the beginning of a reason, from the lines `PATTERN: REASON` of the file."""
    lines = (line.strip() for line in EXPECTED.read_text(encoding="utf-8").splitlines())
    pairs = [line.partition(": ") for line in lines if line and not line.startswith("#")]
    return [(pattern, reason) for pattern, _, reason in pairs]


def unexpected(skipped: Iterable[tuple[str, str]]) -> list[str]:
    """The skipped tests, given by id and reason, that no line of the file expects; as `id: reason`."""
    known = expected()
    return [
        f"{test}: {reason}"
        for test, reason in skipped
        if not any(fnmatchcase(test, pattern) and reason.startswith(begin) for pattern, begin in known)
    ]


def _unexpected_of(config: pytest.Config) -> list[str]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or reporter is None or hasattr(config, "workerinput"):
        return []
    skipped = [report for report in reporter.stats.get("skipped", ()) if isinstance(report.longrepr, tuple)]
    return unexpected((report.nodeid, report.longrepr[2].removeprefix("Skipped: ")) for report in skipped)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session."""
    if session.exitstatus == pytest.ExitCode.OK and _unexpected_of(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    """Name the tests that make the session fail."""
    if found := _unexpected_of(config):
        terminalreporter.section("skipped, but not in tests/expected_skips.txt")
        for line in found:
            terminalreporter.line(line)
