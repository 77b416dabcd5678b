import pytest

from dlexp.config.flags import read_flags


@pytest.mark.parametrize(
    ("typed", "overrides"),
    [
        ("--lr 0.1 depth=2", ["depth=2", "--lr=0.1"]),
        ("--lr=0.1 --epochs 5 -m", ["--lr=0.1", "--epochs=5"]),
        ("--lr 0.1 --epochs 5", ["--lr=0.1", "--epochs=5"]),
        ("-lr 0.1", ["-lr=0.1"]),
        ("--amp seed=1", ["seed=1", "--amp"]),
        ("--resolv --cfg job", ["--resolv"]),  # not read as --resolve
    ],
)
def test_what_is_no_flag_is_answered_as_a_setting(typed: str, overrides: list[str]) -> None:
    assert read_flags(typed.split()).overrides == overrides
