"""The settings of the built-in methods with their sources, and what is refused in the files that give them."""

import hashlib
import json

import pytest

from benchmark.streams.kinds import STREAMS
from methods.catalogue import DESCRIPTIONS, METHOD_ROWS, OTHERS, described
from methods.errors import InputError
from methods.settings import settings_for, sources_for

SETTINGS = {
    "naive": "2fb528f0 295f4307 4c48c85b f3e24b7d f3e24b7d 104a033a",
    "ewc": "e31728c9 fdd4543e 4ef256f4 f3e24b7d f3e24b7d 104a033a",
    "agem": "cd4f8f3a f3e24b7d 98b54bb7 f3e24b7d f3e24b7d 104a033a",
    "er-reservoir": "deaf559e deaf559e 4fd9ea01 f3e24b7d f3e24b7d 104a033a",
    "stable-sgd": "7296623a 69d85113 974ff47b 8dbcc12d 8dbcc12d 1614f865",
    "multitask": "f18570d7 f18570d7 74efab9b f3e24b7d f3e24b7d 104a033a",
}
"""A digest for each stream, in their order, over every setting of the method, its value and its source."""


@pytest.mark.parametrize("method", SETTINGS)
def test_settings_and_sources_are_those_of_the_committed_table(method):
    """Whoever changes one on purpose puts the new digest here, and the runs are made anew."""
    made = []
    for stream in STREAMS:
        sources = sources_for(method, stream)
        said = {name: [value, sources[name]] for name, value in settings_for(method, stream)}
        made.append(hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:8])
    assert " ".join(made) == SETTINGS[method]


def test_the_rows_of_the_paper_stand_in_its_order():
    assert list(METHOD_ROWS)[:6] == list(SETTINGS)


def test_settings_are_given_for_streams_of_the_suite_and_within_their_ranges():
    for id, each in DESCRIPTIONS.items():
        assert each.stream_settings.keys() <= {*STREAMS, OTHERS}, id
        for stream, chosen in each.stream_settings.items():
            settings = settings_for(id, stream)
            assert {name: getattr(settings, name) for name in chosen} == {
                name: pair[0] for name, pair in chosen.items()
            }


SOUND = """
class Mine(Method):
    id = "mine"
    title = "Mine"
    memoryless = None
    reference: str = "a paper"
    stream_settings = {"split-digits": {"epochs": (2, "a guess")}}
"""


def test_methods_are_found_by_their_files_and_ordered(tmp_path):
    (tmp_path / "z.py").write_text(SOUND.replace('"mine"', '"last"').replace("id =", "order = 2.5\n    id ="))
    (tmp_path / "mine.py").write_text(SOUND)
    (tmp_path / "a.py").write_text(SOUND.replace('"mine"', '"also"'))
    (tmp_path / "no_method.py").write_text("class Part:\n    size = 3\n")
    found = described(tmp_path)
    assert list(found) == ["last", "also", "mine"]
    mine = found["mine"]
    assert (mine.module, mine.name, mine.row) == ("methods.mine", "Mine", ("Mine", None, "a paper"))
    assert mine.stream_settings == {"split-digits": {"epochs": (2, "a guess")}}


BAD = {
    "no title": ('    title = "Mine"\n', "", "mine.py, line 2: class Mine needs a literal title"),
    "a title that is computed": ('"Mine"', "str(1)", "mine.py, line 4: class Mine needs a literal title"),
    "memoryless as text": (
        "None",
        '"no"',
        "line 5: class Mine needs a literal memoryless, as memoryless = True, False",
    ),
    "an id that is computed": ('"mine"', "NAME", "line 3: class Mine needs a literal id"),
    "an order as text": ("id =", "order = '1'\n    id =", "line 3: class Mine needs a literal order"),
    "settings without streams": ('{"split-digits": {"epochs": (2, "a guess")}}', '{"epochs": 2}', "must be as {"),
    "a setting without its source": (
        '(2, "a guess")',
        "2",
        "stream_settings of 'split-digits': 'epochs' must be a value",
    ),
    "a syntax error": ("class Mine", "class class", "mine.py: invalid syntax"),
    "two methods": ("class Mine", "class Other:\n    id = 'other'\n\n\nclass Mine", "has 2 classes with an id"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_that_does_not_describe_its_method_is_named_in_one_line(case, tmp_path):
    sound, wrong, said = BAD[case]
    (tmp_path / "mine.py").write_text(SOUND.replace(sound, wrong))
    with pytest.raises(InputError) as error:
        described(tmp_path)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_two_files_of_one_id_are_refused(tmp_path):
    for name in ("mine", "twin"):
        (tmp_path / f"{name}.py").write_text(SOUND)
    with pytest.raises(InputError, match="twin.py: its id 'mine' is also that of methods.mine"):
        described(tmp_path)


def test_a_method_has_defaults_of_its_own_on_streams_that_it_does_not_name():
    decays = settings_for("stable-sgd", "somebody_s_stream")
    assert (decays.learning_rate_decay, decays.dropout) == (0.8, 0.25)
    source = "our choice for streams that the paper does not have: as for the digits"
    sources = sources_for("stable-sgd", "somebody_s_stream")
    assert {sources["learning_rate_decay"], sources["dropout"]} == {source}
    chosen = {"mine": {"epochs": (2, "a guess")}, OTHERS: {"epochs": (3, "another"), "batch_size": (5, "a third")}}
    for stream, expected in (("mine", (2, 10)), ("theirs", (3, 5)), ("permuted-digits", (3, 5))):
        settings = settings_for("my_own", stream, chosen=chosen)
        assert (settings.epochs, settings.batch_size) == expected


def test_an_unknown_setting_is_named_with_its_method():
    with pytest.raises(InputError, match="unknown setting 'ewc_lamda' of agem: did you mean 'ewc_lambda'"):
        settings_for("agem", "permuted-digits", {"ewc_lamda": 3})
