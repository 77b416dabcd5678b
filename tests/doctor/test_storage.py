from dataclasses import replace

import pytest
from torch._inductor.runtime.cache_dir_utils import cache_dir

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
