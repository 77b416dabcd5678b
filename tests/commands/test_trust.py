import pytest

from dlexp.commands.trust import main
from dlexp.config.lab import trust_file


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))


def test_a_folder_is_trusted_listed_and_removed(tmp_path, capsys):
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path} is trusted ({trust_file()}).\n"
    assert main([]) == 0
    assert capsys.readouterr().out == f"{tmp_path}\n"
    assert main(["--remove", str(tmp_path)]) == 0
    assert "no longer trusted" in capsys.readouterr().out
    assert main([]) == 0
    assert capsys.readouterr().out == "No folder is trusted.\n"


def test_a_wrong_folder_is_refused(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "expected a folder, and there is none" in capsys.readouterr().err
    assert main(["--remove", str(tmp_path)]) == 2
    assert not trust_file().exists()
