"""R28: an archive that would write elsewhere, or without end, is refused, and nothing of it is left anywhere."""

import gzip
import io
import tarfile

import pytest

from dlexp.data.archive import unpack

GOOD = "data/file"


def member(name, content=b"x", **changed):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in changed.items():
        setattr(info, field, value)
    return info, content


def link(name, to, kind=tarfile.SYMTYPE):
    return member(name, b"", type=kind, linkname=to)


HOSTILE = {
    "parent": [member("../outside")],
    "parent in the middle": [member("data/../../outside")],
    "absolute": [member("/tmp/dlexp-outside")],
    "backslashes": [member("..\\outside")],
    "a name with a NUL in it": [member("data/a", pax_headers={"path": "data/file\0/../../outside"})],
    "a symbolic link": [link("data", "/tmp"), member(GOOD)],
    "a link to a parent, and a file through it": [link("data/up", ".."), member("data/up/outside")],
    "a link in place of the file": [link(GOOD, "../../outside")],
    "links that together lead out": [link("a", "."), link("a/b", ".."), link("data", "a/b"), member(GOOD)],
    "a hard link": [link("data/passwd", "/etc/passwd", tarfile.LNKTYPE)],
    "a hard link to a link": [link("a", "/etc/passwd"), link(GOOD, "a", tarfile.LNKTYPE)],
    "a device": [member("data/null", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "a pipe": [member("data/pipe", b"", type=tarfile.FIFOTYPE)],
    "too many members": [member(f"data/{number}", b"") for number in range(10_001)],
    "a header without end": [member(GOOD, pax_headers={"comment": "x" * 3_000_000})],
    "more than it may unpack to": [member("data/zeros", bytes(3_000_000)), member(GOOD)],
    "not the file": [member("data/other")],
}


def pack(path, members):
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_leaves_nothing(case, tmp_path):
    inside = tmp_path / "root" / "inside"
    inside.mkdir(parents=True)
    archive = pack(tmp_path / "hostile.tar.gz", HOSTILE[case])
    with pytest.raises(ValueError, match=r"^it "):
        unpack(archive, {GOOD: inside / "data" / "file"}, max_bytes=2_000_000 if case != "too many members" else 2**25)
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == [archive]


def test_a_bomb_of_one_file_is_given_up(tmp_path):
    archive = tmp_path / "file.gz"
    archive.write_bytes(gzip.compress(bytes(50_000_000), 9))
    assert archive.stat().st_size < 60_000
    with pytest.raises(ValueError, match="unpacks to more than 1000000 bytes"):
        unpack(archive, {"file": tmp_path / "file"}, max_bytes=1_000_000)
    assert list(tmp_path.iterdir()) == [archive]


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-20], lambda content: b"<html>not found</html>", lambda content: b""]
)
def test_what_is_no_archive_leaves_nothing(damage, tmp_path):
    archive = pack(tmp_path / "x.tar.gz", [member(GOOD, bytes(range(256)) * 99)])
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises((OSError, EOFError, tarfile.TarError)):
        unpack(archive, {GOOD: tmp_path / "file"})
    assert list(tmp_path.iterdir()) == [archive]


def test_a_sound_archive_gives_the_wanted_files_alone(tmp_path):
    archive = pack(
        tmp_path / "x.tar.gz", [member("data", b"", type=tarfile.DIRTYPE), member(GOOD, b"12"), member("data/readme")]
    )
    unpack(archive, {GOOD: tmp_path / "to" / "file"})
    assert (tmp_path / "to" / "file").read_bytes() == b"12"
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["file", "x.tar.gz"]


def test_extracting_everything_would_have_written_outside(tmp_path):
    """The negative control: where nothing looks at it, such an archive does what it is here for."""
    (tmp_path / "root").mkdir()
    with tarfile.open(pack(tmp_path / "x.tar.gz", HOSTILE["parent"])) as tar:
        tar.extractall(tmp_path / "root", filter="fully_trusted")
    assert (tmp_path / "outside").exists()
