import os
import platform

import pytest

from dlexp.machine.files import read_regular_file, replacing, write_whole
from tests.reliability.downloads import fork


def test_what_a_killed_writer_left_is_removed(tmp_path):
    dead = fork(lambda: None)
    os.waitpid(dead, 0)
    here = platform.node()
    for host, pid in ((here, dead), (here, os.getppid()), ("elsewhere", dead)):
        (tmp_path / f".x.json.{host}.{pid}.tmp").write_text("ha")
    write_whole(tmp_path / "x.json", "whole")
    left = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert left == {"x.json": "whole", f".x.json.{here}.{os.getppid()}.tmp": "ha", f".x.json.elsewhere.{dead}.tmp": "ha"}


@pytest.mark.parametrize("durable", [True, False])
def test_an_error_leaves_the_old_file_and_nothing_else(durable, tmp_path):
    write_whole(tmp_path / "x", "old", durable=durable)

    def fail():
        with replacing(tmp_path / "x", durable=durable) as temporary:
            temporary.write_text("new")
            raise ZeroDivisionError

    pytest.raises(ZeroDivisionError, fail)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"x": "old"}


def test_a_regular_file_of_any_origin_is_read_up_to_a_size(tmp_path):
    (tmp_path / "x").write_text("four")
    (tmp_path / "link").symlink_to("x")
    assert read_regular_file(tmp_path / "link", 4) == b"four"
    with pytest.raises(ValueError, match="x has more than 3 bytes"):
        read_regular_file(tmp_path / "x", 3)


@pytest.mark.parametrize(
    "make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "folder", "device"]
)
def test_what_is_no_regular_file_is_refused_and_nothing_waits(make, tmp_path):
    make(tmp_path / "x")
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ValueError, match="x is not a regular file"):
        read_regular_file(tmp_path / "x", 3)
    assert len(os.listdir("/proc/self/fd")) == descriptors
