import json
import os
from typing import Annotated, Literal, NotRequired, TypedDict

import pytest
from msgspec import Meta

from dlexp.config import plain_json
from dlexp.config.plain_json import FormError


class Inner(TypedDict):
    count: Annotated[int, Meta(ge=1, le=9)]
    rate: NotRequired[Annotated[float, Meta(ge=0, le=1)]]


class Form(TypedDict):
    name: str
    kind: NotRequired[Literal["a", "b"]]
    inner: NotRequired[list[Inner]]
    texts: NotRequired[dict[str, str]]


PROBLEMS = {
    "[]": "the content must be a mapping, got a list",
    "null": "the content must be a mapping, got null",
    "{}": "name is missing",
    '{"name": 1}': "name must be text, got a whole number",
    '{"name": "x", "kind": "c"}': "kind is not what dlexp writes there",
    '{"name": "x", "inner": {}}': "inner must be a list, got a mapping",
    '{"name": "x", "inner": [{}]}': "inner[0].count is missing",
    '{"name": "x", "inner": [{"count": true}]}': "inner[0].count must be a whole number, got true or false",
    '{"name": "x", "inner": [{"count": 0}]}': "inner[0].count must be at least 1",
    '{"name": "x", "inner": [{"count": 1e999}]}': "inner[0].count must be a whole number, got a number",
    '{"name": "x", "inner": [{"count": 1, "rate": NaN}]}': "inner[0].rate is not a number that it may have",
    '{"name": "x", "texts": {"a": null}}': "texts: a value in it must be text, got null",
    "[" * 100_000: "it is nested too deeply",
    "{": "it is not JSON",
}


@pytest.mark.parametrize("text", PROBLEMS, ids=range(len(PROBLEMS)))
def test_a_problem_names_the_field(text, tmp_path):
    (tmp_path / "a\x1b.json").write_text(text)
    with pytest.raises(FormError) as caught:
        plain_json.read(tmp_path / "a\x1b.json", Form)
    assert str(caught.value).startswith(f"a?.json: {PROBLEMS[text]}")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: path.mkdir(), "it is not a regular file"),
        (lambda path: path.symlink_to("a.json"), "it cannot be read: Too many levels of symbolic links"),
        (lambda path: path.symlink_to("/dev/zero"), "it is not a regular file"),
        (os.mkfifo, "it is not a regular file"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "it is not text in UTF-8"),
        (lambda path: path.write_bytes(b" " * 101), "it has more than 100 bytes"),
    ],
)
def test_another_kind_of_file_is_refused(make, problem, tmp_path):
    make(tmp_path / "a.json")
    with pytest.raises(FormError, match=f"a.json: {problem}"):
        plain_json.read(tmp_path / "a.json", Form, 100)


def test_a_file_of_the_form_is_returned_with_all_its_keys(tmp_path):
    content = {"name": "x", "kind": "a", "inner": [{"count": 9, "rate": 1, "more": None}], "else": [1.5]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert plain_json.read(tmp_path / "a.json", Form) == content


def test_half_a_character_becomes_a_question_mark():
    assert plain_json.parse(r'{"name": "a\ud800\ud83d\ude00"}', Form) == {"name": "a?\N{GRINNING FACE}"}


def test_a_file_that_is_not_there_is_no_damage(tmp_path):
    with pytest.raises(FileNotFoundError):
        plain_json.read(tmp_path / "a.json", Form)
