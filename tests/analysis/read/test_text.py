import gzip

import pytest

from dlexp.analysis.read import text
from dlexp.analysis.read.text import find_table, find_tables, read_table_text


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "é\n", "\ufeffa\n"])
def test_a_gzipped_table_has_the_text_of_the_plain_one(tmp_path, content):
    plain, packed = tmp_path / "runs.csv", tmp_path / "runs.csv.gz"
    plain.write_text(content, encoding="utf-8")
    packed.write_bytes(gzip.compress(content.encode()))
    assert read_table_text(packed) == read_table_text(plain) == content.removeprefix("\ufeff")


@pytest.mark.parametrize("packed", [False, True])
def test_a_table_that_is_too_large_when_unpacked_is_refused(tmp_path, monkeypatch, packed):
    monkeypatch.setattr(text, "MAX_TABLE_BYTES", 1000)
    path = tmp_path / ("runs.csv.gz" if packed else "runs.csv")
    path.write_bytes(gzip.compress(b"0" * 1001) if packed else b"0" * 1001)
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        read_table_text(path)
    path.write_bytes(gzip.compress(b"0" * 1000) if packed else b"0" * 1000)
    assert len(read_table_text(path)) == 1000


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-9], lambda data: b"x" + data, lambda data: data[:12] + b"\xff" * 9, lambda _: b"x"]
)
def test_damaged_gzip_data_is_refused(tmp_path, damage):
    path = tmp_path / "runs.csv.gz"
    path.write_bytes(damage(gzip.compress(b"a,b\n" * 100)))
    with pytest.raises(ValueError, match="not whole gzip data"):
        read_table_text(path)


def test_of_two_tables_the_plain_one_is_found(tmp_path):
    for name in ("a/runs.csv", "a/runs.csv.gz", "b/runs.csv.gz", "c/runs.csv.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert find_tables(tmp_path, "runs.csv") == [tmp_path / "a/runs.csv", tmp_path / "b/runs.csv.gz"]
    assert find_table(tmp_path / "c/runs.csv") is None
