import errno
import os
import shutil
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from dlexp.data import fingerprint as module
from dlexp.data import hash_store
from dlexp.data.fingerprint import fingerprint, fingerprint_keys
from dlexp.errors import ConfigError, DatasetError
from dlexp.machine.once import checking_once
from dlexp.parts.dataset.image_folder import SUFFIXES

# The fingerprint of the images of `root` when the first ids were made.
AS_BEFORE = "bf8b0ce9d7192f2b8926a7f9f74af50854b9e926975bbb588572832f683a7de4"


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "images"
    for name in ("cat/1.jpg", "cat/2.JPG", "dog/deep/1.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.fixture
def store(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def settled(monkeypatch):
    """The files of this test count as old enough to be remembered."""
    monkeypatch.setattr(module, "RECENT_NS", -(10**12))


@pytest.fixture
def hashed(monkeypatch):
    """The names of the files that are hashed, in order."""
    names = []
    original = module.hashlib.file_digest

    def note(file, algorithm):
        names.append(Path(file.name).name)
        return original(file, algorithm)

    monkeypatch.setattr(module.hashlib, "file_digest", note)
    return names


def edit(path):
    """Change the content, but neither the size nor the time of the last change; the file system's clock has gone on before."""
    stat = path.stat()
    while time.time_ns() - stat.st_ctime_ns < 20_000_000:
        time.sleep(0.005)
    path.write_bytes(path.read_bytes().swapcase())
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


CHANGES = {
    "content": lambda root: edit(root / "cat" / "1.jpg"),
    "name": lambda root: (root / "cat" / "1.jpg").rename(root / "cat" / "3.jpg"),
    "class": lambda root: (root / "cat" / "2.JPG").rename(root / "dog" / "2.JPG"),
    "one more": lambda root: (root / "dog" / "new.webp").write_bytes(b""),
    "one less": lambda root: (root / "cat" / "2.JPG").unlink(),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_noticed(root, store, settled, what):
    before = fingerprint(root, store, SUFFIXES)
    CHANGES[what](root)
    assert fingerprint(root, store, SUFFIXES) != before
    assert fingerprint(root, store, SUFFIXES) == fingerprint(root, None, SUFFIXES)


@pytest.fixture
def linked(root, tmp_path):
    """Images of one size and one time, some behind links to files and folders elsewhere."""
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "3.png").write_bytes(f"{place}/3".encode())
    (root / "cat" / "3.png").symlink_to(tmp_path / "a" / "3.png")
    (root / "bird").symlink_to(tmp_path / "a")
    (root / "dog" / "4.png").hardlink_to(tmp_path / "b" / "3.png")
    for path in (*root.rglob("*.*"), tmp_path / "a/3.png", tmp_path / "b/3.png"):
        os.utime(path, (315532800, 315532800))  # 1980, as files out of a zip often have it
    return root


def exchange(one, other):
    """As `mv` does it: the files keep their inode, size and time, and perhaps their ctime too."""
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def unpack_again(root):
    """The folder removed and made anew, with two files of one size exchanged."""
    content = {path: path.read_bytes() for path in (root / "cat" / "1.jpg", root / "cat" / "2.JPG")}
    first, second = content
    shutil.rmtree(root / "cat")
    (root / "cat").mkdir()
    for path, text in ((first, content[second]), (second, content[first])):
        path.write_bytes(text)
        os.utime(path, (315532800, 315532800))
    (root / "cat" / "3.png").symlink_to(root.parent / "a" / "3.png")


def relink(link, target):
    link.unlink()
    link.symlink_to(target)


def replace_by_link(path, target):
    path.unlink()
    path.hardlink_to(target)


MOVES = {
    "exchanged in a folder": lambda root: exchange(root / "cat" / "1.jpg", root / "cat" / "2.JPG"),
    "exchanged between classes": lambda root: exchange(root / "cat" / "1.jpg", root / "dog" / "4.png"),
    "classes exchanged": lambda root: exchange(root / "cat", root / "dog"),
    "unpacked again": unpack_again,
    "the file behind a link edited": lambda root: edit(root.parent / "a" / "3.png"),
    "the files behind two links exchanged": lambda root: exchange(root.parent / "a" / "3.png", root.parent / "b" / "3.png"),
    "another file behind a link": lambda root: relink(root / "cat" / "3.png", root.parent / "b" / "3.png"),
    "another folder behind a link": lambda root: relink(root / "bird", root.parent / "b"),
    "a hard link to another file": lambda root: replace_by_link(root / "cat" / "1.jpg", root.parent / "b" / "3.png"),
    "a hard link's other name edited": lambda root: edit(root.parent / "b" / "3.png"),
}


@pytest.mark.parametrize("what", MOVES)
def test_what_is_moved_linked_or_unpacked_again_is_noticed_though_sizes_and_times_stay(linked, store, settled, what):
    before = fingerprint(linked, store, SUFFIXES)
    MOVES[what](linked)
    after = fingerprint(linked, store, SUFFIXES)
    assert after != before
    assert after == fingerprint(linked, None, SUFFIXES)


def test_swapped_contents_are_another_fingerprint(root):
    before = fingerprint(root)
    (root / "cat" / "1.jpg").write_bytes(b"cat/2.JPG")
    (root / "cat" / "2.JPG").write_bytes(b"cat/1.jpg")
    assert fingerprint(root) != before


def test_does_not_depend_on_where_the_folder_lies(root, tmp_path, store):
    copy = shutil.copytree(root, tmp_path / "elsewhere" / "copy")
    (tmp_path / "link").symlink_to(root)
    assert fingerprint(root) == fingerprint(copy, store) == fingerprint(tmp_path / "link", store)
    moved = root.rename(tmp_path / "moved")
    assert fingerprint(moved, store) == fingerprint(copy)


def test_the_fingerprint_of_images_is_what_published_ids_were_made_with(root, store):
    assert fingerprint(root, store, SUFFIXES) == AS_BEFORE
    assert fingerprint_keys({"root": str(root)}, store, SUFFIXES) == fingerprint(root, None, SUFFIXES)


def test_suffixes_leave_out_other_files_and_without_them_all_but_hidden_ones_count(root):
    images, everything = fingerprint(root, None, SUFFIXES), fingerprint(root)
    for name in ("cat/.hidden.jpg", ".cache/1.jpg"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")
    assert (fingerprint(root, None, SUFFIXES), fingerprint(root)) == (images, everything)
    (root / "notes.txt").write_bytes(b"x")
    assert fingerprint(root, None, SUFFIXES) == images
    assert fingerprint(root) != everything


def test_one_file_is_hashed_by_its_content_alone(tmp_path, store):
    (tmp_path / "table.csv").write_bytes(b"a,b")
    before = fingerprint(tmp_path / "table.csv", store)
    assert fingerprint((tmp_path / "table.csv").rename(tmp_path / "other.csv"), store) == before
    edit(tmp_path / "other.csv")
    assert fingerprint(tmp_path / "other.csv", store) != before


def test_several_keys_are_not_confused(root, tmp_path, store):
    (tmp_path / "table.csv").write_bytes(b"1,2")
    values = {"root": str(root), "labels": str(tmp_path / "table.csv"), "other": None}
    found = [
        fingerprint_keys(values, store),
        fingerprint_keys(values | {"labels": None, "other": values["labels"]}, store),
        fingerprint_keys(values | {"labels": values["root"], "root": values["labels"]}, store),
        fingerprint_keys(values | {"labels": None}, store),
        fingerprint_keys({"root": str(root)}, store),
    ]
    assert len(set(found)) == 4
    assert found[3] == found[4]  # so that an option may get another such key, and its runs stay the same
    assert fingerprint_keys({"root": None, "labels": None}, store) is None
    assert fingerprint_keys({}, store) is None


def test_an_unchanged_folder_is_recognised_without_reading_a_file_or_the_hashes(root, store, settled, hashed, monkeypatch):
    first = fingerprint(root, store)
    assert sorted(hashed) == ["1.jpg", "1.png", "2.JPG"]
    monkeypatch.setattr(module, "read_hashes", lambda path: pytest.fail("the second line was read"))
    assert fingerprint(root, store) == first
    assert len(hashed) == 3


def test_only_the_changed_file_is_hashed_again(root, store, settled, hashed):
    fingerprint(root, store)
    edit(root / "cat" / "2.JPG")
    (root / "cat" / "1.jpg").rename(root / "cat" / "0.jpg")
    second = fingerprint(root, store)
    assert sorted(hashed[3:]) == ["0.jpg", "2.JPG"]
    assert second == fingerprint(root)


def test_a_file_that_was_changed_just_now_is_not_remembered(root, store, monkeypatch, hashed):
    now = max(path.stat().st_ctime_ns for path in root.rglob("*.*"))
    monkeypatch.setattr(module.time, "time_ns", lambda: now + module.RECENT_NS)
    fingerprint(root, store)
    monkeypatch.setattr(module.time, "time_ns", lambda: now + module.RECENT_NS + 1)
    fingerprint(root, store)
    again = len(hashed) - 3
    fingerprint(root, store)
    assert again > 0
    assert len(hashed) == 3 + again


def test_a_file_with_a_time_in_the_future_is_hashed_each_time(root, store, settled, hashed):
    far = time.time_ns() + 10**15
    os.utime(root / "cat" / "1.jpg", ns=(far, far))
    assert fingerprint(root, store) == fingerprint(root, store)
    assert hashed.count("1.jpg") == 2


def test_an_interrupted_command_stores_what_it_has_hashed(root, store, settled, hashed, monkeypatch):
    original = module.hashlib.file_digest
    monkeypatch.setattr(module.hashlib, "file_digest", lambda *given: original(*given) if len(hashed) < 2 else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fingerprint(root, store)
    monkeypatch.setattr(module.hashlib, "file_digest", original)
    fingerprint(root, store)
    assert sorted(hashed) == ["1.jpg", "1.png", "2.JPG"]


@pytest.mark.parametrize("times", [1, 10])
def test_a_file_that_changes_while_it_is_read_is_read_again_or_refused(root, store, settled, monkeypatch, times):
    original, left = module.hashlib.file_digest, [None] * times

    def digest(file, algorithm):
        if file.name.endswith("2.JPG") and left:
            left.pop()
            with open(file.name, "ab") as other:
                other.write(b"more")
        return original(file, algorithm)

    monkeypatch.setattr(module.hashlib, "file_digest", digest)
    if times == 1:
        assert fingerprint(root, store) == fingerprint(root)
    else:
        with pytest.raises(DatasetError, match=r"2\.JPG changes while it is read"):
            fingerprint(root, store)


def flip(content, position):
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


DAMAGES = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[:-20],
    "cut in the first line": lambda content: content[:100],
    "another fingerprint": lambda content: flip(content, content.index(b"fingerprint") + 20),
    "another hash": lambda content: flip(content, len(content) - 5),
    "no text": lambda content: b"\xff\0" * 3000,
    "valid JSON of another kind": lambda content: b"[]\n[]",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_never_gives_a_wrong_hash(root, store, settled, damage, capsys):
    fingerprint(root, store)
    (path,) = store.iterdir()
    whole = path.read_bytes()
    path.write_bytes(DAMAGES[damage](whole))
    edit(root / "cat" / "1.jpg")
    assert fingerprint(root, store) == fingerprint(root)
    assert f"{path} is damaged and is made again." in capsys.readouterr().err
    assert hash_store.read_hashes(path).keys() == {"cat/1.jpg", "cat/2.JPG", "dog/deep/1.png"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_full_or_read_only_disk_is_named_once_and_hinders_nothing(root, store, monkeypatch, number, capsys):
    def refuse(*given, **others):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(hash_store, "write_whole", refuse)
    assert fingerprint(root, store) == fingerprint(root, store) == fingerprint(root)
    assert capsys.readouterr().err.count(f"cannot be stored in {store} ({os.strerror(number)})") == 1


def test_a_store_that_cannot_be_made_hinders_nothing(root, tmp_path, capsys):
    (tmp_path / "file").write_bytes(b"")
    assert fingerprint(root, tmp_path / "file" / "cache") == fingerprint(root)
    assert "cannot be stored" in capsys.readouterr().err


def _hash_often(root, store, results):
    module.RECENT_NS = -(10**12)
    results.put({fingerprint(root, store) for _ in range(50) for _ in [shutil.rmtree(store, ignore_errors=True)]})


def test_two_processes_at_once_find_the_same(root, store):
    context = get_context("fork")
    results = context.Queue()
    processes = [context.Process(target=_hash_often, args=(root, store, results)) for _ in range(2)]
    for process in processes:
        process.start()
    found = results.get(timeout=60) | results.get(timeout=60)
    for process in processes:
        process.join()
    assert found == {fingerprint(root)}


def test_a_folder_is_checked_once_within_a_sweep_and_again_after_it(root, monkeypatch):
    listings = []
    original = module.list_files
    monkeypatch.setattr(module, "list_files", lambda *given: listings.append(1) or original(*given))
    with checking_once():
        before = [fingerprint(root) for _ in range(100)]
        with checking_once():
            fingerprint(root)
        edit(root / "cat" / "1.jpg")
        assert fingerprint(root) == before[0]
    assert len(listings) == 1
    assert fingerprint(root) != before[0]


@pytest.mark.parametrize("value", ["nowhere", "", "a\0b", 3, ["a.csv"], "pipe"])
def test_what_is_no_file_or_folder_is_refused_with_its_key(tmp_path, store, value):
    os.mkfifo(tmp_path / "pipe")
    value = str(tmp_path / value) if value in ("nowhere", "pipe") else value
    with pytest.raises(ConfigError, match=r"^dataset\.labels: expected a folder or a file, (but|got) "):
        fingerprint_keys({"root": str(tmp_path), "labels": value}, store)
    assert not store.exists()


def test_a_file_is_refused_where_a_folder_is_expected(root):
    with pytest.raises(ConfigError, match=r"^dataset\.root: expected a folder, but .*/1\.jpg is a file"):
        fingerprint(root / "cat" / "1.jpg", None, SUFFIXES)


def test_only_the_first_of_several_keys_must_be_a_folder_where_suffixes_count(root, store):
    table = str(root / "labels.csv")
    Path(table).write_text("file,label")
    paths = (None, table, str(root / "cat"))
    found = [fingerprint_keys({"root": str(root), "labels": path}, store, SUFFIXES) for path in paths]
    assert len(set(found)) == 3
    assert found[0] == fingerprint(root, None, SUFFIXES)
    with pytest.raises(ConfigError, match=r"^dataset\.root: expected a folder, but .*csv is a file. Unpack it"):
        fingerprint_keys({"root": table, "labels": None}, store, SUFFIXES)


@pytest.mark.parametrize(
    ("missing", "answer"),
    [
        ("imagse/x", "Did you mean .*/images?"),
        ("zzz", "tmp_path holds images, labels"),
        ("images/x", "tmp_path/images holds nothing"),
    ],
)
def test_a_missing_folder_is_answered_with_what_is_there(tmp_path, missing, answer):
    for name in ("images", "labels", ".hidden"):
        (tmp_path / name).mkdir()
    answer = answer.replace("tmp_path", str(tmp_path))
    with pytest.raises(ConfigError, match=rf"No such file or directory\). {answer}"):
        fingerprint(tmp_path / missing)


def test_an_unreadable_file_is_named(root, monkeypatch):
    original = os.open
    denied = PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def refuse(path, *given, **others):
        if str(path).endswith("2.JPG"):
            raise denied
        return original(path, *given, **others)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DatasetError, match=r"2\.JPG cannot be read \(Permission denied\)"):
        fingerprint(root)
