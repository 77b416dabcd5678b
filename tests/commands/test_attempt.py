"""What goes wrong becomes a sentence and an exit code."""

import numpy as np
import pytest
import torch

from dlexp.commands.attempt import attempt


def _encode():
    "한".encode("latin-1")


@pytest.mark.parametrize(
    ("work", "code", "sentence"),
    [
        (lambda: np.empty(2**50), 8, "Memory does not suffice: Unable to allocate 8.00 PiB"),
        (lambda: torch.empty(2**56), 8, "Memory does not suffice"),
        (_encode, 2, "한 cannot be written in latin-1, the encoding of this terminal: set PYTHONUTF8=1."),
    ],
)
def test_a_sentence_and_an_exit_code(capsys, work, code, sentence):
    assert attempt(work) == code
    assert sentence in capsys.readouterr().err
