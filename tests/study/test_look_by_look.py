import json
from multiprocessing import forkserver

import pytest

import dlexp
from dlexp.analysis import analyse
from dlexp.analysis.judge import bounds
from dlexp.commands.train import main as train
from dlexp.commands.verify import main as verify
from dlexp.run.record.look_log import read_log
from dlexp.study.look_by_look import run_by_looks
from dlexp.study.request import compose_runs, read_command
from dlexp.study.run import run_study
from dlexp.study.sweep import check_cells
from tests.processes import FORKS  # noqa: F401  # sets what the process loads from which workers are forked

STUDY = """
question: Does it learn faster?
background: Made for a test.
base: {{dataset: moons, dataset.num_examples: 60, model: mlp, model.widths: [4], epochs: 1}}
axes:
  {axis}: {values}
learned: {{of_own_best: 0, of_best_cell: 0}}
{more}
predictions:
  - claim: Made up
    plus: {{{axis}: {values[0]}}}
    minus: {{{axis}: {values[1]}}}
    expected: {expected}
    metric: test/loss
"""
# A loss differs by less than 10, which a few seeds show; a limit that no gradient reaches makes no difference, which none do.
CLEAR = {"axis": "optimizer.lr", "values": [0.01, 0.0001], "expected": "equal\n    margin: 10"}
NEVER = {"axis": "grad_clip", "values": [1000.0, 2000.0], "expected": "greater"}


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    """No figures, and levels from fewer simulated studies."""
    monkeypatch.setattr("dlexp.analysis.report.write.draw", lambda result: [])
    monkeypatch.setattr(bounds, "DRAWS", 20_000)
    bounds._simulate_extremes.cache_clear()
    yield
    bounds._simulate_extremes.cache_clear()


def write(folder, name, content, more=""):
    path = folder / f"{name}.yaml"
    path.write_text(STUDY.format(**content, more=more))
    return path


def start(path, *typed):
    """Run a study as a command does; the content of its protocol.json, and the folder of its report."""
    study, request = read_command([f"study={path}", f"output_dir={path.parent / 'outputs'}", *typed])
    runs = compose_runs(study, request)
    if request.schedule:
        ended, _ = run_by_looks(study, request, request.schedule.looks, runs, "dlexp train ...")
    else:
        ended = run_study(study, request, check_cells(runs, study.name), "dlexp train ...")
    assert ended.code == 0
    folder = ended.report.parent
    return json.loads((folder / "protocol.json").read_text()), folder


def list_seeds(protocol):
    return sorted({run["seed"] for run in protocol["runs"]})


def list_looks(folder):
    return [(len(entry["units"]), entry["planned"], *entry["decisions"].values()) for entry in read_log(folder)]


def test_seeds_are_added_until_all_is_decided_by_the_command_and_by_the_api(tmp_path, monkeypatch, capsys):
    path, folder = write(tmp_path, "clear", CLEAR), tmp_path / "outputs" / "clear"
    monkeypatch.chdir(tmp_path)
    assert train([f"study={path}", "seeds=auto", "max_seeds=6"]) == 0
    assert "Look at 5 seeds: 1 of 1 predictions are decided.\nReport: outputs/clear/report.html\n" in capsys.readouterr().out
    protocol = json.loads((folder / "protocol.json").read_text())
    assert list_seeds(protocol) == list(range(5))
    assert protocol["plan"] == {"unit": "seed", "units": list(range(6)), "looks": [5, 6], "bounds": "obrien_fleming"}
    assert list_looks(folder) == [(5, True, "holds")]
    assert len(list(folder.glob("*/summary.json"))) == 10
    swept = dlexp.sweep(f"study={path}", "seeds=auto", "max_seeds=6", progress=False)
    assert (len(swept), swept.report.name) == (10, "report.html")
    assert list_looks(folder) == [(5, True, "holds")]
    assert verify([str(tmp_path)]) == 0
    assert train([f"study={path}", "seeds=3"]) == 2
    assert "seeds takes auto" in capsys.readouterr().err


def test_seeds_are_added_up_to_the_last_look_where_nothing_is_decided(tmp_path, capsys):
    path = write(tmp_path, "never", NEVER)
    protocol, folder = start(path, "seeds=auto", "max_seeds=6")
    shown = capsys.readouterr().out
    assert "Look at 5 seeds: 0 of 1 predictions are decided. The next look is at 6 seeds.\n" in shown
    assert "Look at 6 seeds: 0 of 1 predictions are decided.\n" in shown
    assert list_looks(folder) == [(5, True, "undecided"), (6, True, "undecided")]
    assert [run["seed"] for run in protocol["runs"] if run.get("unplanned")] == [5, 5]
    again, _ = start(path, "seeds=auto", "max_seeds=6")  # nothing is left to do, and it is no further look
    assert "Look at 5 seeds" not in capsys.readouterr().out
    assert (again, list_looks(folder)) == (protocol, [(5, True, "undecided"), (6, True, "undecided")])
    without, _ = start(path)  # keeps the plan
    assert (without["plan"], len(without["runs"])) == (protocol["plan"], 12)


def test_a_study_with_looks_keeps_to_them_and_lists_the_seeds_it_has_reached(tmp_path):
    path = write(tmp_path, "planned", CLEAR, "looks: [5, 7]\nbounds: pocock")
    protocol, folder = start(path, "seeds=auto")
    assert "plan" not in protocol
    assert (list_seeds(protocol), protocol["study"]["seeds"]) == (list(range(5)), list(range(7)))
    result = analyse(folder)
    assert (result.verdicts[0].verdict, result.verdicts[0].missing) == ("holds", 0)
    protocol, _ = start(path)
    assert list_seeds(protocol) == list(range(7))
    assert list_looks(folder) == [(5, True, "holds")]  # later seeds do not judge it again


@pytest.mark.slow(seconds=20)
def test_seeds_added_after_a_report_are_no_plan(tmp_path):
    path = write(tmp_path, "late", NEVER)
    _, folder = start(path)
    assert list_looks(folder) == [(5, True, "undecided")]
    start(path, "seeds=auto", "max_seeds=6")
    assert list_looks(folder) == [(5, True, "undecided"), (6, False, "undecided")]
    page = (folder / "report.md").read_text()
    assert "the plan was made or changed after a look at the results" in page
    start(path, "seed=6")
    assert list_looks(folder)[2] == (7, False, "undecided")


@pytest.mark.slow(seconds=20)
def test_draws_of_the_data_are_added_with_all_their_seeds(tmp_path, capsys):
    path = write(tmp_path, "drawn", NEVER, "seeds: [3, 4]\ndata_seeds: [0, 1, 2, 3, 4]")
    protocol, folder = start(path, "seeds=auto", "max_seeds=6")
    shown = capsys.readouterr().out
    assert "Look at 5 draws of the data: 0 of 1 predictions are decided. The next look is at 6 draws of the data.\n" in shown
    assert [(run["data_seed"], run["seed"]) for run in protocol["runs"] if run.get("unplanned")] == [
        (5, 3),
        (5, 3),
        (5, 4),
        (5, 4),
    ]
    assert list_looks(folder) == [(5, True, "undecided"), (6, True, "undecided")]
    assert read_log(folder)[1]["unit"] == "data_seed"
    assert "Judged at the last look, at 6 draws of the data (of 5, 6)" in (folder / "report.md").read_text()


@pytest.mark.slow(seconds=20)
def test_what_is_forced_is_run_once(tmp_path, capsys):
    path = write(tmp_path, "never", NEVER)
    start(path, "seeds=auto", "max_seeds=6")
    capsys.readouterr()
    start(path, "seeds=auto", "max_seeds=6", "force=true")
    assert capsys.readouterr().out.count(": done  ") == 12


def test_several_runs_at_a_time_change_no_look_and_no_number(tmp_path):
    forkserver.ensure_running()  # the one of tests.processes
    looks, numbers = [], []
    for jobs in ("1", "2"):
        (tmp_path / jobs).mkdir()
        path = write(tmp_path / jobs, "never", NEVER)
        protocol, folder = start(path, "seeds=auto", "max_seeds=6", "hardware=cpu", f"jobs={jobs}")
        looks.append((list_looks(folder), protocol["changes"], [run["id"] for run in protocol["runs"]]))
        numbers.append(dlexp.load_runs(folder).set_index("id")["test/loss"].sort_index().to_dict())
    assert looks[0] == looks[1]
    assert looks[0][0] == [(5, True, "undecided"), (6, True, "undecided")]
    assert numbers[0] == numbers[1]
    assert len(numbers[0]) == 12
