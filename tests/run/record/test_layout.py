"""Where run folders lie: what training, plan, reports and predictions agree on."""

import errno
import os

import pytest

from dlexp.analysis import load_runs
from dlexp.analysis.read.folder import DamagedRunWarning
from dlexp.errors import ConfigError
from dlexp.machine import notices
from dlexp.machine.once import checking_once
from dlexp.run.record.layout import find_run_folder, find_run_folders, list_run_folders
from dlexp.run.record.verify import verify_tree
from dlexp.trained.find import find_run

ONE, TWO = "0123456789ab", "ba9876543210"


def make(path):
    path.mkdir(parents=True)
    (path / "config.yaml").write_text("seed: 0\n")
    return path


@pytest.fixture
def study(tmp_path):
    """A study's folder with one run, `some=slug-<ONE>`."""
    make(tmp_path / "outputs/study" / f"some=slug-{ONE}")
    (tmp_path / "outputs/study/.locks").mkdir()
    return tmp_path / "outputs/study"


def test_a_run_is_found_by_its_id_alone(study):
    assert find_run_folder(study, ONE) == study / f"some=slug-{ONE}"
    assert find_run_folder(study, TWO) is None
    assert find_run_folder(study, ONE[1:]) is None
    assert find_run_folder(study / "nowhere", ONE) is None


@pytest.mark.parametrize("place", ["before/some=slug-", "with-x/some=slug-", f"with-{TWO}/some=slug-", "a/b/c-"])
def test_what_lies_deeper_in_a_study_is_not_a_run_of_it(study, place):
    make(study / f"{place}{ONE}")
    expected = [study / f"some=slug-{ONE}"]
    assert list_run_folders(study) == expected
    assert list(find_run_folders(study.parent)) == expected
    assert find_run_folder(study, ONE) == expected[0]
    assert find_run(ONE, study.parent) == expected[0]
    assert len(list(find_run_folders((study / place).parent))) == 1  # unless it is asked for by its own path


def test_two_folders_of_a_run_are_named_and_neither_is_used(study):
    make(study / f"backup-some=slug-{ONE}")
    with pytest.raises(
        ConfigError, match=f"backup-some=slug-{ONE} and some=slug-{ONE} are folders of one run. Nothing is overwr"
    ):
        find_run_folder(study, ONE)


@pytest.mark.parametrize("name", [f"notes-{TWO}", f"some=slug-{ONE}-copy", f".hidden-{TWO}x", "2024-05-01-202405011200"])
def test_a_folder_that_training_did_not_write_is_no_run(study, name):
    (study / name).mkdir()
    (study / name / "notes.txt").write_text("mine")
    assert list_run_folders(study) == [study / f"some=slug-{ONE}"]


def test_folders_whose_names_end_like_a_run_are_searched(tmp_path):
    run = make(tmp_path / "2024-05-01-202405011200" / "adhoc" / f"default-{ONE}")
    assert list(find_run_folders(tmp_path)) == [run]
    assert len(load_runs(tmp_path / "2024-05-01-202405011200")) == 1


@pytest.mark.parametrize("name", ["202611261200", "sweep-202611261200", "20261126-120000", "abcdefabcdef", "2026-11-26"])
@pytest.mark.parametrize("left", [None, "train.log", "config.yaml", "metrics.csv", "summary.json"])
def test_a_folder_of_outputs_named_like_a_run_is_searched_whatever_the_user_left_in_it(tmp_path, monkeypatch, name, left):
    outputs = tmp_path / "results" / name
    runs = [make(outputs / "adhoc" / f"seed={seed}-{run}") for seed, run in ((0, ONE), (1, TWO))]
    (outputs / "adhoc/.locks").mkdir()
    if left:
        (outputs / left).write_text("mine\n")
    for root in (outputs, tmp_path / "results", tmp_path):
        assert sorted(find_run_folders(root)) == runs
        assert len(load_runs(root)) == 2
        assert find_run(ONE, root) == runs[0]
    assert find_run_folder(outputs / "adhoc", TWO) == runs[1]
    monkeypatch.chdir(outputs)
    assert len(load_runs(".")) == 2


@pytest.mark.parametrize("name", ["summary.json", "config.yaml", "metrics.csv", "train.log"])
def test_a_run_that_lacks_all_but_one_file_stays_a_run(tmp_path, name):
    folder = tmp_path / "study" / f"some=slug-{ONE}"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / name).write_text("")
    assert list(find_run_folders(tmp_path)) == [folder]


def test_a_link_to_a_run_or_to_a_study_is_followed_and_no_other(study, tmp_path):
    moved = make(tmp_path / "disk" / f"other-{TWO}")
    (study / moved.name).symlink_to(moved)
    assert find_run_folder(study, TWO) == study / moved.name
    assert len(list(find_run_folders(study.parent))) == 2
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/study").symlink_to(study)
    (tmp_path / "elsewhere/loop").symlink_to(tmp_path)
    assert len(list(find_run_folders(tmp_path / "elsewhere"))) == 2


def refuse_below(folder, monkeypatch):
    """Let nothing in this folder be read, as if it were another user's: permissions do not bind the superuser."""

    def refusing(operation):
        def refuse(path, *arguments, **options):
            text = os.fspath(path) if isinstance(path, str | os.PathLike) else ""
            if text == str(folder) and operation is scan or text.startswith(f"{folder}/"):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), text)
            return operation(path, *arguments, **options)

        return refuse

    scan = os.scandir
    for name in ("scandir", "lstat", "stat", "open"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))


@pytest.mark.parametrize("name", ["private", f"private-{TWO}"])
def test_a_folder_that_may_not_be_read_is_named_and_passed_over(name, study, monkeypatch, capsys):
    make(study.parent / "other" / f"x-{TWO}" if name == "private" else study.parent / name)
    private = study.parent / ("other" if name == "private" else name)
    monkeypatch.setattr(notices, "_notified", set())
    refuse_below(private, monkeypatch)
    with pytest.warns(DamagedRunWarning) as warned:
        assert list(load_runs(study.parent)["id"]) == [ONE]
    assert [str(private) in str(warning.message) for warning in warned] == [True]
    assert "Permission denied" in str(warned[0].message)
    assert find_run(ONE, study.parent) == study / f"some=slug-{ONE}"
    problems = {found.path.name: found.problems for found in verify_tree(study.parent) if "denied" in str(found.problems)}
    assert list(problems) == [private.name]


def test_within_a_check_a_folder_of_runs_is_listed_once(study, monkeypatch):
    listings = []
    original = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: listings.append(path) or original(path))
    with checking_once():
        assert [find_run_folder(study, identity) is None for identity in (ONE, TWO, ONE)] == [False, True, False]
        make(study / f"some=slug-{TWO}")
        assert find_run_folder(study, TWO) is None
        make(study / f"copy-{ONE}")
    assert len(listings) == 1
    assert find_run_folder(study, TWO) == study / f"some=slug-{TWO}"
    with checking_once(), pytest.raises(ConfigError, match="are folders of one run"):
        find_run_folder(study, ONE)
