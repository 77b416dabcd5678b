import pytest

from dlexp.doctor.findings import format_bytes


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
def test_bytes_have_a_readable_unit(count, text):
    assert format_bytes(count) == text
