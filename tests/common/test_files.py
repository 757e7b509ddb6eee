"""Measured text put into documents."""

import pytest

from benchmark.common.files import insert
from methods.errors import InputError


def test_only_what_stands_between_the_marks_is_replaced(tmp_path):
    document = tmp_path / "a.md"
    document.write_text("before\n<!-- table -->\nold\n<!-- /table -->\nafter <!-- speed -->\n")
    for text in ("new | 1", "newer"):
        insert(text, document, "table")
        assert document.read_text() == f"before\n<!-- table -->\n\n{text}\n\n<!-- /table -->\nafter <!-- speed -->\n"


@pytest.mark.parametrize("text", ["", "<!-- table -->\n", "<!-- /table -->\n<!-- table -->\n"])
def test_a_document_without_marks_is_left_as_it_was(tmp_path, text):
    document = tmp_path / "a.md"
    document.write_text(text)
    with pytest.raises(InputError, match="a.md has no lines <!-- table --> and <!-- /table -->"):
        insert("new", document, "table")
    assert document.read_text() == text


def test_a_missing_document_is_named(tmp_path):
    with pytest.raises(InputError, match="missing.md"):
        insert("new", tmp_path / "missing.md", "table")
