import io

from rich.console import Console
from rich.table import Table

from dlexp.run.display import Live
from dlexp.run.side_by_side import Messages

ROW = {"epoch": 1, "step": 5, "train/loss": 0.5, "val/acc": 0.75, "examples_per_s": 1200.0}


def screen(display):
    """What the bars show now."""
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(display.progress.get_renderable())
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_each_job_has_a_bar_and_the_sweep_one_that_moves_with_all(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    display = Live(3)
    first, second = display.split(2)
    first.begin("norm=bn", 10, 2)
    second.begin("norm=ln", 10, 2)
    first.epoch(ROW)
    second.refresh(4)
    sweep = display.progress.tasks[0]
    assert sweep.completed == 0.9
    shown = screen(display)
    assert len(shown) == 3
    assert shown[0].startswith("sweep")
    assert "0 of 3 runs ended" in shown[0]
    assert "epoch 1/2" in shown[1]
    assert "norm=bn loss 0.5 val/acc 75.00 % 1,200/s" in shown[1]
    assert "starting" in shown[2]
    assert "norm=ln" in shown[2]
    first.end()
    assert sweep.completed == 1.4
    assert len(screen(display)) == 2
    first.begin("norm=gn", 10, 2)
    second.begin("norm=ln", 10, 2)  # in another worker, after the first was killed
    second.refresh(6)
    second.end()
    first.refresh(10)
    first.end()
    assert sweep.completed == 3


def test_without_a_terminal_only_messages_are_shown():
    lines, tables = [], []
    with Messages(lines.append, tables.append) as shown:
        job, same = shown.split(2)
        job.begin("norm=bn", 10, 2)
        assert not job.due()
        job.refresh(4)
        job.epoch(ROW)
        job.end()
        same.say("norm=bn: done")
        same.table(table := Table("operation"))
    assert (lines, tables) == (["norm=bn: done"], [table])


def test_a_narrow_terminal_shows_the_bars_and_what_fits_beside_them(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    display = Live(3)
    (job,) = display.split(1)
    job.begin(f"norm=bn {'x' * 300}", 10, 2)
    job.epoch(ROW)
    console = Console(file=io.StringIO(), width=80, force_terminal=False)
    console.print(display.progress.get_renderable())
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 2
    assert "━" * 8 in lines[1]
    assert "norm=bn xxx" in lines[1]
