import errno
import fcntl
import os
import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from torch._inductor.runtime.cache_dir_utils import cache_dir

from dlexp.doctor import storage
from dlexp.doctor.storage import (
    ENOUGH_FREE,
    MIN_FREE,
    Folder,
    build_section,
    examine_folder,
    find_compile_cache,
    judge,
    list_folders,
)

STAYS = "a lock stays when it is released"
ROOM = Folder("output_dir", "outputs", needed=True, free=2 * ENOUGH_FREE, error=None)


def test_an_examined_folder_stays_empty(tmp_path):
    found = examine_folder("output_dir", str(tmp_path / "not" / "there"), needed=True)
    assert (found.error, list(tmp_path.iterdir())) == (None, [])
    assert found.free > 0
    assert judge([replace(found, free=2 * ENOUGH_FREE)]) == []


@pytest.mark.parametrize(("mode", "shared"), [(0o755, False), (0o700, False), (0o775, False), (0o777, True), (0o1777, True)])
def test_a_folder_into_which_others_may_write_is_named(mode, shared, tmp_path):
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs").chmod(mode)
    found = examine_folder("output_dir", str(tmp_path / "outputs"), needed=True)
    texts = [finding.text for finding in judge([replace(found, free=2 * ENOUGH_FREE)])]
    assert [text.endswith("can change or delete what you leave there.") for text in texts] == [True] * shared
    below = examine_folder("output_dir", str(tmp_path / "outputs" / "new"), needed=True)
    assert not below.shared  # it will be the user's own


def test_below_a_file_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    found = examine_folder("output_dir", str(tmp_path / "file" / "below"), needed=True)
    (finding,) = judge([found])
    assert finding.level == "problem"
    assert "Not a directory" in finding.text
    assert "not writable" in build_section([found]).lines[0][1]


@pytest.mark.parametrize(("free", "levels"), [(ENOUGH_FREE, []), (ENOUGH_FREE - 1, ["note"]), (MIN_FREE - 1, ["problem"])])
def test_little_room(free, levels):
    assert [finding.level for finding in judge([replace(ROOM, free=free)])] == levels


def test_a_folder_that_is_only_read_is_not_judged():
    assert judge([replace(ROOM, needed=False, free=None, error="read-only"), replace(ROOM, needed=False, free=0)]) == []


@pytest.mark.parametrize(
    ("dataset", "downloads", "compiles", "needed"),
    [
        ({}, False, False, {"output_dir"}),
        ({}, True, False, {"output_dir", "data_dir"}),
        ({}, False, True, {"output_dir", "TORCHINDUCTOR_CACHE_DIR"}),
        ({"cache_dir": "data/.cache"}, False, False, {"output_dir", "dataset.cache_dir"}),
    ],
)
def test_which_folders_a_run_writes_into(dataset, downloads, compiles, needed):
    config = {"output_dir": "outputs", "data_dir": "data", "dataset": dataset, "hardware": {"compile": compiles}}
    assert {key for key, (_, written) in list_folders(config, downloads=downloads).items() if written} == needed


@pytest.mark.parametrize("chosen", [None, "somewhere"])
def test_the_compile_cache_is_torchs(chosen, monkeypatch, tmp_path):
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    if chosen:
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / chosen))
    assert str(find_compile_cache()) == cache_dir()


REFUSED = {
    "locks": (fcntl, "flock", errno.ENOLCK, "has no locks \\(No locks available\\): give a command once at a time, on one"),
    "files": (os, "fsync", errno.EINVAL, "cannot bring files to the disk at once \\(Invalid argument\\)"),
    "folders": (os, "fsync", errno.ENOTSUP, "cannot bring folders to the disk at once \\(Operation not supported\\)"),
    "replacing": (Path, "replace", errno.EACCES, "cannot replace a file that is open \\(Permission denied\\)"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_file_system_lacks_is_named(what, tmp_path, monkeypatch):
    module, name, number, sentence = REFUSED[what]
    done = getattr(module, name)

    def refuse(target, *arguments):
        is_folder = isinstance(target, int) and stat.S_ISDIR(os.fstat(target).st_mode)
        if name == "fsync" and is_folder != (what == "folders"):
            return done(target, *arguments)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, name, refuse)
    found = examine_folder("output_dir", str(tmp_path), needed=True)
    assert list(found.lacks) == [what]
    (finding,) = judge([replace(found, free=2 * ENOUGH_FREE)])
    assert finding.level == "note"
    assert re.search(sentence, finding.text)


def test_locks_that_keep_nobody_out_are_named(tmp_path, monkeypatch):
    """Another process tries them: on some network file systems they bind only the process that has them."""
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    lacks = examine_folder("output_dir", str(tmp_path), needed=True).lacks
    assert lacks == {"locks": "a lock does not keep another process out"}


@pytest.mark.parametrize(
    ("elsewhere", "lacks"),
    [([False, True], {}), ([True], {"locks": "a lock does not keep another process out"}), ([False, False], {"locks": STAYS})],
)
def test_locks_are_tried_by_two_processes(elsewhere, lacks, tmp_path, monkeypatch):
    answers = iter(elsewhere)
    monkeypatch.setattr(storage, "_locks_elsewhere", lambda path: next(answers))
    assert storage.find_lacking(tmp_path) == lacks
    assert list(answers) == []


def test_the_command_that_checks_files_is_named_where_there_are_runs(tmp_path):
    assert "verify" not in str(build_section([examine_folder("output_dir", str(tmp_path), needed=True)]).lines)
    folder = tmp_path / "adhoc" / f"seed=0-{'0' * 12}"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("seed: 0\n")
    lines = build_section([examine_folder("output_dir", str(tmp_path), needed=True)]).lines
    assert lines[1] == ("runs", f"dlexp verify {tmp_path} finds files of them that are damaged")
