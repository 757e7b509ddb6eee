"""Generated argument lists and settings: never a traceback, never a hang, one line that names the argument."""

import contextlib
import io
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.cli.main import main
from benchmark.cli.options import FORMATS
from benchmark.records import store
from benchmark.runs import plan
from benchmark.runs.executors import EXECUTORS, base
from benchmark.streams import archives, build
from benchmark.streams.kinds import STREAMS
from methods.catalogue import METHOD_ROWS
from methods.errors import InputError
from methods.settings import Settings, settings_for
from tests.support.generated import TIMES, examples
from tests.support.literal import record

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 * TIMES)]
MATRIX = [[0.8, 0.1], [0.5, 0.9]]


@pytest.fixture(scope="module", autouse=True)
def playground(tmp_path_factory):
    """A working directory with sound and damaged records, in which a run plans everything and trains nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("playground"))
        patch.setenv("HOME", str(Path.cwd()))
        for name in ("BENCHMARK_DATA", "BENCHMARK_RESULTS"):
            patch.delenv(name, raising=False)
        for folder in ("sound", "damaged", "results"):
            for seed in (0, 1):
                store.save(Path(folder), record("ewc", "split-digits", seed, MATRIX, tasks=2))
        os.truncate(next(Path("damaged").glob("*/*/*.json")), 300)
        Path("file").write_text("")
        patch.setattr(plan, "build", planned)
        patch.setattr(archives, "_download", lambda *given: pytest.fail("the network is asked"))
        patch.setattr(base, "run", lambda *given: None)
        patch.setattr("benchmark.tables.curves.curves", lambda chosen, stem: (stem, stem))
        yield


def planned(
    stream: str, seed: int, tasks: int, train_examples: int, data: Path | None, arguments: tuple
) -> SimpleNamespace:
    """What planning asks of a stream, without its images."""
    kind = build._checked_kind(stream, seed, tasks)
    shape = (3, 32, 32) if kind.dataset == "cifar100" else (64,)
    return SimpleNamespace(kind=kind, digests={}, train=[range(train_examples or 100)] * tasks, shape=shape)


def typed(arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, output and error output; what every command line promises is asserted."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    said = err.getvalue()
    assert code in (0, 1, 2), code
    if code == 2:
        assert said.startswith("error: ") and said.endswith("\n") and len(said) > len("error: \n")
        assert len(said[:-1].splitlines()) == 1, said
    elif not (arguments[:1] == ["run"] and "--json" in arguments):  # which leaves standard output to the records
        assert said == ""
    return code, out.getvalue(), said


# An argument holds no NUL, and what is not UTF-8 in it is not text.
TEXT = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.one_of(
    st.integers(-10, 40), st.integers(), st.floats(), st.sampled_from(["1e400", "0x10", "1_0", "٣", "1,5", " 2", "∞"])
).map(str)
NAMES = st.sampled_from([*METHOD_ROWS, *STREAMS, *FORMATS, *Settings.model_fields, "auto", "cpu"])
PLACES = st.sampled_from(
    ["sound", "damaged", "file", "file/x", ".", "/", "missing", "", " ", "~", "~nobody/x", "x" * 300, "a\nb"]
)


def mostly(usual: st.SearchStrategy, else_: st.SearchStrategy) -> st.SearchStrategy:
    return st.integers(0, 5).flatmap(lambda n: usual if n else else_)


COUNTS = mostly(st.integers(1, 12).map(str), NUMBERS)
PAIRS = mostly(
    st.tuples(st.sampled_from(list(Settings.model_fields)), st.integers(0, 3).map(str) | NUMBERS).map("=".join),
    st.tuples(NAMES | TEXT, st.sampled_from(["=", "==", "", " = "]), NUMBERS | NAMES | TEXT).map("".join),
)
ANY = st.one_of(TEXT, NUMBERS, NAMES, PLACES, PAIRS)
METHOD, STREAM = (st.sampled_from(list(known)) for known in (METHOD_ROWS, STREAMS))
RESULTS, DATA = st.sampled_from(["sound", "sound", "damaged", "new"]), st.just(".")
OPTIONS = {
    "run": {
        "--method": METHOD,
        "--stream": STREAM,
        "--set": PAIRS,
        "--seeds": COUNTS,
        "--jobs": COUNTS,
        "--seed": COUNTS,
        "--results": RESULTS,
        "--data": DATA,
        "--device": st.sampled_from(["auto", "cpu", "cuda"]),
    },
    "table": {
        "--method": METHOD,
        "--stream": STREAM,
        "--results": RESULTS,
        "--format": st.sampled_from(list(FORMATS)),
        "--output": st.sampled_from(["t.md", "t.csv", "t.html"]),
        "--figure": PLACES,
    },
    "list": {"--method": METHOD, "--stream": STREAM},
    "data": {"--data": DATA},
    "verify": {"--results": RESULTS},
}
FLAGS = {
    "run": ["--force", "--json"],
    "table": [],
    "list": ["--settings", "--json"],
    "data": ["--json"],
    "verify": ["--json", "--strict"],
}
JUNK = st.one_of(
    st.sampled_from([["--help"], ["--version"], ["-h"], ["--"], ["-"], ["--no-force"], ["-x"], ["--force"], ["--set"]]),
    ANY.map(lambda value: [value]),
    st.tuples(st.sampled_from(sorted({name for known in OPTIONS.values() for name in known})), ANY).map(list),
)


def words(command: str) -> st.SearchStrategy[list[str]]:
    """One option of a command, mostly with a value that fits it."""

    def valued(name: str) -> st.SearchStrategy[list[str]]:
        value = mostly(OPTIONS[command][name], ANY)
        return st.tuples(value, st.booleans()).map(lambda v: [name, v[0]] if v[1] else [f"{name}={v[0]}"])

    flags = [st.sampled_from(FLAGS[command]).map(lambda flag: [flag])] if FLAGS[command] else []
    return mostly(st.one_of(*flags, st.sampled_from(list(OPTIONS[command])).flatmap(valued)), JUNK)


def of_command(command: str) -> st.SearchStrategy[list[str]]:
    return st.lists(words(command), max_size=4).map(lambda parts: [command, *(word for part in parts for word in part)])


ARGUMENTS = mostly(
    st.sampled_from(list(OPTIONS)).flatmap(of_command),
    st.lists(JUNK, max_size=3).map(lambda parts: [word for part in parts for word in part]),
)


def test_runs_on_the_papers_streams_are_planned_without_their_data():
    code, out, _ = typed(["run", "--stream", "permuted-mnist", "--stream", "split-cifar100", "--results", "new"])
    assert code == 0 and out.startswith("12 cells of 5 seeds: 60 runs, 0 recorded already, 60 to do")


@examples(3000)
@given(ARGUMENTS)
def test_any_argument_list_ends_in_a_documented_way(arguments):
    typed(arguments)


def beyond(low: int, high: int):
    return st.one_of(st.integers(max_value=low - 1), st.integers(min_value=high + 1)).map(str)


def unknown(known):
    return TEXT.filter(lambda text: text not in known)


NO_NUMBER = TEXT.filter(lambda text: not any(letter.isdigit() for letter in text))
FAULTS = {
    "--method": ("run", unknown(METHOD_ROWS)),
    "--stream": ("table", unknown(STREAMS)),
    "--seeds": ("run", beyond(1, 1000) | NO_NUMBER),
    "--seed": ("run", beyond(0, 2**32 - 1) | NO_NUMBER),
    "--jobs": ("run", beyond(1, 1024) | NO_NUMBER),
    "--device": ("run", unknown(("auto", "cpu", "cuda"))),
    "--executor": ("run", unknown(EXECUTORS)),
    "--executor-option": ("run", TEXT.filter(lambda text: "=" not in text)),
    "--format": ("table", unknown(FORMATS)),
    "--set": ("run", unknown(Settings.model_fields)),
    "--data": ("data", st.sampled_from(["none/at/all", "file", "~no-such-person", "x" * 300])),
    "--results": ("verify", st.sampled_from(["none/at/all", "file", "", "x" * 300])),
    "--output": ("table", st.sampled_from(["file.pdf", "none", "file/x.md", "x" * 300 + ".md"])),
}


@examples(1000)
@given(st.sampled_from(list(FAULTS)).flatmap(lambda name: FAULTS[name][1].map(lambda value: (name, value))))
def test_one_fault_is_named(fault):
    name, value = fault
    given_too = {"run": ["--results", "untouched"], "table": ["--results", "sound"]}.get(FAULTS[name][0], [])
    code, out, err = typed([FAULTS[name][0], *given_too, f"{name}={value}"])
    assert (code, out) == (2, "") and name in err
    assert not Path("untouched").exists(), "something was done before the fault was told"


LIMITS = {
    "tasks": (1, 10**9),
    "epochs": (1, 10**9),
    "batch_size": (1, 10**9),
    "hidden": (1, 20_000),
    "train_examples": (0, 10**9),
    "memory_per_class": (0, 100_000),
    "memory_batch": (1, 10**9),
    "fisher_window": (1, 10**6),
    "learning_rate": (5e-324, 1e38),
    "ewc_lambda": (0, 1e38),
    "momentum": (0, 1 - 2**-53),
    "dropout": (0, 1 - 2**-53),
    "learning_rate_decay": (5e-324, 1),
}


@examples(3000)
@given(st.sampled_from(list(LIMITS)), NUMBERS | st.integers() | st.floats() | TEXT | st.none() | st.binary(max_size=3))
def test_a_setting_is_in_its_range_or_refused_by_name(name, value):
    low, high = LIMITS[name]
    try:
        read = getattr(settings_for("ewc", "split-digits", {name: value}), name)
    except InputError as error:
        assert f"'{name}'" in str(error) and len(str(error).splitlines()) == 1
        assert not (type(value) is int and low <= value <= high), "a good value was refused"
    else:
        assert low <= read <= high and type(read) is type(low if isinstance(high, int) and high > 1 else 0.0)


def test_every_setting_has_limits_here():
    assert set(LIMITS) == {name for name, field in Settings.model_fields.items() if field.is_required()}


@examples(2000)
@given(st.dictionaries(NAMES | TEXT, NUMBERS | TEXT | st.floats() | st.booleans(), max_size=4))
def test_any_changes_of_settings_are_taken_or_refused_in_one_line(changes):
    try:
        read = settings_for("agem", "permuted-mnist", changes)
    except InputError as error:
        assert str(error).isprintable() and any(repr(name)[:50] in str(error) for name in changes)
    else:
        assert set(changes) <= set(read.everything())
