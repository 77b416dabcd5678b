"""A study that tunes: its search, what it chooses, and the comparison with these settings."""

import json
import shutil
from multiprocessing import forkserver

import pytest

import dlexp
from dlexp.analysis import analyse
from dlexp.analysis.report.archive import archive_report
from dlexp.analysis.report.replace import LessKnownError
from dlexp.analysis.report.tables import build_setup
from dlexp.analysis.report.text import Text
from dlexp.analysis.report.write import build_report
from dlexp.commands.plan import main as plan
from dlexp.commands.register import main as register
from dlexp.commands.train import main as train
from dlexp.commands.verify import main as verify
from dlexp.errors import ConfigError
from dlexp.run.record.registrations import read_registrations
from dlexp.study import row as study_row
from dlexp.study import run as study_run
from dlexp.study.request import compose_runs, read_command
from dlexp.study.sweep import check_cells
from tests.processes import FORKS  # noqa: F401  # workers are forked from the process that has loaded everything
from tests.runs import edit_json, edit_summary

STUDY = """
question: Which optimizer learns faster?
background: Made for a test.
base: {dataset: moons, dataset.num_examples: 60, val_fraction: 0.3, model: mlp, model.widths: [4], epochs: 1}
axes: {optimizer: [sgd, adam]}
tune: {optimizer.lr: [0.001, 0.01, 0.1], seeds: [7]}
seeds: [0, 1]
learned: {of_own_best: 0, of_best_cell: 0}
metric: test/loss
predictions:
  - {claim: Adam has a lower loss, plus: {optimizer: adam}, minus: {optimizer: sgd}, expected: less}
"""


@pytest.fixture(autouse=True, scope="module")
def _without_reports():
    """No command makes a report, which takes longer than the runs; a report that a test makes has no figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dlexp.analysis.report.write.build_report", lambda folder: folder / "report.html")
        patch.setattr("dlexp.analysis.report.write.draw", lambda result: [])
        patch.setattr("dlexp.analysis.report.archive.draw", lambda result: [])
        yield


def start(folder, *typed):
    """Run the study in this folder as a command does; its protocol, and the folder of its report."""
    path = folder / "tuned.yaml"
    study, request = read_command([f"study={path}", f"output_dir={folder / 'outputs'}", *typed])
    ended = study_run.run_study(study, request, check_cells(compose_runs(study, request), study.name), "dlexp train ...")
    return json.loads((ended.report.parent / "protocol.json").read_text()), ended.report.parent


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of the study, all of whose runs are finished, and what it printed."""
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "tuned.yaml").write_text(STUDY)
    start(folder)
    return folder


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


def read_protocol(folder):
    return json.loads((folder / "outputs/tuned/protocol.json").read_text())


def find_run(folder, identity):
    (found,) = folder.glob(f"outputs/tuned/*-{identity}")
    return found


def set_losses(folder, optimizer, losses, name="val/loss"):
    """Give the runs of a cell's search these losses, or end them with this status."""
    for run in read_protocol(folder)["search"]["runs"]:
        if run["cell"] == {"optimizer": optimizer}:
            value = losses[run["trial"]]
            changed = {"status": value} if isinstance(value, str) else {}
            edit_summary(
                find_run(folder, run["id"]),
                lambda summary, value=value, changed=changed: summary.update(
                    changed, metrics=summary["metrics"] | ({} if changed else {name: value})
                ),
            )


def list_rates(protocol, folder):
    """Cell → the learning rates of its runs of the comparison."""
    rates = {}
    for run in protocol["runs"]:
        config = dlexp.load_run(find_run(folder, run["id"])).config
        rates.setdefault(run["cell"]["optimizer"], set()).add((config["optimizer"]["lr"], config["seed"]))
    return rates


def test_each_cell_is_searched_alike_and_compared_with_what_its_search_chose(finished):
    protocol, tuning = read_protocol(finished), analyse(finished / "outputs/tuned").tuning
    search = protocol["search"]
    tried = {
        name: [(r["trial"], r["seed"]) for r in search["runs"] if r["cell"] == {"optimizer": name}] for name in ("sgd", "adam")
    }
    assert tried["sgd"] == tried["adam"] == [(0, 7), (1, 7), (2, 7)]
    assert {run["seed"] for run in protocol["runs"]} == {0, 1}
    best = {
        each.cell["optimizer"]: min(each.trials, key=lambda trial: trial.score).settings["optimizer.lr"]
        for each in tuning.searches
    }
    assert list_rates(protocol, finished) == {name: {(rate, 0), (rate, 1)} for name, rate in best.items()}
    assert [(choice["cell"]["optimizer"], choice["trial"]) for choice in search["choices"]] == [
        (name, [0.001, 0.01, 0.1].index(rate)) for name, rate in best.items()
    ]
    assert (len(analyse(finished / "outputs/tuned").runs), len(tuning.runs), tuning.changed) == (4, 6, [])
    assert analyse(finished / "outputs/tuned").other.empty
    assert verify([str(finished)]) == 0


@pytest.mark.slow(seconds=20)
def test_a_search_of_several_runs_at_a_time_chooses_the_same(finished, tmp_path):
    forkserver.ensure_running()  # the one of tests.processes
    (tmp_path / "tuned.yaml").write_text(STUDY)
    start(tmp_path, "jobs=2")
    together, alone = (read_protocol(folder) for folder in (tmp_path, finished))
    assert together["search"]["choices"] == alone["search"]["choices"]
    assert together["runs"] == alone["runs"]
    summaries = [json.loads(path.read_text()) for path in tmp_path.glob("outputs/tuned/*-*/summary.json")]
    assert [summary["jobs"] for summary in summaries] == [2] * len(alone["runs"] + alone["search"]["runs"])


def test_the_same_command_again_runs_nothing(copy, capsys):
    protocol, _ = start(copy)
    assert "6 runs: 0 done, 6 skipped" in (shown := capsys.readouterr().out)
    assert "4 runs: 0 done, 4 skipped" in shown
    assert protocol["runs"] == read_protocol(copy)["runs"]


def test_what_the_test_set_says_of_a_trial_changes_nothing(copy):
    before = read_protocol(copy)
    for name in ("sgd", "adam"):
        set_losses(copy, name, [0.0, 9.0, 5.0], "test/loss")
        set_losses(copy, name, [0.0, 9.0, 5.0], "test/acc")
    assert start(copy)[0]["runs"] == before["runs"]


def test_other_results_of_the_search_make_another_choice(copy):
    before = read_protocol(copy)
    set_losses(copy, "sgd", [9.0, 0.1, 9.0])
    result = analyse(copy / "outputs/tuned")  # the runs are still those of before, and the report says so
    assert [search.cell for search in result.tuning.changed] == [{"optimizer": "sgd"}]
    protocol, folder = start(copy)
    assert list_rates(protocol, copy)["sgd"] == {(0.01, 0), (0.01, 1)}
    assert [run for run in protocol["runs"] if run["cell"]["optimizer"] == "adam"] == [
        run for run in before["runs"] if run["cell"]["optimizer"] == "adam"
    ]
    result = analyse(folder)
    assert (len(result.other), result.tuning.changed) == (2, [])  # the runs with the settings of before are in no mean
    set_losses(copy, "sgd", [0.1, 0.1, 9.0])
    assert list_rates(start(copy)[0], copy)["sgd"] == {(0.001, 0), (0.001, 1)}  # of equal trials the first


def test_a_cell_without_a_usable_trial_is_not_compared(copy, capsys):
    set_losses(copy, "adam", ["diverged"] * 3)
    protocol, folder = start(copy)
    shown = capsys.readouterr().out
    assert (
        "{optimizer: adam}: no trial of its search has learned: no settings are chosen, and its runs are not started." in shown
    )
    assert [run.get("untuned") for run in protocol["runs"]] == [None, None, "unusable", "unusable"]
    result = analyse(folder)
    assert (result.verdicts[0].verdict, result.verdicts[0].reason) == (
        "undecided",
        "n = 0, needs at least 6 seeds: no usable run of optimizer=adam. The search found no trial that learns for "
        "optimizer=adam, so there is nothing to compare.",
    )
    assert result.runs["reason"].tolist()[2:] == ["no trial of the search of its cell learned"] * 2
    assert start(copy, "optimizer=sgd")[0]["runs"] == protocol["runs"]
    set_losses(copy, "adam", ["diverged", "done", "diverged"])
    assert list_rates(start(copy)[0], copy)["adam"] == {(0.01, 0), (0.01, 1)}


def test_a_kill_between_the_phases_and_one_within_the_search(tmp_path, monkeypatch, capsys):
    (tmp_path / "tuned.yaml").write_text(STUDY)
    sweep, calls = study_run.run_sweep, []

    def kill_second(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return sweep(*arguments)

    monkeypatch.setattr(study_run, "run_sweep", kill_second)
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path)
    protocol = read_protocol(tmp_path)
    assert [run.get("untuned") for run in protocol["runs"]] == [None] * 4
    assert len(list(tmp_path.glob("outputs/tuned/*/summary.json"))) == 6
    result = analyse(tmp_path / "outputs/tuned")
    assert (result.runs["status"].tolist(), len(result.tuning.runs)) == (["missing"] * 4, 6)
    # As if the search had been interrupted, too.
    (find_run(tmp_path, protocol["search"]["runs"][0]["id"]) / "summary.json").unlink()
    monkeypatch.setattr(study_run, "run_sweep", lambda *arguments: study_run.Swept(0, is_last=True))
    start(tmp_path)
    assert (
        "{optimizer: sgd}: 1 runs of its search have not ended: no settings are chosen, and its runs are"
        in capsys.readouterr().out
    )
    assert [run.get("untuned") for run in read_protocol(tmp_path)["runs"]] == ["unfinished"] * 2 + [None] * 2
    assert "The search has not ended for optimizer=sgd." in analyse(tmp_path / "outputs/tuned").verdicts[0].reason
    monkeypatch.setattr(study_run, "run_sweep", sweep)
    start(tmp_path)
    assert len(list(tmp_path.glob("outputs/tuned/*/summary.json"))) == 10


def test_parts_of_the_study_are_searched_and_run_as_they_are_asked_for(tmp_path, capsys, monkeypatch):
    (tmp_path / "tuned.yaml").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    command = ["study=tuned.yaml", "optimizer=sgd", "seed=0"]
    assert plan(command) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[1].split() == ["optimizer=sgd", "0", "4", "0", "0", "–"]
    assert "4 runs: 4 to do. 3 are of the search, 1 of the comparison.\nHow long the 4 due will take is not known" in shown
    assert plan(["--runs", *command]) == 0
    assert "optimizer=sgd seed=0, with settings that the search chooses  to do" in capsys.readouterr().out
    assert register(["study=tuned.yaml"]) == 0
    assert "1 predictions over 2 cells and 2 seeds, each tuned in 3 trials, registered on " in capsys.readouterr().out
    assert train(command) == 0
    protocol = read_protocol(tmp_path)
    assert [run.get("untuned") for run in protocol["runs"]] == [None, None, "unfinished", "unfinished"]
    assert len(list(tmp_path.glob("outputs/tuned/*/summary.json"))) == 4
    assert plan(command) == 0
    shown = capsys.readouterr().out
    assert shown.endswith("4 runs: 4 done. 3 are of the search, 1 of the comparison.\n")
    assert train([*command[:2], "seed=2"]) == 0  # more seeds: no further search
    assert "3 runs: 0 done, 3 skipped" in capsys.readouterr().out
    assert [run["seed"] for run in read_protocol(tmp_path)["runs"] if run.get("unplanned")] == [2]
    assert read_registrations(tmp_path / "outputs/tuned")[0]["study"]["tune"] == {
        "optimizer.lr": [0.001, 0.01, 0.1],
        "seeds": [7],
    }
    assert analyse(tmp_path / "outputs/tuned").registration.state == "before"
    (tmp_path / "tuned.yaml").write_text(STUDY.replace("0.1]", "0.1, 1.0]"))
    assert plan(command) == 0
    assert "Changed since it was registered" in capsys.readouterr().out


def test_a_plan_counts_what_the_search_has_not_chosen_yet(copy, capsys):
    command = [f"study={copy / 'tuned.yaml'}", f"output_dir={copy / 'outputs'}"]
    first = read_protocol(copy)["search"]["runs"][0]
    shutil.rmtree(find_run(copy, first["id"]))
    assert plan(command) == 0
    shown = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:5] for line in shown.splitlines()[1:3]}
    assert rows == {"optimizer=sgd": ["2", "3", "0", "0"], "optimizer=adam": ["5", "0", "0", "0"]}
    assert "10 runs of 2 cells: 7 done, 3 to do. 6 are of the search, 4 of the comparison.\nThe 3 due will take about " in shown
    assert shown.endswith(" one after the other, going by finished runs of the same cells.\n")


def test_a_plan_says_which_cells_will_not_be_compared(copy, capsys):
    set_losses(copy, "adam", ["diverged"] * 3)
    first = next(run for run in read_protocol(copy)["search"]["runs"] if run["cell"] == {"optimizer": "adam"})
    edit_summary(find_run(copy, first["id"]), lambda summary: summary.update(status="failed", reason="no memory"))
    command = [f"study={copy / 'tuned.yaml'}", f"output_dir={copy / 'outputs'}"]
    assert plan(command) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "10 runs of 2 cells: 5 done, 1 failed, 2 diverged, 2 untuned. 6 are of the search, 4 of the comparison." in shown
    assert (
        "{optimizer: adam}: no trial of its search has learned: no settings are chosen, and its runs are not started." in shown
    )
    assert "due" not in shown
    assert plan([*command, "retry=failed"]) == 0  # then one may be chosen
    shown = capsys.readouterr().out
    assert "2 to do" in shown
    assert "The 3 due will take about " in shown
    assert "not started" not in shown


ZIPPED = {
    "[sgd, adam]}": "[sgd, adam], grad_clip: [1.0, 2.0], depth: [1, 2]}\nzip: [optimizer, grad_clip]\n"
    "exclude: [{grad_clip: 2.0, depth: 2}]",
    "model.widths: [4], ": "",
    "minus: {optimizer: sgd}": "minus: {optimizer: sgd}, where: {depth: 1}",
    "[0.001, 0.01, 0.1]": '"log(1e-3,1e-1,2)"',
}


def test_axes_that_go_together_are_tuned_and_compared(tmp_path):
    text = STUDY
    for old, new in ZIPPED.items():
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "tuned.yaml").write_text(text)
    protocol, folder = start(tmp_path)
    cells = [
        {"optimizer": "sgd", "grad_clip": 1.0, "depth": 1},
        {"optimizer": "sgd", "grad_clip": 1.0, "depth": 2},
        {"optimizer": "adam", "grad_clip": 2.0, "depth": 1},
    ]
    assert [run["cell"] for run in protocol["runs"][::2]] == cells
    assert [run["cell"] for run in protocol["search"]["runs"]] == cells * 2
    result = analyse(folder)
    assert [search.cell for search in result.tuning.searches] == cells
    assert (len(result.runs), len(result.tuning.runs), result.runs["status"].eq("done").all()) == (6, 6, True)
    setup = {row[0]: row[1] for row in build_setup(result, Text("en")).rows}
    assert setup["zip"] == "optimizer, grad_clip"
    assert setup["exclude"] == "grad_clip=2, depth=2"
    assert "0.001, 0.1" in setup["optimizer.lr"]
    assert plan([f"study={tmp_path / 'tuned.yaml'}", f"output_dir={tmp_path / 'outputs'}"]) == 0
    assert register([f"study={tmp_path / 'tuned.yaml'}", f"output_dir={tmp_path / 'outputs'}"]) == 0
    (registered,) = read_registrations(tmp_path / "outputs/tuned")
    assert registered["study"]["zip"] == [["optimizer", "grad_clip"]]
    assert registered["study"]["tune"]["optimizer.lr"] == [0.001, 0.1]
    assert analyse(folder).registration.state == "after"


def test_an_archive_keeps_the_search(copy, tmp_path):
    folder = copy / "outputs/tuned"
    build_report(folder)
    archive_report(folder, tmp_path / "archive")
    archived, original = analyse(tmp_path / "archive"), analyse(folder)
    assert archived.tuning.searches == original.tuning.searches
    assert not [name for name in archived.tuning.runs if name.startswith(("test/", "best/test/"))]
    report = (tmp_path / "archive/report.md").read_text()
    assert "## Tuning" in report
    assert build_report(tmp_path / "archive").exists()
    for run in read_protocol(copy)["search"]["runs"]:
        shutil.rmtree(find_run(copy, run["id"]))
    with pytest.raises(LessKnownError, match="6 runs of the search that it shows as finished were not found"):
        build_report(folder)
    (tmp_path / "archive/trials.csv").write_text("id,status\n0,done\n")
    assert verify([str(tmp_path / "archive")]) == 1


@pytest.mark.parametrize(
    "edit",
    [
        lambda search: search["runs"][0].update(trial=3),
        lambda search: search["choices"][0].update(trial=3),
        lambda search: search.update(trials=[]),
        lambda search: search["trials"][0].update(depth=1),
        lambda search: search["trials"].append({}),
        lambda search: search.update(metric=None),
    ],
)
def test_a_protocol_whose_search_contradicts_itself_is_damaged(edit, copy, capsys):
    edit_json(copy / "outputs/tuned/protocol.json", lambda content: edit(content["search"]))
    with pytest.raises(ValueError, match="protocol.json: search"):
        analyse(copy / "outputs/tuned")
    assert verify([str(copy)]) == 1
    assert "protocol.json" in capsys.readouterr().out


def test_trials_that_are_one_run_are_refused(tmp_path):
    text = STUDY.replace("optimizer.lr: [0.001, 0.01, 0.1]", "checkpoint_every: [1, 2]")
    (tmp_path / "tuned.yaml").write_text(text)
    with pytest.raises(ConfigError, match="the trials {optimizer: sgd, checkpoint_every: 1} and .* are the same run"):
        start(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/tuned.yaml").write_text(STUDY.replace("seeds: [7]}", "seeds: [7], metric: val/rmse}"))
    with pytest.raises(ConfigError) as refused:
        start(tmp_path / "other")
    assert refused.value.problems == [
        "study=tuned: tune: no run of this study has val/rmse to choose by. Did you mean val/loss?"
    ]


@pytest.mark.slow(seconds=10)
def test_each_draw_of_the_data_has_its_own_search(tmp_path):
    """A draw's test set may hold examples on which another draw's search was judged."""
    (tmp_path / "tuned.yaml").write_text(STUDY.replace("seeds: [0, 1]", "seeds: [0]\ndata_seeds: [1, 2]"))
    protocol, folder = start(tmp_path, "optimizer=sgd")
    tried = [(run["data_seed"], run["trial"]) for run in protocol["search"]["runs"] if run["cell"]["optimizer"] == "sgd"]
    assert sorted(tried) == [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]
    result = analyse(folder)
    chosen = {search.data_seed: search.chosen for search in result.tuning.searches if search.cell["optimizer"] == "sgd"}
    configs = [dlexp.load_run(find_run(tmp_path, run["id"])).config for run in protocol["runs"] if "untuned" not in run]
    assert {config["data_seed"]: [0.001, 0.01, 0.1].index(config["optimizer"]["lr"]) for config in configs} == chosen


@pytest.fixture
def sweeps(monkeypatch):
    """The sweeps of a command: how many runs each had, and on which seeds."""
    calls, sweep = [], study_run.run_sweep

    def note(checked, *arguments):
        calls.append((len(checked.runs), sorted({run.config["seed"] for run in checked.runs})))
        return sweep(checked, *arguments)

    monkeypatch.setattr(study_run, "run_sweep", note)
    return calls


@pytest.mark.slow(seconds=20)
def test_seeds_that_a_look_adds_are_run_without_a_further_search(tmp_path, monkeypatch, sweeps):
    text = STUDY.replace("optimizer: [sgd, adam]", "grad_clip: [1000.0, 2000.0]").replace("seeds: [0, 1]\n", "")
    text = text.replace("{optimizer: adam}", "{grad_clip: 1000.0}").replace("{optimizer: sgd}", "{grad_clip: 2000.0}")
    (tmp_path / "looks.yaml").write_text(text.replace("seeds: [7]", "seeds: [5]"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dlexp.analysis.judge.bounds.DRAWS", 2000)
    command = ["study=looks.yaml", "seeds=auto", "max_seeds=6"]
    swept = dlexp.sweep(*command, progress=False)
    assert sweeps == [(6, [5]), (10, [0, 1, 2, 3, 4]), (2, [6])]  # seed 5 is that of the search
    assert (len(swept), set(swept.table["seed"])) == (12, {0, 1, 2, 3, 4, 6})
    assert len(dlexp.sweep(*command, progress=False, force=True)) == 12
    assert sweeps[3:] == sweeps[:3]
    dlexp.sweep(*command, progress=False)
    assert sweeps[6:] == [(6, [5]), (12, [0, 1, 2, 3, 4, 6])]  # all is finished: one look


@pytest.mark.slow(seconds=10)
def test_force_goes_on_with_the_comparison_in_which_it_was_interrupted(copy, monkeypatch, sweeps):
    execute, executed = study_row.execute, []

    def interrupt(run, *arguments):
        if len(executed) == 8:
            raise KeyboardInterrupt
        executed.append(run.identity)
        return execute(run, *arguments)

    monkeypatch.setattr(study_row, "execute", interrupt)
    with pytest.raises(KeyboardInterrupt):
        start(copy, "force=true")
    monkeypatch.setattr(study_row, "execute", lambda run, *arguments: executed.append(run.identity) or execute(run, *arguments))
    start(copy, "force=true")
    assert [count for count, _ in sweeps] == [6, 4, 4]
    assert len(executed) == len(set(executed)) == 10
    start(copy, "force=true")  # and then all again
    assert [count for count, _ in sweeps[3:]] == [6, 4]
