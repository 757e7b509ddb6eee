"""Measured text put into documents."""

import os

import pytest

from benchmark.common.files import insert, inserted
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


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_document_keeps_its_line_endings(tmp_path, end):
    document = tmp_path / "a.md"
    document.write_bytes(f"before{end}<!-- table -->{end}old{end}<!-- /table -->{end}after{end}".encode())
    for text in ("a\nb", "c\n\nd"):
        insert(text, document, "table")
        lines = ["before", "<!-- table -->", "", *text.split("\n"), "", "<!-- /table -->", "after", ""]
        assert document.read_bytes() == end.join(lines).encode()
        assert inserted(document, "table") == f"\n{text}\n\n"


def test_a_pipe_is_no_document(tmp_path):
    os.mkfifo(tmp_path / "a.md")
    with pytest.raises(InputError, match="a.md: it is not a regular file"):
        insert("new", tmp_path / "a.md", "table")
