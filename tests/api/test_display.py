import sys
from types import SimpleNamespace

import pytest

from dlexp.api import display
from dlexp.api.display import NotebookBar, choose_display, in_notebook
from dlexp.run.display import Display, Plain, results_table
from dlexp.run.side_by_side import Messages, Titled


@pytest.fixture
def notebook(monkeypatch):
    """The texts that the output of a notebook's cell shows, one after the other."""
    shown = []
    module = SimpleNamespace(
        display=lambda html, display_id: shown.append(html) or SimpleNamespace(update=shown.append), HTML=lambda text: text
    )
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object())))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return shown


def run(shown_by, *, steps=20):
    with shown_by:
        shown_by.begin("norm=<b>bn</b>", num_steps=steps, num_epochs=2)
        for step in range(1, steps + 1):
            shown_by.due()
            shown_by.refresh(step)
        shown_by.epoch({"epoch": 1, "step": 20, "train/loss": 0.5, "val/acc": 0.75})
        shown_by.say("a line")
        shown_by.table(results_table([{"a": 1}], ["a"]))
        shown_by.end()


def test_a_notebook_shows_a_bar_that_is_removed_at_the_end(notebook, monkeypatch):
    clock = iter(range(10_000))
    monkeypatch.setattr(display, "monotonic", lambda: next(clock))
    run(choose_display(None, num_runs=3))
    assert notebook[0] == notebook[-1] == ""
    assert "run 1 of 3: norm=&lt;b&gt;bn&lt;/b&gt;" in notebook[1]
    assert '<progress value="7" max="20"' in "".join(notebook)
    assert "epoch 1/2  train/loss 0.5  val/acc 75.00 %" in notebook[-2]


def test_the_bar_is_drawn_twice_a_second_at_most(notebook, monkeypatch):
    monkeypatch.setattr(display, "monotonic", lambda: 1.0)
    run(NotebookBar(), steps=1000)
    assert len(notebook) == 3


def test_elsewhere_nothing_is_shown(capsys):
    run(choose_display(None))
    run(choose_display(False))
    assert capsys.readouterr() == ("", "")
    assert not in_notebook()


def test_what_the_command_shows_is_shown_when_asked_for(notebook, capsys):
    run(choose_display(True))
    assert "epoch 1/2" in capsys.readouterr().out
    assert notebook == []


@pytest.mark.parametrize("shown_by", [Messages(), NotebookBar(), Plain(), Titled()])
def test_each_is_a_display(shown_by):
    assert isinstance(shown_by, Display)
