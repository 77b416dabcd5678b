"""The search of a study: what is tried, and which files and commands are refused."""

from pathlib import Path

import pytest

from dlexp.errors import ConfigError
from dlexp.study.definition import read_study
from dlexp.study.request import compose_runs, narrow, number_runs, read_command
from dlexp.study.search import FIRST_SEED, read_search

ROOT = Path(__file__).parents[2]
STUDY = """
question: Which optimizer learns faster?
background: Made for a test.
base: {{dataset: moons, model: mlp, epochs: 1{base}}}
axes: {{optimizer: [sgd, adam]}}
cells: [{{optimizer: adam, norm: bn}}]
when: {{norm=bn: {{batch_size: 32}}}}
seeds: [0, 1, 2, 3, 4]
tune: {tune}
predictions:
  - {{claim: Adam, plus: {{optimizer: adam, norm: bn}}, minus: {{optimizer: sgd}}, expected: greater{prediction}}}
{more}
"""
RATES = "optimizer.lr: [0.001, 0.01, 0.1]"


def write(folder, tune, *, more="", base="", prediction="", name="tiny"):
    path = folder / f"{name}.yaml"
    path.write_text(STUDY.format(tune=tune, more=more, base=base, prediction=prediction))
    return path


def test_every_cell_gets_the_same_trials_with_seeds_of_their_own(tmp_path):
    path = write(tmp_path, f"{{{RATES}, grad_clip: [null, 1.0], seeds: [8, 9]}}")
    study, request = read_command([f"study={path}", "optimizer=sgd,adam"])
    search = read_search(study)
    assert (len(search.trials), search.seeds, search.metric) == (6, [8, 9], "val/acc")
    assert search.trials[1] == {"optimizer.lr": 0.001, "grad_clip": 1.0}  # as in a product
    assert number_runs(study, request) == (36, 15)
    runs = compose_runs(study, request)
    keys = ("optimizer", "norm", "optimizer.lr", "grad_clip", "seed")
    tried = [{item.key: item.value_text for item in run.overrides if item.key in keys} for run in runs]
    assert {run["seed"] for run in tried[:18]} == {"8"}  # an interrupted search has whole seeds
    for cell in ({"optimizer": "sgd"}, {"optimizer": "adam"}, {"optimizer": "adam", "norm": "bn"}):
        own = [run for run in tried if {key: run[key] for key in ("optimizer", "norm") if key in run} == cell]
        assert len(own) == 12
        assert [(run["optimizer.lr"], run["grad_clip"]) for run in own[:6]] == [
            (str(trial["optimizer.lr"]), "null" if trial["grad_clip"] is None else "1.0") for trial in search.trials
        ]


def test_a_function_lists_the_values(tmp_path):
    study = read_study(str(write(tmp_path, '{optimizer.lr: "log(1e-3,0.1,3)", grad_clip: "lin(1,2,2)", trials: 4}')))
    assert study.tune == {"optimizer.lr": [0.001, 0.01, 0.1], "grad_clip": [1, 2], "trials": 4}
    assert len(read_search(study).trials) == 4


def test_combinations_that_are_left_out_are_not_searched(tmp_path):
    path = write(tmp_path, f"{{{RATES}}}", more="zip: [optimizer, depth]\nexclude: [{optimizer: sgd}]")
    path.write_text(
        path.read_text()
        .replace("adam]}", "adam, momentum], depth: [1, 2, 3]}")
        .replace("minus: {optimizer: sgd}", "minus: {depth: 2}")
    )
    study, request = read_command([f"study={path}", "exclude=[{depth:3}]"])
    assert [dict(cell) for cell in request.cells] == [{"optimizer": "adam", "depth": 2}, {"optimizer": "adam", "norm": "bn"}]
    assert number_runs(study, request) == (6, 10)
    assert len(compose_runs(study, request)) == 6


def test_more_trials_are_those_of_before_and_others(tmp_path):
    values = f"weight_decay: {[i / 1000 for i in range(40)]}"
    found = []
    for number in (4, 8, 40):
        path = write(tmp_path, f"{{optimizer.{values}, trials: {number}}}", name=f"t{number}")
        found.append([trial["optimizer.weight_decay"] for trial in read_search(read_study(str(path))).trials])
    assert [len(trials) for trials in found] == [4, 8, 40]
    assert set(found[0]) < set(found[1]) < set(found[2])
    assert all(trials == sorted(trials) for trials in found)
    assert found[0] == [0.003, 0.015, 0.025, 0.035]  # the same on every machine: an id of a run follows from it


def test_the_seed_of_a_search_is_one_that_no_run_of_the_comparison_has(tmp_path):
    assert read_search(read_study(str(write(tmp_path, f"{{{RATES}}}")))).seeds == [FIRST_SEED]
    path = write(tmp_path, f"{{{RATES}, seeds: [5, 6]}}", name="added")
    study, request = read_command([f"study={path}", "seeds=auto", "max_seeds=7"])
    assert request.schedule.units == [0, 1, 2, 3, 4, 7, 8]
    with pytest.raises(ConfigError) as refused:
        read_command([f"study={path}", "seed=0,6"])
    assert refused.value.problems == ["seed=0,6: the search has seed 6, and the comparison needs others."]
    study = read_study(str(path))
    assert narrow(study, ["seed=7"]).seeds == [7]


REFUSED = {  # tune, other keys of the file → the message
    "no map": ("[0.1]", {}, "tune: must be a map, key: value, got [0.1]."),
    "nothing": ("{}", {}, "tune: has no settings: write each with a list of values, such as optimizer.lr: [0.01, 0.1]."),
    "zip of a tuned setting": (
        f"{{{RATES}}}",
        {"more": "zip: [optimizer, optimizer.lr]"},
        "zip: optimizer.lr is no axis: tiny tunes it, and all cells get the same trials. Leave it out here.",
    ),
    "exclude of a tuned setting": (
        f"{{{RATES}}}",
        {"more": "exclude: [{optimizer: sgd, optimizer.lr: 0.1}]"},
        "exclude: optimizer.lr is no axis: tiny tunes it, and all cells get the same trials. Leave it out here.",
    ),
    "zip as a setting": (
        f"{{{RATES}, zip: [optimizer.lr, grad_clip]}}",
        {},
        "tune: zip: write it beside `axes`: it is about all cells.",
    ),
    "a function that lists nothing": (
        '{optimizer.lr: "log(0,1,5)"}',
        {},
        "tune: optimizer.lr=log(0,1,5): log takes bounds above 0, because its values have equal ratios, got 0 and 1.",
    ),
    "a function as trials": (
        f"{{{RATES}, trials: 'range(2,4)'}}",
        {},
        "tune: trials: must be a whole number, at least 2, got 'range(2,4)'.",
    ),
    "no list": (
        "{optimizer.lr: 0.1}",
        {},
        "tune: 'optimizer.lr': must be a list of values, got 0.1. Write [0.1].",
    ),
    "one value": (
        "{optimizer.lr: [0.1]}",
        {},
        "tune: has a single combination, so that there is nothing to choose: write it into `base`.",
    ),
    "a value twice": ("{optimizer.lr: [1, 0.1, 1.0]}", {}, "tune: optimizer.lr: 1.0 comes twice."),
    "too many trials": (
        f"{{{RATES}, trials: 4}}",
        {},
        "tune: trials: there are only 3 combinations, got 4: leave it out to try all of them.",
    ),
    "one trial": (f"{{{RATES}, trials: 1}}", {}, "tune: trials: must be a whole number, at least 2, got 1."),
    "an enormous search": (
        f"{{a: {list(range(101))}, b: {list(range(100))}}}",
        {},
        "tune: has 10100 combinations, and at most 10000 are possible: shorten the lists.",
    ),
    "seeds": (
        f"{{{RATES}, seeds: 5}}",
        {},
        "tune: seeds: must be a list of one whole number or more, such as [0, 1, 2, 3, 4], got 5.",
    ),
    "a seed twice": (f"{{{RATES}, seeds: [7, 7]}}", {}, "tune: seeds: 7 comes twice."),
    "a seed of the comparison": (
        f"{{{RATES}, seeds: [7, 3]}}",
        {},
        "tune: seeds: 3 is a seed of the comparison too; the search needs others, such as 1000000.",
    ),
    "an axis": (
        "{optimizer: [sgd, adam]}",
        {},
        "tune: optimizer: is set in the axes or cells, too: leave it out in one of the two.",
    ),
    "base": ("{epochs: [1, 2]}", {}, "tune: epochs: is set in `base`, too: leave it out in one of the two."),
    "when": ("{batch_size: [16, 32]}", {}, "tune: batch_size: is set in `when`, norm=bn, too: leave it out in one of the two."),
    "seed": ("{seed: [5, 6]}", {}, "tune: seed: write `seeds`, a list, which are those of every cell."),
    "the examples": (
        "{dataset.noise: [0.1, 0.2]}",
        {},
        "tune: dataset.noise: decides which examples a trial is measured on, so that trials cannot be compared.",
    ),
    "the share that is held out": (
        "{val_fraction: [0.1, 0.2]}",
        {},
        "tune: val_fraction: decides which examples a trial is measured on, so that trials cannot be compared.",
    ),
    "a metric of the test split": (
        f"{{{RATES}, metric: test/acc}}",
        {},
        "tune: metric: must be one of the validation split, such as val/acc, got test/acc.",
    ),
    "no such metric": (
        f"{{{RATES}, metric: val/acs}}",
        {},
        "tune: metric: no run has a metric val/acs. Did you mean val/acc? Among them are test/acc, test/loss and test/rmse.",
    ),
    "a time": (
        f"{{{RATES}}}",
        {"more": "metric: train/seconds"},
        "tune: train/seconds is not measured on the validation split: name what the search chooses by, such as "
        "metric: val/acc.",
    ),
    "a comparison on the validation split": (
        f"{{{RATES}}}",
        {"more": "metric: val/acc"},
        "tune: val/acc is measured on the examples that the search chooses by: compare the cells by test/... instead.",
    ),
    "a prediction on the validation split": (
        f"{{{RATES}}}",
        {"prediction": ", metric: best/val/loss"},
        "tune: best/val/loss is measured on the examples that the search chooses by: compare the cells by test/... instead.",
    ),
    "losses of several kinds": (
        "{loss: [cross_entropy, mse]}",
        {"more": "metric: test/loss"},
        "tune: loss: changes what val/loss is, so that trials cannot be compared: give tune another metric.",
    ),
}


@pytest.mark.parametrize(("tune", "keys", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_search_is_refused_with_what_would_work(tune, keys, message, tmp_path):
    with pytest.raises(ConfigError) as refused:
        read_study(str(write(tmp_path, tune, **keys)))
    assert refused.value.problems == [f"study=tiny: {message}"]


COMMANDS = {  # tune, settings of all runs, what is typed → the message
    "a tuned key": (
        RATES,
        "",
        "optimizer.lr=0.1",
        "optimizer.lr=0.1: tiny tunes optimizer.lr: its values are in `tune` in the file of the study.",
    ),
    "zip of a tuned key": (
        RATES,
        "",
        "zip=[optimizer,optimizer.lr]",
        "zip: optimizer.lr is no axis: tiny tunes it, and all cells get the same trials. Leave it out here.",
    ),
    "exclude of a tuned key": (
        RATES,
        "",
        "exclude=[{optimizer.lr:0.1}]",
        "exclude: optimizer.lr is no axis: tiny tunes it, and all cells get the same trials. Leave it out here.",
    ),
    "no such key": ("optimizer.lrr: [1, 2]", "", "", "optimizer.lrr=1: no such key. Did you mean optimizer.lr=1?"),
    "a wrong value": ("optimizer.lr: [0.1, x]", "", "", "optimizer.lr: must be a number above 0, got 'x'"),
    "a wrong value in one cell": ("optimizer.momentum: [0.5, 0.9]", "", "", "optimizer.momentum=0.5: "),
    "the test set": (
        RATES,
        "",
        "evaluate_on=test",
        "study=tiny: tune: evaluate_on=test: the search must not see the test set; it needs evaluate_on=val.",
    ),
    "nothing held out": (
        RATES,
        ", val_fraction: 0",
        "",
        "study=tiny: tune: val_fraction=0: the search chooses on the validation split; it needs a share above 0, such as 0.1.",
    ),
    "a seed that is none": (RATES, "", "seed=4294967296", "seed: must be an integer from 0 to 4294967295, got 4294967296"),
}


@pytest.mark.parametrize(("tune", "base", "typed", "message"), COMMANDS.values(), ids=COMMANDS.keys())
def test_a_command_is_refused_before_anything_runs(tune, base, typed, message, tmp_path):
    path = write(tmp_path, f"{{{tune}}}", base=base)
    with pytest.raises(ConfigError) as refused:
        compose_runs(*read_command([f"study={path}", *typed.split()]))
    assert message in "\n".join(refused.value.problems)


def test_another_metric_may_choose(tmp_path):
    study = read_study(str(write(tmp_path, f"{{{RATES}, metric: best/val/acc}}", more="metric: train/seconds")))
    assert read_search(study).metric == "best/val/acc"


def test_the_example_of_the_documentation_is_a_study(tmp_path):
    section = (ROOT / "docs/studies.md").read_text().split("\n## Tuning\n")[1]
    example = section.split("```yaml\n")[1].split("```")[0]
    (tmp_path / "example.yaml").write_text(
        f"question: Which is better?\nbackground: An example.\n{example}base: {{model: mlp}}\n"
    )
    study, request = read_command([f"study={tmp_path / 'example.yaml'}"])
    assert len(compose_runs(study, request)) == 2 * 8 * 2
    assert read_search(study).seeds == [100, 101]
