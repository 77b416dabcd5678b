from rich.table import Table

from dlexp.run.side_by_side import Messages, Titled

ROW = {"epoch": 1, "step": 5, "train/loss": 0.5, "val/acc": 0.75, "examples_per_s": 1200.0}


def show(display, table):
    """What a job shows of a run."""
    with display as shown:
        job, same = shown.split(2)
        job.begin("norm=bn", 10, 2)
        assert not job.due()
        job.refresh(4)
        job.epoch(ROW)
        job.end()
        same.say("norm=bn: done")
        same.table(table)


def test_of_messages_no_progress_is_shown():
    lines, tables = [], []
    show(Messages(lines.append, tables.append), table := Table("operation"))
    assert (lines, tables) == (["norm=bn: done"], [table])


def test_the_lines_of_a_job_have_the_title_of_its_run():
    lines, tables = [], []
    show(Titled(lines.append, tables.append), table := Table("operation"))
    assert lines == ["norm=bn: epoch 1/2  train/loss 0.5  val/acc 75.00 %  1,200 examples/s", "norm=bn: done"]
    assert tables == [table]


def test_by_default_nothing_is_shown(capsys):
    show(Messages(), Table("operation"))
    assert capsys.readouterr() == ("", "")
