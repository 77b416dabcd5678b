"""The cells and the left-out seeds that a verdict's card names, in both languages."""

import pytest

from dlexp.analysis import analyse
from dlexp.analysis.report.cards import make_card
from dlexp.analysis.report.text import Text
from tests.analysis.made import make_study

CLAIM = {"claim": "ReLU is other", "plus": {"activation": "relu"}, "minus": {"activation": "tanh"}, "expected": "greater"}
WORDS = {"en": "{lost} of {planned} {what} lack a value", "ko": "{what} {planned}개 가운데 {lost}개는 값이 없어"}
NAMES = {("en", "paired"): "seeds", ("en", "independent"): "runs", ("ko", "paired"): "시드", ("ko", "independent"): "실행"}


def lines_of(root, lang, *, metric, at_chance=(), bad=(), claim=CLAIM, **study):
    """The lines of the card of a study in which the given (activation, seed) stay at chance, or diverge."""

    def accuracy(cell, seed):
        return 0.1 if (cell["activation"], seed) in at_chance else 0.9 - 0.01 * seed

    def status(cell, seed):
        return "diverged" if (cell["activation"], seed) in bad else "done"

    predictions = [claim | {"metric": metric}]
    axes = {"activation": ["relu", "tanh"]}
    folder = make_study(root, axes, range(6), accuracy=accuracy, status=status, predictions=predictions, **study)
    return " ".join(make_card(analyse(folder).verdicts[0], predictions[0], Text(lang)).lines)


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize(("pairing", "lost", "planned"), [("paired", 2, 6), ("independent", 3, 12)])
def test_a_card_says_how_many_never_converged(tmp_path, lang, pairing, lost, planned):
    at_chance = {("relu", 1), ("tanh", 1), ("tanh", 4)}  # seed 1 in both arms: so no other cell shows it
    lines = lines_of(tmp_path, lang, metric="convergence_epoch", at_chance=at_chance, pairing=pairing)
    assert WORDS[lang].format(lost=lost, planned=planned, what=NAMES[lang, pairing]) in lines


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize(
    "metric",
    ["convergence_epoch", "stability", "trend", "document_volatility", "train/loss", "test/acc", "train/seconds", "best/epoch"],
)
def test_a_card_counts_a_diverged_run_without_a_value(tmp_path, lang, metric):
    lines = lines_of(tmp_path, lang, metric=metric, bad={("tanh", 3)})
    lost = metric != "best/epoch"  # which a diverged run has, and counts with it
    assert (WORDS[lang].format(lost=1, planned=6, what=NAMES[lang, "paired"]) in lines) == lost


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_card_says_nothing_where_nothing_is_lost(tmp_path, lang):
    lines = lines_of(tmp_path, lang, metric="convergence_epoch")
    assert "n = 6" in lines
    assert not any(WORDS[lang].format(lost=n, planned=6, what=NAMES[lang, "paired"]) in lines for n in range(7))


@pytest.mark.parametrize(
    ("lang", "side"), [("en", "mean of (activation=relu; activation=tanh)"), ("ko", "평균(activation=relu; activation=tanh)")]
)
def test_a_card_names_several_cells_as_their_mean(tmp_path, lang, side):
    claim = CLAIM | {"plus": [{"activation": "relu"}, {"activation": "tanh"}]}
    assert f": {side} − activation=tanh · " in lines_of(tmp_path, lang, metric="test/acc", claim=claim)
