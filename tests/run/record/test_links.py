"""Links in the place of a run's folder, and in it. tests/reliability/untrusted/test_planted_links.py has one at every path."""

import os
import shutil

import pytest

from dlexp.errors import CheckpointError
from tests.run.test_resume import finished, start, whole  # noqa: F401


def test_a_run_folder_that_was_moved_goes_on_through_the_link_in_its_place(tmp_path):
    run, _ = start(tmp_path / "outputs", after=3)
    shutil.move(run.folder, tmp_path / run.folder.name)
    run.folder.symlink_to(tmp_path / run.folder.name)
    again, display = start(tmp_path / "outputs")
    assert display.epochs[0] > 0
    assert again.read_summary()["status"] == "done"
    start(tmp_path / "outputs", "force=true")
    assert run.folder.is_symlink()
    assert (tmp_path / run.folder.name / "summary.json").exists()


@pytest.mark.parametrize("force", [(), ("force=true",)])
@pytest.mark.parametrize("exists", [True, False])
def test_a_link_to_another_folder_is_refused_and_that_folder_stays(force, exists, finished, tmp_path):  # noqa: F811
    run, _ = start(finished)
    shutil.rmtree(run.folder)
    project = tmp_path / "project"
    run.folder.symlink_to(project)
    if exists:
        project.mkdir()
        (project / "config.yaml").write_text("mine")
    with pytest.raises(CheckpointError, match="is a link to .*/project, which is no folder of this run. Nothing there"):
        start(finished, *force)
    assert project.exists() == exists
    assert not exists or [path.read_text() for path in project.iterdir()] == ["mine"]


def test_links_in_the_folder_of_an_interrupted_run_are_named_and_force_starts_over(tmp_path):
    run, _ = start(tmp_path / "outputs", after=3)
    (tmp_path / "states").mkdir()
    (tmp_path / "states/step-000000001.pt").write_text("mine")
    shutil.rmtree(run.folder / "checkpoints")
    (run.folder / "checkpoints").symlink_to(tmp_path / "states")
    with pytest.raises(CheckpointError, match=r"checkpoints is a link, and a run writes no links\. Nothing was changed: put"):
        start(tmp_path / "outputs")
    assert start(tmp_path / "outputs", "force=true")[0].read_summary()["status"] == "done"
    assert [path.read_text() for path in (tmp_path / "states").iterdir()] == ["mine"]


def test_a_copy_that_was_made_with_hard_links_keeps_its_content(tmp_path):
    run, _ = start(tmp_path / "outputs", after=3)
    shutil.copytree(run.folder, tmp_path / "copy", copy_function=os.link)
    before = {path: path.read_bytes() for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    assert start(tmp_path / "outputs")[0].read_summary()["status"] == "done"
    assert {path: path.read_bytes() for path in (tmp_path / "copy").rglob("*") if path.is_file()} == before
