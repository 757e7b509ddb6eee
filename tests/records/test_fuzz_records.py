"""Generated record files: refused in one line by every reader, or shown, escaped, in every format."""

import copy
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmark.cli.options import FORMATS
from benchmark.records import schema, store
from benchmark.records.schema import compose
from benchmark.records.verify import verify
from benchmark.tables.labels import variant_label
from benchmark.tables.table import render
from methods.errors import InputError
from methods.settings import Settings
from tests.support.generated import TIMES, examples
from tests.support.literal import PROVENANCE, record

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 * TIMES)]
MATRIX = [[0.8, 0.1], [0.5, 0.9]]
SOUND = record("ewc", "split-digits", 0, MATRIX, tasks=2)
HOME = store.path_of(Path("one"), "ewc", "split-digits", 0, SOUND.settings)


@pytest.fixture(scope="module", autouse=True)
def playground(tmp_path_factory):
    """A working directory for the record files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("playground"))
        yield


def read_back(content: bytes, path: Path = HOME) -> list[schema.Record] | None:
    """The records of a directory with this one file, as every reader sees it; None where all refuse it."""
    shutil.rmtree("one", ignore_errors=True)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    findings = verify(Path("one"))
    try:
        found = store.load_all(Path("one"))
    except InputError as error:
        assert str(path) in str(error) and str(error).isprintable()
        assert (findings.records, findings.unsound) == (0, [str(error)])
        return None
    assert (findings.records, findings.unsound) == (1, [])
    return found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@examples(600)
@given(st.integers(0, 3000), st.integers(0, 40), st.binary(max_size=12))
def test_bytes_changed_anywhere_are_noticed(start, length, instead):
    """Nothing but a change that leaves the meaning as it was, as of a space, is let pass."""
    text = schema.text(SOUND).encode()
    start %= len(text)
    found = read_back(text[:start] + instead + text[start + length :])
    assert found in (None, [SOUND])


@examples(500)
@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_foreign_files_are_refused(content):
    assert read_back(content) is None


def keys(part: object, above: tuple = ()) -> list[tuple]:
    """The path to everything in a document."""
    inside = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    return [*([above] if above else []), *(path for key, value in inside for path in keys(value, (*above, key)))]


DOCUMENT = json.loads(schema.text(SOUND))
NEAR = st.one_of(
    st.integers(-1, 3), st.floats(0, 1), st.sampled_from(["", "x", "cuda", None, True, [], {}, [0], 1e300])
)


def edited(path: tuple, value: object, sealed: bool, added: str | None) -> dict:
    """A sound record with one thing replaced, or one added beside it where that is possible."""
    document = copy.deepcopy(DOCUMENT)
    if not sealed:
        del document["provenance"]["digest"]
    part = document
    for key in path[:-1]:
        part = part[key]
    part[added if added is not None and isinstance(part, dict) else path[-1]] = value
    return document


@examples(900)
@given(st.sampled_from(keys(DOCUMENT)), NEAR | JSON, st.booleans(), st.none() | st.text(max_size=4))
def test_an_edited_record_is_refused_or_shown(path, value, sealed, added):
    """Without its digest, as records once were, an edit may stand; then every format of the table takes it."""
    document = edited(path, value, sealed, added)
    content = json.dumps(document).encode()
    try:
        said = schema.Record.model_validate_json(content)
        home = store.path_of(Path("one"), said.method, said.stream, said.seed, said.settings)
    except ValidationError:
        home = HOME
    found = read_back(content, home)
    if sealed and found is not None and document["provenance"].get("digest") == DOCUMENT["provenance"]["digest"]:
        assert found == [SOUND]
    for form in FORMATS if found else ():
        render(found, form)


class Tags(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags, self.text = set(), ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert not any(name.startswith("on") or name in ("href", "src") for name, _ in attrs)

    def handle_data(self, data):
        self.text += data


PAGE = {"html", "meta", "title", "h2", "table", "thead", "tbody", "tr", "th", "td", "p"}
HOSTILE = st.sampled_from(["<script>alert(1)</script>", "a|b", "\\input{x}", "$\\write18{x}$", "100%_{x}^~#&", "`x`"])
WORDS = HOSTILE | st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=8)
KEY = st.from_regex(r"\A[a-zA-Zé_0-9][a-zé_.:+-]{0,5}\Z").filter(lambda key: key not in Settings.model_fields)


@examples(150)
@given(st.dictionaries(KEY, WORDS, min_size=1, max_size=3), st.from_regex(r"\A[a-zé_0-9][a-zé.:+-]{0,6}\Z"))
def test_foreign_names_are_escaped_in_every_format(notes, stream):
    runs = [
        compose("ewc", name, 0, SOUND.settings | notes, MATRIX, 1.0, None, PROVENANCE)
        for name in dict.fromkeys(("split-digits", stream))
    ]
    pages = {form: render(runs, form) for form in FORMATS}
    page = Tags(pages["html"])
    label = variant_label(
        {name: value for name, value in sorted((SOUND.settings | notes).items()) if name in notes or name == "tasks"}
    )
    assert page.tags <= PAGE and " ".join(label.split()) in " ".join(page.text.split())
    assert "<script" not in pages["markdown"]
    rows = [line.replace("\\|", "") for line in pages["markdown"].splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {6}
    for escaped in ("\\textbackslash{}", "\\^{}", "\\ensuremath{<}", "\\ensuremath{>}", "$\\pm$"):
        pages["latex"] = pages["latex"].replace(escaped, "")
    assert "\\input" not in pages["latex"] and "\\write" not in pages["latex"]
    variants = [row["variant"] for row in json.loads(pages["json"])["cells"]]
    assert {key: value for key, value in variants[0].items() if key != "tasks"} == notes
