"""From which state an interrupted run goes on, also with force=true; and what is damaged is never taken for done."""

import shutil

import pytest

from dlexp.errors import CheckpointError
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.run.record import checkpoint
from dlexp.run.record.clear import FORCED
from tests.runs import MOONS, prepare

LONG = (*MOONS, "epochs=4", "checkpoint_every=0")


class Stops(Plain):
    """A display that interrupts the run after an epoch."""

    def __init__(self, after):
        super().__init__()
        self.after, self.epochs, self.said = after, [], []

    def epoch(self, row):
        self.epochs.append(row["epoch"])
        if row["epoch"] == self.after:
            raise KeyboardInterrupt

    def say(self, text):
        self.said.append(text)


def start(root, *more, after=None):
    run, display = prepare(*LONG, *more, root=root), Stops(after)
    if after is not None:
        with pytest.raises(KeyboardInterrupt):
            execute(run, gather_facts(run), display)
    elif run.must_run():
        execute(run, gather_facts(run), display)
    return run, display


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The output folder of a finished run. Not to be changed."""
    root = tmp_path_factory.mktemp("whole")
    start(root)
    return root


@pytest.fixture
def finished(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "outputs")
    return tmp_path / "outputs"


def test_with_force_an_interrupted_run_goes_on_and_a_finished_one_starts_over(finished):
    run, display = start(finished, "force=true", after=3)
    assert display.epochs == [0, 1, 2, 3]
    assert (run.folder / FORCED).exists()
    _, display = start(finished, "force=true")
    assert display.said[0].startswith("Goes on from step-")
    assert display.epochs[0] >= 2
    assert not (run.folder / FORCED).exists()
    assert start(finished, "force=true")[1].epochs[0] == 0  # finished: it is run again


def test_with_force_a_run_that_was_interrupted_without_it_starts_over(tmp_path):
    start(tmp_path, after=3)
    assert start(tmp_path, "force=true")[1].epochs[0] == 0


def test_without_force_the_forced_start_goes_on_too(finished):
    start(finished, "force=true", after=3)
    assert start(finished)[1].epochs[0] >= 2


@pytest.mark.parametrize("damage", ["states", "config", "code"])
def test_with_force_what_cannot_go_on_starts_over(finished, damage, monkeypatch):
    run, _ = start(finished, "force=true", after=3)
    if damage == "states":
        for path in run.folder.glob("checkpoints/step-*.pt"):
            path.write_bytes(b"x")
    elif damage == "config":
        (run.folder / "config.yaml").write_text("depth: 7\n")
    else:
        read = checkpoint.newest
        monkeypatch.setattr(checkpoint, "newest", lambda *arguments: read(*arguments[:3], "other"))
    _, display = start(finished, "force=true")
    assert display.epochs[0] == 0
    assert "over" in display.said[0]


@pytest.mark.parametrize("gone", ["config.yaml", ".hydra", "metrics.csv"])
def test_a_run_that_lacks_a_file_is_damaged_and_not_done(finished, gone):
    folder = prepare(*LONG, root=finished).folder
    shutil.rmtree(folder / gone) if gone == ".hydra" else (folder / gone).unlink()
    kept = sorted(path.name for path in folder.iterdir())
    assert prepare(*LONG, root=finished).read_summary() is None
    with pytest.raises(CheckpointError, match=rf"is damaged: it lacks {gone}, and so is not done.* force=true runs it again"):
        start(finished)
    assert sorted(path.name for path in folder.iterdir()) == kept
    start(finished, "force=true")
    assert prepare(*LONG, root=finished).read_summary()["status"] == "done"


@pytest.mark.parametrize("gone", ["checkpoints", "arrays"])
def test_states_and_arrays_may_be_deleted(finished, gone):
    shutil.rmtree(prepare(*LONG, root=finished).folder / gone)
    assert not prepare(*LONG, root=finished).must_run()


def test_a_run_behind_a_link_starts_over_where_it_is(finished, tmp_path):
    folder = prepare(*LONG, root=finished).folder
    moved = tmp_path / "disk" / folder.name
    moved.parent.mkdir()
    folder.rename(moved)
    folder.symlink_to(moved)
    start(finished, "force=true")
    assert folder.is_symlink()
    assert (moved / "summary.json").exists()
