import io
import json

import pytest

from dlexp.config import lab
from dlexp.config.lab import distrust, find_lab, is_trusted, read_lab, trust, trusted_folders
from dlexp.errors import ConfigError


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch):
    """The user's settings, in a folder of their own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.delenv(lab.VARIABLE, raising=False)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A lab that is the current folder."""
    folder = make_lab(tmp_path / "here")
    monkeypatch.chdir(folder)
    return folder


def make_lab(folder, text=""):
    (folder / "conf").mkdir(parents=True)
    (folder / lab.FILE).write_text(text)
    return folder


def test_a_folder_without_the_file_is_no_lab(tmp_path, monkeypatch):
    (tmp_path / "conf").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_lab() is None


def test_the_current_folder_is_a_lab_once_it_is_trusted(here):
    with pytest.raises(ConfigError, match=f"not a folder that you trust. If you know what it contains: dlexp trust {here}$"):
        find_lab()
    trust(here)
    assert find_lab().folder == here


def test_a_folder_below_a_trusted_one_is_not_trusted(here, monkeypatch):
    trust(here)
    monkeypatch.chdir(make_lab(here / "downloaded"))
    with pytest.raises(ConfigError, match="not a folder that you trust"):
        find_lab()


def test_the_flag_comes_before_the_variable_and_the_variable_before_the_folder(here, tmp_path, monkeypatch):
    trust(here)
    by_variable, by_flag = make_lab(tmp_path / "variable"), make_lab(tmp_path / "flag")
    monkeypatch.setenv(lab.VARIABLE, str(by_variable))
    assert find_lab().folder == by_variable
    assert find_lab(str(by_flag / "conf")).folder == by_flag


@pytest.mark.parametrize("named", ["nowhere/conf", "here", "here/dlexp.toml"])
def test_the_flag_names_the_conf_of_a_lab(named, here, tmp_path):
    with pytest.raises(ConfigError, match="^--config-dir: expected the folder conf/ of a lab, got"):
        find_lab(str(tmp_path / named))


def test_the_variable_names_a_lab(tmp_path, monkeypatch):
    monkeypatch.setenv(lab.VARIABLE, str(tmp_path))
    with pytest.raises(ConfigError, match="^DLEXP_LAB: expected a folder that holds conf/"):
        find_lab()


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("answer", "trusted"), [("y\n", True), ("yes\n", True), ("\n", False), ("n\n", False), ("", False)])
def test_a_terminal_is_asked_once(answer, trusted, here, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    monkeypatch.setattr("sys.stderr", Terminal())
    if trusted:
        assert find_lab().folder == here
        monkeypatch.setattr("sys.stdin", Terminal("n\n"))
        assert find_lab().folder == here
    else:
        with pytest.raises(ConfigError, match="dlexp trust"):
            find_lab()
    assert is_trusted(here) == trusted


def test_paths_of_the_file_are_inside_the_lab(tmp_path):
    folder = make_lab(tmp_path / "lab", 'output_dir = "runs"\ndata_dir = "data/raw"\n')
    assert read_lab(folder).settings == {"output_dir": str(folder / "runs"), "data_dir": str(folder / "data/raw")}


WRONG = {
    'output_dir = "../x"': "output_dir: must be a path inside the folder, got ../x",
    'data_dir = "/etc"': "data_dir: must be a path inside the folder, got /etc",
    'data_dir = ""': "data_dir: must be a path inside the folder",
    "data_dir = 3": "data_dir: must be a path inside the folder, got 3",
    'outputs = "x"': "outputs: no such key. Keys: output_dir, data_dir",
    'run = "os.system"\nx = 1': "run: no such key",
    "output_dir": "cannot be read",
    "# " + "x" * 20_000: "cannot be read: .* has more than",
    "\udcff": "cannot be read",
}


@pytest.mark.parametrize("text", WRONG)
def test_other_content_of_the_file_is_refused(text, tmp_path):
    folder = make_lab(tmp_path / "lab")
    (folder / lab.FILE).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError, match=WRONG[text]):
        read_lab(folder)


def test_a_link_is_trusted_as_the_folder_that_it_leads_to(here, tmp_path):
    (tmp_path / "link").symlink_to(here)
    trust(tmp_path / "link")
    assert trusted_folders() == [str(here)]
    distrust(tmp_path / "link")
    assert trusted_folders() == []


def test_what_is_not_there_cannot_be_trusted(here, tmp_path):
    with pytest.raises(ConfigError, match="expected a folder, and there is none"):
        trust(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="is not among the folders that you trust"):
        distrust(here)


@pytest.mark.parametrize("content", ["", "{", "{}", "3", "[1, null]", "\xff"])
def test_damaged_settings_trust_nothing(content, here):
    lab.trust_file().parent.mkdir(parents=True)
    lab.trust_file().write_text(content)
    assert not is_trusted(here)
    trust(here)
    assert json.loads(lab.trust_file().read_text()) == [str(here)]


def test_settings_that_cannot_be_written_are_named(here, tmp_path):
    (tmp_path / "settings").write_text("")
    with pytest.raises(ConfigError, match="trusted.json cannot be written"):
        trust(here)
    assert not is_trusted(here)
