import pytest

from dlexp.config.flags import check_completion, read_flags
from dlexp.errors import ConfigError


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


@pytest.mark.parametrize("typed", ["", "bash", "query=tcsh", "query=bash depth=2"])
def test_completion_takes_an_action_and_a_shell_alone(typed: str) -> None:
    with pytest.raises(ConfigError, match="--shell-completion: takes one of install=bash"):
        check_completion(typed.split())
