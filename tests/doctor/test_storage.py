from dataclasses import replace

import pytest
from torch._inductor.runtime.cache_dir_utils import cache_dir

from dlexp.doctor.storage import COMFORTABLE, LEAST, Folder, compile_cache, judge, look, places, section

ROOM = Folder("output_dir", "outputs", needed=True, free=2 * COMFORTABLE, error=None)


def test_looking_leaves_nothing(tmp_path):
    found = look("output_dir", str(tmp_path / "not" / "there"), needed=True)
    assert (found.error, list(tmp_path.iterdir())) == (None, [])
    assert found.free > 0
    assert judge([replace(found, free=2 * COMFORTABLE)]) == []


def test_below_a_file_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    found = look("output_dir", str(tmp_path / "file" / "below"), needed=True)
    (finding,) = judge([found])
    assert finding.level == "problem"
    assert "Not a directory" in finding.text
    assert "not writable" in section([found]).lines[0][1]


@pytest.mark.parametrize(("free", "levels"), [(COMFORTABLE, []), (COMFORTABLE - 1, ["note"]), (LEAST - 1, ["problem"])])
def test_little_room(free, levels):
    assert [finding.level for finding in judge([replace(ROOM, free=free)])] == levels


def test_what_the_run_does_not_write_into_is_left_in_peace():
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
    assert {key for key, (_, written) in places(config, downloads=downloads).items() if written} == needed


@pytest.mark.parametrize("chosen", [None, "somewhere"])
def test_the_compile_cache_is_torchs(chosen, monkeypatch, tmp_path):
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    if chosen:
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / chosen))
    assert str(compile_cache()) == cache_dir()
