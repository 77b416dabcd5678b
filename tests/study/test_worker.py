import pickle

import pytest
from rich.table import Table

from dlexp.errors import ConfigError, DatasetError
from dlexp.study import worker
from dlexp.study.worker import Relay


def test_a_display_sends_what_it_is_to_show(monkeypatch):
    sent, now = [], [100.0]
    monkeypatch.setattr(worker.time, "monotonic", lambda: now[0])
    relay = Relay("norm=bn", sent.append)
    relay.begin("norm=bn", 10, 2)
    for step in (1, 2, 3):
        assert relay.due() == (step != 2)
        relay.refresh(step)
        now[0] += 0.6 if step == 2 else 0
    relay.epoch({"epoch": 1, "step": 5})
    relay.epoch({"epoch": 2, "step": 10})  # too soon after the first
    relay.say("Goes on from step-5.")
    relay.say("norm=bn: done")
    table = Table("operation")
    table.add_row("[bold]conv")
    relay.table(table)
    kinds = ["begin", "refresh", "refresh", "epoch", "say", "say", "table"]
    assert [kind for kind, _ in sent] == kinds
    assert sent[1:3] == [("refresh", (1,)), ("refresh", (3,))]
    assert sent[4:6] == [("say", ("norm=bn: Goes on from step-5.",)), ("say", ("norm=bn: done",))]
    assert pickle.loads(pickle.dumps(sent[6]))[1][0].row_count == 1


def test_what_a_library_prints_is_sent_line_by_line():
    sent = []
    lines = worker._Lines(sent.append, "notice")
    print("one", "two", file=lines)
    lines.write("three\nfo")
    lines.write("ur\n")
    assert sent == [("notice", (text,)) for text in ("one two", "three", "four")]


class Peculiar(Exception):
    """Cannot be made again from its arguments."""

    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConfigError("one", "two"), ConfigError),
        (DatasetError("no data"), DatasetError),
        (Peculiar("this", "that"), RuntimeError),
    ],
)
def test_an_error_reaches_the_command_with_its_traceback(error, expected):
    try:
        raise error
    except Exception as caught:
        arrived = pickle.loads(pickle.dumps(worker._make_portable(caught)))
    assert type(arrived) is expected
    assert str(error) in str(arrived)
    assert "in test_an_error_reaches_the_command_with_its_traceback" in "".join(
        [*getattr(arrived, "__notes__", ()), str(arrived)]
    )
    assert getattr(arrived, "problems", ["one", "two"]) == ["one", "two"]
