import json
import re
import shutil

import pytest

from dlexp.analysis import analyse
from dlexp.analysis.read.folder import DamagedError
from dlexp.analysis.report.archive import archive_report
from dlexp.analysis.report.replace import LessKnownError
from dlexp.analysis.report.write import build_report
from dlexp.commands import report, verify
from dlexp.run.record.look_log import LOOKS, format_log, read_log
from dlexp.run.record.registrations import show_date
from tests.analysis.made import make_study

AXES = {"activation": ["relu", "tanh"]}
PREDICTION = {"claim": "ReLU is better", "plus": {"activation": "relu"}, "minus": {"activation": "tanh"}, "expected": "greater"}


def accuracy(cell, seed):
    """ReLU is better by one point on average, by much more or less with a single seed."""
    return 0.7 + 0.001 * seed + (0.01 + 0.04 * (-1) ** seed + 0.003 * (seed % 3) if cell["activation"] == "relu" else 0)


@pytest.fixture(autouse=True, scope="module")
def _no_figures():
    with pytest.MonkeyPatch.context() as patch:
        for module in ("write", "archive"):
            patch.setattr(f"dlexp.analysis.report.{module}.draw", lambda result: [])
        yield


def make(root, seeds, listed=None, accuracy=accuracy, **study):
    """A study whose runs have these seeds, of which its file lists some; the rest are marked as training marks them."""
    for path in (root / "made_up").glob("activation=*"):
        shutil.rmtree(path)
    folder = make_study(root, AXES, seeds, accuracy=accuracy, predictions=[PREDICTION], **study)
    path = folder / "protocol.json"
    content = json.loads(path.read_text())
    content["study"]["seeds"] = list(listed or seeds)
    for run in content["runs"]:
        run |= {} if run["seed"] in content["study"]["seeds"] else {"unplanned": True}
    path.write_text(json.dumps(content))
    return folder


def read_page(folder):
    return (folder / "report.md").read_text().replace("\\", "")


def test_a_report_made_twice_of_the_same_runs_is_one_look(tmp_path):
    folder = make(tmp_path, range(10))
    first = build_report(folder).read_bytes()
    (entry,) = read_log(folder)
    assert entry["units"] == list(range(10))
    assert (entry["level"], entry["planned"], entry["decisions"]) == (0.05, True, {"ReLU is better": "undecided"})
    assert build_report(folder).read_bytes() == first
    assert read_log(folder) == [entry]
    assert "look" not in read_page(folder)  # a single planned look is not listed
    assert LOOKS in (folder / "SHA256SUMS").read_text()
    assert verify.main([str(tmp_path)]) == 0


def test_seeds_added_after_a_look_are_judged_at_their_level_and_called_unplanned(tmp_path):
    build_report(make(tmp_path, range(5)))
    folder = make(tmp_path, range(10), listed=range(5))
    build_report(folder)
    first, second = read_log(folder)
    assert (first["planned"], second["planned"], second["units"]) == (True, False, list(range(10)))
    (verdict,) = analyse(folder).verdicts
    assert verdict.alpha == second["level"] < 0.035
    page = read_page(folder)
    assert "Unplanned looks, at 10 seeds: seeds were added after a look at the results." in page
    assert f"Unplanned look: judged at 10 seeds, at level {second['level']:.3g}, as the last of 2 looks" in page
    assert page.count("| planned |") == page.count("| unplanned |") == 1
    build_report(folder, "ko")
    assert "계획에 없던 중간 판정" in read_page(folder)
    assert read_log(folder) == [first, second]


def test_without_an_earlier_look_added_seeds_are_part_of_the_first(tmp_path):
    folder = make(tmp_path, range(10), listed=range(5))
    build_report(folder)
    (entry,) = read_log(folder)
    assert (len(entry["units"]), entry["level"], entry["planned"]) == (10, 0.05, True)


def test_what_an_earlier_look_decided_stays_when_seeds_are_added(tmp_path):
    def turn(cell, seed):
        difference = 0.1 if seed < 5 else -0.3
        return 0.7 + (difference + 0.001 * (seed % 3) if cell["activation"] == "relu" else 0)

    build_report(make(tmp_path, range(5), accuracy=turn))
    folder = make(tmp_path, range(10), listed=range(5), accuracy=turn)
    build_report(folder)
    (verdict,) = analyse(folder).verdicts
    assert (verdict.verdict, verdict.n) == ("holds", 5)
    assert len(read_log(folder)) == 1  # nothing was left to be judged


def test_a_change_of_the_study_after_a_look_is_named(tmp_path):
    folder = make(tmp_path, range(10))
    build_report(folder)
    assert "has changed" not in read_page(folder)
    build_report(make(tmp_path, range(10), question="Another one?"))
    page = read_page(folder)
    (entry,) = read_log(folder)
    said = f"The study's file has changed since an earlier look at its results, at 10 seeds ({show_date(entry['time'])})"
    assert said in page


def test_the_interval_among_runs_that_learned_has_the_level_of_its_look(tmp_path):
    def fail(cell, seed):
        return 0.1 if (cell["activation"], seed) == ("tanh", 3) else accuracy(cell, seed)

    build_report(make(tmp_path, range(10), listed=range(20), accuracy=fail, looks=[5, 10, 20]))
    (shown,) = re.findall(r"among runs that learned [^(]+\((.+?) % interval", read_page(tmp_path / "made_up"))
    assert shown == "99.501"


def test_planned_looks_are_logged_and_named_on_the_cards(tmp_path):
    folder = make(tmp_path, range(7), listed=range(20), looks=[5, 10, 20])
    build_report(folder)
    assert "Judged at the look at 5 seeds (of 5, 10, 20), at level 7.16e-05. The next look is at 10 seeds." in read_page(folder)
    assert [len(entry["units"]) for entry in read_log(folder)] == [5]
    build_report(make(tmp_path, range(20), looks=[5, 10, 20]))
    page = read_page(folder)
    assert "Judged at the last look, at 20 seeds (of 5, 10, 20), at level 0.0471." in page
    assert "bounds of O'Brien and Fleming" in page
    assert "The 95.29 % interval" in page or "the 95.29 % interval" in page
    assert [(len(entry["units"]), entry["planned"]) for entry in read_log(folder)] == [(5, True), (10, True), (20, True)]
    assert "Unplanned" not in page


def test_before_its_first_look_a_study_says_when_it_comes(tmp_path):
    folder = make(tmp_path, range(3), listed=range(20), looks=[5, 10, 20])
    build_report(folder)
    assert "No look was reached yet: the first one is at 5 seeds." in read_page(folder)
    assert read_log(folder) == []


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    folder = make(tmp_path_factory.mktemp("made"), range(5))
    build_report(folder)
    return folder


def change_level(text):
    return text.replace("0.05", "0.5")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda text: text[:-20], "it is not JSON"),
        (change_level, "checksum"),
        (lambda text: format_log([{**json.loads(text)["looks"][0], "level": 2}]), "level"),
        (lambda text: format_log([{**json.loads(text)["looks"][0], "units": ["0"]}]), "units"),
        (lambda text: "[]", "must be a mapping"),
    ],
)
def test_a_damaged_log_is_named_and_neither_replaced_nor_passed_over(damage, named, reported, tmp_path, capsys):
    folder = shutil.copytree(reported, tmp_path / "made_up")
    damaged = damage((folder / LOOKS).read_text())
    (folder / LOOKS).write_text(damaged)
    assert report.main([str(folder)]) == 2
    shown = capsys.readouterr().err
    assert f"{LOOKS}: " in shown
    assert named in shown
    assert "move it away to begin a new one" in shown
    assert (folder / LOOKS).read_text() == damaged
    with pytest.raises(DamagedError):
        analyse(folder)
    assert verify.main([str(folder)]) == 1
    assert f"{LOOKS}: " in capsys.readouterr().out
    (folder / LOOKS).unlink()
    assert report.main([str(folder)]) == 0
    assert len(read_log(folder)) == 1


def test_a_link_in_place_of_the_log_is_replaced_and_not_followed(reported, tmp_path):
    folder, elsewhere = shutil.copytree(reported, tmp_path / "made_up"), tmp_path / "elsewhere.json"
    shutil.move(folder / LOOKS, elsewhere)
    (folder / LOOKS).symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    build_report(make(tmp_path, range(10), listed=range(5)))
    assert (elsewhere.read_bytes(), (folder / LOOKS).is_symlink()) == (before, False)
    assert len(read_log(folder)) == 2


def test_a_folder_that_cannot_be_written_is_answered_with_a_sentence(reported, tmp_path, capsys, monkeypatch):
    folder = shutil.copytree(reported, tmp_path / "made_up")
    before = (folder / LOOKS).read_bytes()

    def refuse(*arguments, **settings):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("dlexp.machine.files.replacing", refuse)
    assert report.main([str(folder)]) in (2, 5)
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    assert "Permission denied" in shown.err
    assert (folder / LOOKS).read_bytes() == before


def test_an_archive_has_the_log_and_loses_no_look(reported, tmp_path):
    folder, archive = shutil.copytree(reported, tmp_path / "made_up"), tmp_path / "archive"
    (folder / LOOKS).unlink()
    archive_report(folder, archive)  # of runs without a report: this one is the first
    archive_report(folder, archive)
    first = read_log(archive)
    assert [len(entry["units"]) for entry in first] == [5]
    shutil.copy(archive / LOOKS, folder / LOOKS)
    build_report(make(tmp_path, range(10), listed=range(5)))
    archive_report(folder, archive)
    assert read_log(archive) == read_log(folder) != first
    assert analyse(archive).verdicts == analyse(folder).verdicts
    assert verify.main([str(archive)]) == 0
    (folder / LOOKS).write_text(format_log(first))
    with pytest.raises(LessKnownError, match="looks.json there has 1 looks that"):
        archive_report(folder, archive)
