"""What `dlexp ablate` reads from a command, and what it leaves."""

import json

import pytest

import dlexp
from dlexp.commands.ablate import main as ablate
from dlexp.commands.plan import main as plan
from dlexp.commands.report import main as report
from dlexp.errors import ConfigError
from dlexp.study.ablation import read_ablation
from dlexp.study.definition import read_study

TINY = ("dataset=digits", "hardware=cpu", "max_steps=2", "base={width: 4, depth: 1}")


def read(*overrides):
    return read_ablation(list(overrides))


def test_what_is_typed_is_a_switch_unless_it_is_about_data_length_or_machine():
    study, request = read(*TINY, "dropout=0.2", "augment=standard", "batch_size=32", "jobs=2")
    assert study.base == {"dataset": "digits", "hardware": "cpu", "max_steps": 2, "batch_size": 32, "width": 4, "depth": 1}
    assert study.recipe == {"dropout": 0.2, "augment": "standard"}
    assert request.changes == {"jobs": "2"}
    assert (study.seeds, study.data_seeds) == ([0, 1, 2, 3, 4], [])
    other, _ = read("recipe={epochs: 20, dropout: 0.2}", "width=16", "zip=[dropout,width]")
    assert other.recipe == {"width": 16, "epochs": 20, "dropout": 0.2}
    assert [switch["name"] for switch in other.switches] == ["width + dropout", "epochs"]


def test_the_base_says_what_a_switch_is_in_the_plain_run():
    base = "base={optimizer: nesterov, optimizer.momentum: 0.8, dropout: 0.1, width: 16}"
    study, _ = read(base, "optimizer=muon", "optimizer.lr=0.05", "dropout=0.3")
    assert [switch["plain"] for switch in study.switches] == [{"optimizer": "nesterov"}, {"dropout": 0.1}]
    assert study.base == {"width": 16}
    with pytest.raises(ConfigError, match="the plain run: optimizer=nestrov: no such option"):
        read(base.replace("nesterov", "nestrov"), "optimizer=muon", "dropout=0.3")


WORDS = {
    "a number of seeds": (["seeds=3"], {"seeds": [0, 1, 2]}),
    "listed seeds": (["seeds=3,5"], {"seeds": [3, 5]}),
    "a list of seeds": (["seeds=[3,5]"], {"seeds": [3, 5]}),
    "draws of the data": (["data_seeds=2", "seeds=1"], {"data_seeds": [0, 1], "seeds": [0]}),
    "one draw": (["data_seed=7"], {"base": {"data_seed": 7}}),
    "what is compared": (
        ["metric=test/loss", "effect=0.01", "pairing=independent", "learned={of_best_cell: 0}"],
        {"metric": "test/loss", "effect": 0.01, "pairing": "independent", "learned": {"of_best_cell": 0}},
    ),
    "a name": (["name=mine"], {"name": "mine"}),
}


@pytest.mark.parametrize(("typed", "expected"), WORDS.values(), ids=WORDS.keys())
def test_words_of_a_study(typed, expected):
    study, _ = read("dropout=0.2", "augment=standard", *typed)
    assert {key: getattr(study, key) for key in expected} == expected


def test_a_name_that_is_not_typed_follows_from_the_recipe_and_what_runs_share():
    names = [read("dropout=0.2", "augment=standard", *more)[0].name for more in ([], ["seeds=9"], ["epochs=2"], ["width=16"])]
    assert names[0].startswith("ablate-dropout-augment-")
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_seeds_and_arms_may_be_chosen():
    _, request = read("dropout=0.2", "augment=standard", "seed=1,2", "arm=plain,only dropout")
    assert (request.seeds, [cell["arm"] for cell in request.cells]) == ([1, 2], ["only dropout", "plain"])


REFUSED = {
    "no recipe": ("epochs=2 batch_size=8", "There is no recipe: type its settings, such as dlexp ablate dropout=0.2"),
    "a key": ("droput=0.2 width=16", "droput=0.2: no such key. Did you mean dropout=0.2?"),
    "a key in base": ("dropout=0.2 width=16 base={epchs:3}", "epchs=3: no such key. Did you mean epochs=3?"),
    "several values": ("dropout=0.1,0.2 width=16", "dropout=0.1,0.2: several values: a recipe has one of each setting."),
    "several draws": ("dropout=0.1 width=16 data_seed=1,2", r"data_seeds=\[1,2\] draws the data several times"),
    "a key twice": ("dropout=0.1 dropout=0.2 width=16", "dropout=0.1: dropout is set twice"),
    "a shared key in two places": ("dropout=0.1 width=16 epochs=2 base={epochs:3}", "epochs=2: epochs is set in base, too"),
    "a switch in two places": ("dropout=0.1 recipe={dropout:0.2,width:16}", "dropout=0.1: dropout is set in recipe, too"),
    "a map": ("dropout=0.1 width=16 base=[epochs]", r"base=\[epochs\]: must be a map of settings, such as"),
    "looks": ("dropout=0.1 width=16 seeds=auto", "seeds=auto: an ablation estimates .* give one, such as seeds=10"),
    "no seeds": ("dropout=0.1 width=16 seeds=0", "seeds=0: must be from 1 to 1000, or a list"),
    "seeds that are no numbers": ("dropout=0.1 width=16 seeds=[a]", "seeds: must be whole numbers, at least 0, got a"),
    "two metrics": ("dropout=0.1 width=16 metric=test/acc,test/loss", "metric=test/acc,test/loss: takes one value"),
    "a metric": ("dropout=0.1 width=16 metric=test/ac", "metric: no run has a metric test/ac. Did you mean test/acc?"),
    "a name of a study": ("dropout=0.1 width=16 name=loss", "name=loss: is a study, and both would write to the same folder"),
    "a name that is no folder": ("dropout=0.1 width=16 name=a/b", "name=a/b: names a folder, and must be of letters"),
    "a study without a recipe": ("study=loss", "study=loss: has no recipe to ablate: dlexp train study=loss runs it"),
    "seeds of a study": ("study=ablate_default seeds=auto", "seeds=auto: ablate_default estimates what each part"),
    "the default": ("dropout=0 width=16", "recipe: dropout=0: is what the plain run has, too, so that it is no switch"),
}


@pytest.mark.parametrize(("typed", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_command_that_makes_no_sense_is_refused(typed, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        read(*typed.split())
    assert ablate(typed.split()) == 2
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of an ablation of two switches with one seed, made by the command."""
    root = tmp_path_factory.mktemp("outputs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dlexp.analysis.report.write.draw", lambda result: [])
        assert ablate(command(root)) == 0
    return root / "mine"


def command(root):
    return [*TINY, "optimizer=sgd", "dropout=0.2", "seeds=1", "name=mine", f"output_dir={root}"]


def test_it_leaves_the_folder_of_a_study(folder):
    protocol = json.loads((folder / "protocol.json").read_text())
    assert protocol["study"]["recipe"] == {"optimizer": "sgd", "dropout": 0.2}
    assert [switch["name"] for switch in protocol["study"]["switches"]] == ["optimizer", "dropout"]
    assert [run["cell"]["arm"] for run in protocol["runs"]] == ["recipe", "only dropout", "only optimizer", "plain"]
    assert protocol["command"].startswith("dlexp ablate dataset=digits ")
    assert len(list(folder.glob("*/summary.json"))) == 4
    first = (folder / "ablation.csv").read_text().splitlines()[0]
    assert first.startswith("switch,recipe,plain,above_estimate,")


def test_the_second_start_finds_the_runs_and_the_report_is_made_again(folder, capsys, monkeypatch):
    monkeypatch.setattr("dlexp.analysis.report.write.draw", lambda result: [])
    before = (folder / "report.md").read_text()
    assert ablate([*command(folder.parent), "jobs=2"]) == 0
    out = capsys.readouterr().out
    assert "4 runs: 0 done, 4 skipped" in out
    assert "all: the recipe against the plain run" in out
    assert "Nothing is decided: that needs at least 5 seeds, and there are 1." in out
    assert out.endswith(f"Report: {folder / 'report.html'}\n")
    (folder / "report.md").unlink()
    assert report([str(folder)]) == 0
    again = (folder / "report.md").read_text()
    assert again.split("## Command")[0] == before.split("## Command")[0]
    assert plan(["--ablate", *command(folder.parent)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[1:6]] == ["cell", "recipe", "only dropout", "only optimizer", "plain"]
    assert lines[-1] == "4 runs of 4 cells: 4 done."


def test_python_finds_the_same_runs(folder, monkeypatch):
    monkeypatch.setattr("dlexp.analysis.report.write.draw", lambda result: [])
    swept = dlexp.ablate(
        *("dataset=digits", "optimizer=sgd", "dropout=0.2", "hardware=cpu"),
        **{"base": {"width": 4, "depth": 1, "max_steps": 2}, "seeds": 1, "name": "mine", "output_dir": folder.parent},
    )
    assert (len(swept), swept.report) == (4, folder / "report.html")
    assert set(swept.table["status"]) == {"done"}
    table = dlexp.analyse(folder).ablation.table
    assert table["switch"].tolist()[-1] == "all"
    assert dlexp.analyse(folder).ablation.worths[0].above.cause == "few"


def test_another_ablation_does_not_take_its_folder(folder):
    other = [text.replace("dropout=0.2", "dropout=0.3") for text in command(folder.parent)]
    with pytest.raises(ConfigError, match="name=mine: .* holds another study, with other settings"):
        read(*other)
    assert read(*command(folder.parent)[::-1])[0].recipe == {"dropout": 0.2, "optimizer": "sgd"}


def test_the_file_of_a_study_is_run_by_either_command(tmp_path, capsys):
    content = "question: q\nbackground: b\nbase: {dataset: digits}\nrecipe: {dropout: 0.1, width: 16, augment: standard}\n"
    (tmp_path / "made.yaml").write_text(content)
    assert len(read_study(str(tmp_path / "made.yaml")).cells) == 8
    study, request = read(f"study={tmp_path / 'made.yaml'}", "seed=0", "epochs=1")
    assert (len(request.cells), request.changes) == (8, {"epochs": "1"})
    assert plan([f"study={tmp_path / 'made.yaml'}", f"output_dir={tmp_path}"]) == 0
    assert "40 runs of 8 cells" in capsys.readouterr().out
