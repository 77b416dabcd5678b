import pytest
import torch

from dlexp.run.record.environment import describe_difference, describe_environment

HERE = describe_environment(torch.device("cpu"), 2, "code")
OLDER = {"torch": HERE["torch"], "threads": 2, "processor": "x86_64", "code": "code"}  # what versions before noted
NOT_NOTED = "processor and libraries not noted then"


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        (HERE, ""),
        (HERE | {"instructions": "AVX2"}, f"instructions AVX2 then, {HERE['instructions']} now"),
        (HERE | {"MKL_CBWR": "COMPATIBLE"}, "MKL_CBWR COMPATIBLE then, not there now"),
        ({name: value for name, value in HERE.items() if name != "pillow"}, f"pillow not there then, {HERE['pillow']} now"),
        (HERE | {"threads": 1, "code": "other"}, "threads 1 then, 2 now, other code"),
        (HERE | {"numpy": "\x1b[2J"}, f"numpy ?[2J then, {HERE['numpy']} now"),
        (OLDER, NOT_NOTED),
        (OLDER | {"processor": "NVIDIA H100", "threads": 4}, f"threads 4 then, 2 now, {NOT_NOTED}"),
    ],
)
def test_a_difference_is_named_and_a_state_that_did_not_note_the_processor_is_not_called_exact(saved, expected):
    assert describe_difference(saved, HERE) == expected
