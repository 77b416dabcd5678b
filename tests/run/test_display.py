import sys

import pytest

from dlexp.commands.train import main as train
from dlexp.config.check import compose_sweep
from dlexp.errors import ConfigError
from dlexp.run.bars import Live
from dlexp.run.display import FULL, LINES, NONE, Plain, make_display, make_sweep_display
from dlexp.run.side_by_side import Messages
from dlexp.study.sweep import check_cells, sweep
from tests.runs import MOONS, only_last

EPOCH, ENDED = "epoch 1/1  train/loss", "seed=0: done  test/loss"


@pytest.mark.parametrize(
    ("show", "on_terminal", "of_a_run", "of_a_sweep"),
    [
        (None, True, Live, Live),
        (FULL, True, Live, Live),
        (LINES, True, Plain, Messages),
        (NONE, True, Messages, Messages),
        (None, False, Plain, Messages),
        (FULL, False, Plain, Plain),
        (LINES, False, Plain, Messages),
        (NONE, False, Messages, Messages),
    ],
)
def test_the_setting_and_standard_output_choose_the_display(show, on_terminal, of_a_run, of_a_sweep, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: on_terminal)
    assert (type(make_display(show)), type(make_sweep_display(3, show))) == (of_a_run, of_a_sweep)


@pytest.mark.parametrize("show", [None, FULL, LINES, NONE])
def test_in_a_pipe_a_sweep_has_a_line_for_each_run_or_what_is_asked_for(show, tmp_path, capsys):
    given = [f"display={show}"] if show else []
    command = only_last((*MOONS, "hardware=cpu", "epochs=1", "seed=0,1", f"output_dir={tmp_path}", *given))
    sweep(check_cells(compose_sweep(command)), "python train.py -m ...")
    out = capsys.readouterr().out
    num_lines = {FULL: 2 * (1 + 2 + 1) + 4, NONE: 0}.get(show, 2 + 4)  # a title and two rows a run, its result; table, counts
    assert len(out.splitlines()) == num_lines
    assert (EPOCH in out, "2 runs: 2 done" in out) == (show == FULL, show != NONE)
    folder = next(tmp_path.glob("adhoc/*-*"))
    assert not any("display" in (folder / name).read_text() for name in ("config.yaml", ".hydra/config.yaml", "summary.json"))


def test_nothing_is_shown_of_a_run_and_of_a_study(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert train([*MOONS, "hardware=cpu", "display=none"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_sweep_has_one_display():
    with pytest.raises(ConfigError, match="display=full,none: says how the whole sweep is run: give one value"):
        check_cells(compose_sweep([*MOONS, "display=full,none"]))
    with pytest.raises(ConfigError, match="display: must be one of full, lines, none"):
        check_cells(compose_sweep([*MOONS, "display=bars"]))
