import io

import pytest
from rich.console import Console

from dlexp.run.bars import Live

ROW = {"epoch": 1, "step": 5, "train/loss": 0.5, "val/loss": 0.25, "val/acc": 0.75, "examples_per_s": 1200.0}
LONG = f"norm=bn {'x' * 300}"


@pytest.fixture(params=[80, 120])
def width(request, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(request.param))
    return request.param


def screen(display, width):
    """The lines that the bars show now."""
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(display.progress.get_renderable())
    return console.file.getvalue().splitlines()


def test_the_bars_of_a_sweep_keep_percentage_time_and_one_number(width):
    display = Live(4)
    display.begin(LONG, 10, 2)
    display.epoch(ROW)
    sweep, run = screen(display, width)
    assert run.startswith(f"epoch 1/2 {'━' * 8} ")
    assert " 50% --:-- val/acc 75.00 % loss 0.5  val/loss 0.25 " in run
    assert " 12% " in sweep
    assert "run 1 of 4" in sweep
    assert sweep.rstrip().endswith("…")
    assert max(map(len, (sweep, run))) <= width
    display.end()
    assert display.progress.tasks[0].completed == 1
    display.skip()  # another process has done it
    assert display.progress.tasks[0].completed == 2
    assert len(screen(display, width)) == 1


def test_a_single_run_has_one_bar(width, capsys):
    display = Live(1)
    display.begin("norm=bn", 10, 2)
    (starting,) = screen(display, width)
    assert starting.startswith("starting")
    display.epoch(ROW | {"val/acc": None})
    (run,) = screen(display, width)
    assert " val/loss 0.25 " in run
    assert capsys.readouterr().out == "norm=bn\n"


def test_each_job_has_a_bar_and_the_sweep_one_that_moves_with_all(width):
    display = Live(3)
    first, second = display.split(2)
    first.begin(LONG, 10, 2)
    second.begin("norm=ln", 10, 2)
    first.epoch(ROW)
    second.refresh(4)
    sweep = display.progress.tasks[0]
    assert sweep.completed == 0.9
    shown = screen(display, width)
    assert len(shown) == 3
    assert shown[0].startswith("sweep")
    assert " 30% " in shown[0]
    assert "0 of 3 ended" in shown[0]
    assert shown[1].startswith("epoch 1/2")
    assert "━" * 8 in shown[1]
    assert " 50% " in shown[1]
    assert "val/acc 75.00 % norm=bn x" in shown[1]
    assert shown[1].rstrip().endswith("…")
    assert shown[2].startswith("starting")
    assert "norm=ln" in shown[2]
    assert max(map(len, shown)) <= width
    first.end()
    assert sweep.completed == 1.4
    assert len(screen(display, width)) == 2
    first.begin("norm=gn", 10, 2)
    second.begin("norm=ln", 10, 2)  # in another worker, after the first was killed
    second.refresh(6)
    second.end()
    first.refresh(10)
    first.end()
    assert sweep.completed == 3


def test_the_bars_of_jobs_stay_for_the_next_pass(width):
    display = Live(4)
    jobs = display.split(2)
    for job in jobs:
        job.begin("norm=bn", 10, 2)
        job.end()
    display.begin("norm=gn", 10, 2)  # by the command itself
    display.refresh(5)
    assert display.progress.tasks[0].completed == 2.5
    display.end()
    assert display.split(2) == jobs
    assert len(display.split(3)) == 3
    assert display.progress.tasks[0].completed == 3
