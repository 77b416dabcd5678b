import pytest

from dlexp.errors import ConfigError
from dlexp.trained.find import find_run

IDS = ("3f2a00000001", "3f2a00000002", "beef00000003")


@pytest.fixture
def outputs(tmp_path):
    for name in (f"adhoc/depth=8-{IDS[0]}", f"norms/{IDS[1]}", f"norms/norm=bn-{IDS[2]}", f".trash/a-{IDS[2]}"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.yaml").write_text("")
    (tmp_path / "norms" / "figures").mkdir()
    return tmp_path


@pytest.mark.parametrize("run", [IDS[2], "beef", "norm=bn-beef00000003"])
def test_a_run_is_found_by_its_id_and_by_the_name_of_its_folder(outputs, run):
    assert find_run(run, outputs) == outputs / "norms/norm=bn-beef00000003"


def test_a_path_needs_no_search(outputs, tmp_path):
    path = outputs / "norms" / IDS[1]
    assert find_run(path, tmp_path / "nowhere") == path
    assert find_run(str(path)) == path


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("3f2a", r"3f2a: several runs match, give the path of one of them: \S+depth=8-3f2a00000001, \S+3f2a00000002\."),
        ("beff00000003", r"no run below \S+ has this id or name\. The most similar: norm=bn-beef00000003"),
        ("bee", r"A run is named by its path, its folder's name, or four or more digits of its id"),
        ("../\x1b[2J", r"\.\./\?\[2J: no run below"),
    ],
)
def test_an_unclear_run_is_refused_with_the_candidates(outputs, run, message):
    with pytest.raises(ConfigError, match=message):
        find_run(run, outputs)


def test_a_folder_of_runs_is_not_a_run(outputs):
    with pytest.raises(
        ConfigError, match=r"holds no config\.yaml\. It contains the runs \S+norms/3f2a00000002, \S+beef00000003\."
    ):
        find_run(outputs / "norms")


def test_a_missing_folder_of_outputs_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"3f2a: there is no such folder, and no folder \S+nowhere to search"):
        find_run("3f2a", tmp_path / "nowhere")
