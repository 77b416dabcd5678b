import shlex
import subprocess
import sys

import pytest

from dlexp.config.entry import show_command, show_setting, show_uses, start_train
from dlexp.config.overrides import parse
from tests.processes import Command


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.setattr("dlexp.config.entry._entry", "scripts")


def test_a_command_is_shown_as_the_user_types_it(monkeypatch):
    assert show_command("plan") == "dlexp plan"
    monkeypatch.setattr("dlexp.config.entry._entry", "python -m dlexp")
    assert show_command("plan") == "python -m dlexp plan"


def test_a_script_is_shown_where_a_script_was_started(scripts):
    assert (show_command("train"), show_command("plan")) == ("python train.py", "python scripts/plan.py")


def test_the_uses_of_a_command_stand_in_two_columns():
    assert show_uses("plan", {"": "all", "study=x": "its runs"}) == "dlexp plan           all\ndlexp plan study=x   its runs"


def test_a_started_process_has_the_same_entry_and_imports_nothing_from_its_folder(tmp_path):
    (tmp_path / "shlex.py").write_text("open('imported', 'w')")
    done = subprocess.run([*start_train(), "--cfg"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, "usage: dlexp train --help")
    assert not (tmp_path / "imported").exists()


def test_a_process_started_for_a_script_is_a_script(scripts, tmp_path):
    python, *script = start_train()
    _, err = (process := Command(*script, "--cfg", cwd=tmp_path)).communicate()
    assert (python, process.returncode, err.splitlines()[0]) == (sys.executable, 2, "usage: python train.py --help")


ODD = ["a b", 'a"b', "a\\", 'a\\"b', "a'b", "ü(1),{x}", "x=y", "[1]", "~/x", "a:b", "null", "1", "a\\b", "#", "a*"]


@pytest.mark.parametrize("value", ["photos/cats", "../x-1", None, 0.2, *ODD])
def test_a_setting_is_read_as_it_is_shown(value):
    (typed,) = shlex.split(show_setting("dataset.root", value))
    assert parse(typed)[2] == [value]


def test_a_plain_setting_is_shown_without_quotes():
    assert show_setting("dataset.root", "photos/cats_1.0") == "dataset.root=photos/cats_1.0"
