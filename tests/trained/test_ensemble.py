"""Ensembles of made-up answers, whose scores are known, and of real runs."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.special import softmax

from dlexp.commands.ensemble import main
from dlexp.errors import ConfigError
from dlexp.trained.ensemble import MAX_SUBSETS, METHODS, Ensemble, combine_runs, group_runs, measure_gain
from dlexp.trained.load import load_trained
from dlexp.trained.predict import predict_test
from tests.runs import MOONS, run

OUTPUTS = 2 * torch.randn(5, 60, 3, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(60) % 3


def test_the_methods_are_their_formulas():
    outputs = OUTPUTS.double().numpy()
    combined = {name: combine(OUTPUTS).numpy() for name, combine in METHODS.items()}
    probabilities = softmax(outputs, axis=2).mean(0)
    assert softmax(combined["mean_probability"], axis=1) == pytest.approx(probabilities)
    assert combined["mean_logit"] == pytest.approx(outputs.mean(0))
    votes = np.stack([np.bincount(answers, minlength=3) for answers in outputs.argmax(2).T])
    assert np.array_equal(np.floor(combined["vote"]), votes)
    tied = np.sort(votes, axis=1)[:, -1] == np.sort(votes, axis=1)[:, -2]
    assert tied.any()
    best = np.where(votes == votes.max(1, keepdims=True), probabilities, 0).argmax(1)
    assert np.array_equal(combined["vote"].argmax(1), best)


def test_the_gain_is_over_all_choices_of_each_size():
    rows = measure_gain(Ensemble("a=1", OUTPUTS, TARGETS))
    assert [(row["runs"], row["choices"]) for row in rows] == [(size, math.comb(5, size)) for size in range(1, 6)]
    single = [(OUTPUTS[i].argmax(1) == TARGETS).double().mean().item() for i in range(5)]
    assert all(rows[0][name] == pytest.approx(np.mean(single)) for name in METHODS)
    assert rows[0]["vote_sd"] == pytest.approx(np.std(single, ddof=1))
    pairs = list(itertools.combinations(range(5), 2))
    logits = [(OUTPUTS[list(pair)].mean(0).argmax(1) == TARGETS).double().mean().item() for pair in pairs]
    assert rows[1]["mean_logit"] == pytest.approx(np.mean(logits))
    differ = [(OUTPUTS[i].argmax(1) != OUTPUTS[j].argmax(1)).double().mean().item() for i, j in pairs]
    assert rows[1]["disagreement"] == rows[4]["disagreement"] == pytest.approx(np.mean(differ))
    assert math.isnan(rows[0]["disagreement"])
    assert math.isnan(rows[4]["vote_sd"])


def test_of_many_choices_some_are_drawn():
    outputs = torch.randn(10, 20, 2, generator=torch.Generator().manual_seed(1))
    rows, again = (measure_gain(Ensemble("", outputs, torch.zeros(20, dtype=torch.int64))) for _ in range(2))
    assert [row["choices"] for row in rows] == [min(MAX_SUBSETS, math.comb(10, size)) for size in range(1, 11)]
    assert str(rows) == str(again)


def test_of_a_regression_predictions_are_averaged():
    targets = torch.zeros(8, 1)
    rows = measure_gain(Ensemble("", torch.tensor([[[1.0]] * 8, [[-1.0]] * 8, [[3.0]] * 8]), targets))
    assert [row["rmse"] for row in rows] == pytest.approx([5 / 3, (0 + 2 + 1) / 3, 1])
    assert "disagreement" not in rows[0]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Runs of two activations and two seeds, and one on another draw of the data."""
    root = tmp_path_factory.mktemp("ensemble")
    for activation, seed in itertools.product(("relu", "tanh"), (0, 1)):
        run(*MOONS, f"activation={activation}", f"seed={seed}", root=root)
    run(*MOONS, "activation=relu", "data_seed=1", root=root / "other")
    return root


def load(folder):
    return [load_trained(path.parent) for path in sorted(folder.glob("adhoc/*/summary.json"))]


def test_the_outputs_are_those_of_the_runs_own_test(outputs):
    for trained in load(outputs):
        computed, test = predict_test(trained)
        assert float((computed.argmax(1) == test.targets).double().mean()) == trained.summary["metrics"]["test/acc"]


def test_runs_are_grouped_by_what_varies_or_as_asked(outputs):
    runs = load(outputs)
    sizes = {name: len(group) for name, group in group_runs(runs).items()}
    assert sizes == {"activation=relu": 2, "activation=tanh": 2}
    assert {name: len(group) for name, group in group_runs(runs, []).items()} == {"": 4}
    assert {name: len(group) for name, group in group_runs(runs, ["seed", "optimizer.lr"]).items()} == {
        f"seed={seed} optimizer.lr={runs[0].config['optimizer']['lr']}": 2 for seed in (0, 1)
    }
    with pytest.raises(ConfigError, match=r"optimizer\.foo: the run .* has no such setting"):
        group_runs(runs, ["optimizer.foo"])


def test_runs_of_other_test_examples_are_refused_with_what_separates_them(outputs):
    runs = [*load(outputs), *load(outputs / "other")]
    with pytest.raises(ConfigError, match=r"other test examples.*differ in data_seed\. --by data_seed makes"):
        combine_runs("", runs)
    with pytest.raises(ConfigError, match="two runs or more, and there is 1"):
        combine_runs("", runs[:1])


def test_the_command_prints_tables_and_writes_them_with_a_figure(outputs, capsys):
    broken = outputs / "adhoc" / "broken-0123456789ab"
    broken.mkdir()
    (broken / "config.yaml").write_text("seed: 0\n")
    try:
        assert main([str(outputs / "adhoc"), "--by", "activation"]) == 0
    finally:
        (broken / "config.yaml").unlink()
        broken.rmdir()
    printed = capsys.readouterr().out
    assert "1 of 5 runs are left out" in printed
    rows = sorted(line.split()[:2] for line in printed.splitlines()[2:4])  # in the order in which the runs were started
    assert rows == [["activation=relu", "2"], ["activation=tanh", "2"]]
    folder = outputs / "adhoc" / "ensemble"
    lines = (folder / "ensemble.csv").read_text().splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("ensemble,runs,choices,vote,vote_sd,mean_probability")
    assert (folder / "ensemble.png").read_bytes()[:4] == b"\x89PNG"
    assert b"<svg" in (folder / "ensemble.svg").read_bytes()[:600]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["."], "there is no run"), (["nothing"], "no folder"), ([".", "--one", "--by", "seed"], "leave --by out")],
)
def test_a_wrong_command_is_refused(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(arguments)
    except SystemExit as ended:  # argparse's own
        code = ended.code
    assert code == 2
    assert message in capsys.readouterr().err
