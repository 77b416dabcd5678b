import json
import re

import pytest

from dlexp.commands.check import main

FAST = "max_steps=4"  # takes the place of epochs


def test_a_pipe_gets_words_and_a_last_line(capsys):
    assert main(["activation=relu", FAST]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "activation=relu  conf/activation/relu.yaml, torch.nn.ReLU"
    assert {line.split()[0] for line in lines[1:-2]} == {"ok"}
    assert lines[-1] == "Every check of activation=relu holds."


def test_what_cannot_be_tried_here_is_counted(capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["precision=tf32"]) == 0
    assert "Every check of precision=tf32 holds, except 4 that could not be tried here." in capsys.readouterr().out


def test_a_check_that_fails_is_explained_in_a_sentence_and_gives_code_1(capsys):
    assert main(["activation=relu", FAST, "optimizer.lr=1e30"]) == 1
    lines = capsys.readouterr().out.splitlines()
    place = next(place for place, line in enumerate(lines) if line.startswith("  FAILED    trains"))
    assert lines[place + 1].strip().startswith("conf/activation/relu.yaml: a tiny run with torch.nn.ReLU diverges: the loss ")
    assert lines[-1] == "1 of 1 options fail: activation=relu."


def test_json_is_one_document_with_an_entry_for_each_option(capsys):
    assert main(["norm=none", "activation=tanh", FAST, "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["option"], second["option"], second["holds"]) == ("norm=none", "activation=tanh", True)
    assert {finding["check"] for finding in second["findings"]} >= {"shapes", "resume", "settings"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["activation=rleu"], "activation=rleu: no such option. .* Did you mean relu"),
        (["activaton=relu"], "activaton=relu: no such key. Did you mean activation"),
        (["activation=relu", "depht=2"], "depht=2: no such key. Did you mean depth"),
        ([], "Nothing to check: name an option"),
        (["--foo"], "--foo: no such flag"),
    ],
)
def test_a_wrong_command_is_refused_with_the_nearest_choice(arguments, message, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.search(message, captured.err)
