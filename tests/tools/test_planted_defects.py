"""The list of planted defects; `make defects` plants them."""

import shutil
from collections import Counter

import pytest

from tests.tools import planted_defects
from tests.tools.planted_defects import DEFECTS, ROOT, Defect


def test_there_are_enough_and_no_two_alike():
    assert len(DEFECTS) >= 15
    assert max(Counter(defect.name for defect in DEFECTS).values()) == 1
    assert len({(defect.file, defect.sound, defect.wrong) for defect in DEFECTS}) == len(DEFECTS)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_defect_still_has_its_place_and_is_still_code(defect, tmp_path):
    text = (ROOT / defect.file).read_text(encoding="utf-8")
    target = tmp_path / defect.file
    target.parent.mkdir(parents=True)
    target.write_text(text, encoding="utf-8")
    defect.plant(tmp_path)
    planted = target.read_text(encoding="utf-8")
    assert planted != text and planted.count("\n") == text.count("\n")
    compile(planted, defect.file, "exec")
    assert all((ROOT / word).is_file() for word in defect.command if word.startswith("tests/"))


@pytest.mark.parametrize("text", ["", "a = 1\na = 1\n"])
def test_a_text_that_does_not_stand_once_is_refused(text, tmp_path):
    (tmp_path / "module.py").write_text(text)
    with pytest.raises(ValueError, match="none: module.py has [02] times 'a = 1', not once"):
        Defect("none", "module.py", "a = 1", "a = 2").plant(tmp_path)
    assert (tmp_path / "module.py").read_text() == text


def _methods_alone(project):
    shutil.copytree(ROOT / "methods", project / "methods")


@pytest.mark.parametrize(("said", "survives"), [("moved: all", 0), ("", 1), ("broke down with exit code 2: no", 1)])
def test_a_survivor_fails_the_script(said, survives, monkeypatch, capsys):
    name = DEFECTS[0].name
    monkeypatch.setattr(planted_defects, "caught", lambda project, _: "" if project.name == "sound" else said)
    monkeypatch.setattr(planted_defects, "_copy", _methods_alone)
    assert planted_defects.main([name]) == survives
    assert f"{1 - survives} of 1 defects caught" in capsys.readouterr().out
