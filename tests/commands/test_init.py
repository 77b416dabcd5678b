import filecmp

import pytest

from dlexp.commands.init import TEMPLATE, main
from dlexp.config.lab import is_trusted
from dlexp.config.options import in_lab, options_in
from tests.labs import using


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))


def test_the_folder_holds_the_template_and_is_trusted(tmp_path):
    folder = tmp_path / "below" / "my_lab"
    assert main([str(folder)]) == 0
    compared = filecmp.dircmp(TEMPLATE, folder, ignore=["__pycache__"])
    assert (compared.left_only, compared.right_only, compared.diff_files) == ([], [], [])
    assert is_trusted(folder)
    with using(folder):
        assert [name for name in options_in("activation") if in_lab("activation", name)] == ["bent"]


@pytest.mark.parametrize("name", ["file", "full"])
def test_nothing_is_overwritten(name, tmp_path, capsys):
    (tmp_path / "full").mkdir()
    for path in (tmp_path / "file", tmp_path / "full" / "mine.txt"):
        path.write_text("mine")
    assert main([str(tmp_path / name)]) == 2
    assert "expected a new or empty folder, and it is not" in capsys.readouterr().err
    assert not is_trusted(tmp_path / name)


def test_the_study_of_the_template_has_ten_lines():
    assert len((TEMPLATE / "conf/study/bent_depth.yaml").read_text().splitlines()) == 10
