import pytest

from dlexp.doctor.findings import in_bytes


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1000 * 1024, "1000 KiB"),
        (5.9 * 2**30, "5.9 GiB"),
        (3000 * 2**40, "3000 TiB"),
    ],
)
def test_bytes_for_a_person(count, text):
    assert in_bytes(count) == text
