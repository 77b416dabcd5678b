"""The cells and the left-out seeds that a verdict's card names, in both languages."""

import pytest

from dlexp.analysis import analyse
from dlexp.analysis.report.cards import make_card
from dlexp.analysis.report.text import Text
from tests import ROOT
from tests.analysis.made import make_study

CLAIM = {"claim": "ReLU is other", "plus": {"activation": "relu"}, "minus": {"activation": "tanh"}, "expected": "greater"}
WORDS = {"en": "{lost} of {planned} runs failed to learn", "ko": "실행 {planned}개 가운데 {lost}개는 학습에 실패했습니다"}


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
@pytest.mark.parametrize("pairing", ["paired", "independent"])
def test_a_card_says_how_many_never_converged(tmp_path, lang, pairing):
    at_chance = {("relu", 1), ("tanh", 1), ("tanh", 4)}  # seed 1 in both arms: so no other cell shows it
    lines = lines_of(tmp_path, lang, metric="convergence_epoch", at_chance=at_chance, pairing=pairing)
    reached = {
        "en": "reached the target: 5 of 6 (36 to 100 %) against 4 of 6",
        "ko": "목표에 도달한 실행: 6개 중 5개(36 ~ 100 %)",
    }
    assert reached[lang] in lines
    assert {"en": "difference of the mean times up to 12", "ko": "12까지로 제한한 평균 시간의 차이"}[lang] in lines
    assert {"en": "log-rank test", "ko": "로그순위 정확 검정"}[lang] in lines
    assert "failed to learn" not in lines


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize(
    "metric",
    ["stability", "trend", "document_volatility", "train/loss", "test/acc", "train/seconds", "best/epoch"],
)
def test_a_card_counts_a_diverged_run_as_failed(tmp_path, lang, metric):
    lines = lines_of(tmp_path, lang, metric=metric, bad={("tanh", 3)})
    assert WORDS[lang].format(lost=1, planned=12) in lines


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_diverged_run_never_converged(tmp_path, lang):
    lines = lines_of(tmp_path, lang, metric="convergence_epoch", bad={("tanh", 3)})
    assert {"en": "reached the target: 6 of 6 (54 to 100 %) against 5 of 6", "ko": "6개 중 5개(36 ~ 100 %)"}[lang] in lines


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_card_says_nothing_where_nothing_is_lost(tmp_path, lang):
    lines = lines_of(tmp_path, lang, metric="convergence_epoch")
    assert "n = 6" in lines
    assert not any(WORDS[lang].format(lost=n, planned=12) in lines for n in range(13))


@pytest.mark.parametrize(
    ("lang", "side"), [("en", "mean of (activation=relu; activation=tanh)"), ("ko", "평균(activation=relu; activation=tanh)")]
)
def test_a_card_names_several_cells_as_their_mean(tmp_path, lang, side):
    claim = CLAIM | {"plus": [{"activation": "relu"}, {"activation": "tanh"}]}
    assert f": {side} − activation=tanh · " in lines_of(tmp_path, lang, metric="test/acc", claim=claim)


DEPTHS = {"activation": ["relu", "tanh"], "depth": [1, 2, 8]}
ALONE = {"en": "does not stand alone", "ko": "평균만으로는 말할 수 없습니다"}


def card_of(root, lang, gain, *, axes=DEPTHS, seeds=range(6), **claim):
    """The lines of the card of a study in which ReLU is better by a gain that may depend on depth and seed."""

    def accuracy(cell, seed):
        better = gain(cell["depth"], seed) if cell["activation"] == "relu" else 0
        return 0.5 + better + 0.001 * (seed * cell["depth"] % 5)

    prediction = CLAIM | claim
    folder = make_study(root, axes, seeds, accuracy=accuracy, predictions=[prediction])
    return make_card(analyse(folder).verdicts[0], prediction, Text(lang)).lines


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize(
    ("gains", "key", "words"),
    [
        ({1: 0.1, 2: 0.2, 8: 0.3}, "average_not_alone", "1: +10.00 points; 2: +20.00 points; 8: +30.00 points"),
        ({1: 0.1, 2: -0.1, 8: 0.3}, "average_turns", "1: +10.00 points; 2: −10.00 points; 8: +30.00 points"),
        ({1: 0.1, 2: 0.1, 8: 0.1}, "average_alone", "1: +10.00 points"),
    ],
)
def test_a_card_names_the_axis_that_it_averages_over(tmp_path, lang, gains, key, words):
    wobble = {1: 1, 2: 5, 8: 3}
    line = card_of(tmp_path, lang, lambda depth, seed: gains[depth] + 0.002 * ((seed * wobble[depth]) % 7 - 3))[-1]
    levels = [part.split(":")[0] for part in words.split("; ")]
    assert all(f"{level}: " in line for level in levels)
    assert ("depth" in line, ALONE[lang] in line) == (True, key != "average_alone")
    text = Text(lang)
    assert text(key, what=text("a_difference"), key="depth", p="|").split("|")[0] in line


def test_the_range_of_many_parts_is_named(tmp_path):
    axes = {**DEPTHS, "depth": list(range(1, 9))}
    line = card_of(tmp_path, "en", lambda depth, seed: 0.01 * depth + 0.0003 * ((seed * depth) % 5), axes=axes)[-1]
    assert line.startswith("Average over the 8 values of depth (smallest 1: +1.")
    assert "; largest 8: +8." in line


def test_a_card_says_that_few_seeds_were_not_tested(tmp_path):
    line = card_of(tmp_path, "en", lambda depth, seed: 0.1 * depth, seeds=range(3))[-1]
    assert line.endswith("was not tested: there are fewer than five seeds, or values that do not vary.")


UNSURE = (0.03, -0.02, 0.04, 0.01, -0.01, 0.02)
NEED = {
    "power": (
        {"effect": 0.02},
        "seeds for 80 % power at a difference of +2.00 points",
        "차이가 +2.00 %p일 때 검정력이 80 %가 되려면 시드가 약",
    ),
    "many": ({"effect": 0.0001}, "more than 1000 seeds", "시드가 1000개보다 많이"),
    "enough": (
        {"effect": 0.2},
        "enough for 80 % power at a difference of -20.00 points",
        "차이가 −20.00 %p일 때 검정력이 80 %가 되기에는",
    ),
    "undeclared": ({}, "declare `effect: …` in the study", "연구에 `effect: …`를 선언하세요"),
}


@pytest.mark.parametrize("need", NEED)
def test_a_card_asks_once_for_seeds(tmp_path, need):
    claim, *words = NEED[need]
    claim = claim | {"where": {"depth": 2}, "expected": "less" if need == "enough" else "greater"}
    for lang, word in zip(("en", "ko"), words, strict=True):
        lines = " ".join(card_of(tmp_path / lang, lang, lambda depth, seed: UNSURE[seed] - 0.006, **claim))
        assert word in lines
        assert lines.count("80 %") == (need != "undeclared")


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_card_of_few_seeds_asks_once(tmp_path, lang):
    lines = " ".join(card_of(tmp_path, lang, lambda depth, seed: UNSURE[seed], seeds=range(3), where={"depth": 2}))
    assert lines.count({"en": "needs at least 6 seeds", "ko": "시드가 적어도 6개 필요합니다"}[lang]) == 1


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_card_says_that_the_parts_of_an_average_are_of_runs_that_learned(lang):
    result = analyse(ROOT / "outputs/reference/optimizer_lr")
    failed, learned = (make_card(result.verdicts[i], result.protocol["study"]["predictions"][i], Text(lang)) for i in (7, 2))
    sentence = Text(lang)("average_learned", n=1)
    assert sentence in failed.lines[-1]
    assert sentence.partition("(")[0] not in " ".join(learned.lines)


def test_a_card_of_single_cells_names_no_axis(tmp_path):
    lines = card_of(tmp_path, "en", lambda depth, seed: 0.1 * depth + 0.001 * seed, where={"depth": 2})
    assert not any("verage" in line for line in lines)
