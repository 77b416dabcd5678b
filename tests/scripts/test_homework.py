"""The page of the homework sheet's questions: every number and every word of an answer follows from the runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from scripts.homework import activations, compare, loss, optimizers
from scripts.homework.evidence import Evidence, NotRunError, gather
from scripts.homework.page import FINDINGS, STUDIES, answer_questions, render_markdown
from scripts.homework.words import judge_claim, load_texts
from tests import ROOT
from tests.scripts.made_sheet import accuracy_of, make_sheet_study

SETS = {**dict.fromkeys(STUDIES, activations.DATASETS), loss.STUDY: loss.DATASETS, optimizers.STUDY: optimizers.DATASETS}
QUESTIONS = [key for part in load_texts()["questions"].values() for key in part]


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """Two folders of runs: all of one's effects are the other way in the other."""
    folders = {tilt: tmp_path_factory.mktemp("outputs") for tilt in (1, -1)}
    for tilt, root in folders.items():
        for study, datasets in SETS.items():
            make_sheet_study(root, study, datasets, tilt=tilt)
    return folders


@pytest.fixture(scope="module")
def answers(roots):
    """Tilt → question → its answer."""
    return {tilt: by_question(gather([root], STUDIES)) for tilt, root in roots.items()}


def by_question(evidence, folder=Path("nowhere")):
    found = [answer for part in answer_questions(evidence, folder).values() for answer in part]
    return dict(zip(QUESTIONS, found, strict=True))


def words(answer):
    return re.sub(r"[−+]?\d[\d.]*(e[−+]\d+)?", "#", " ".join(answer.sentences))


def test_there_are_eighteen_questions_and_each_has_findings():
    assert [len(part) for part in load_texts()["questions"].values()] == [5, 4, 4, 5]
    assert sorted(FINDINGS) == sorted(QUESTIONS)


@pytest.mark.parametrize("key", QUESTIONS)
def test_every_question_is_answered_from_runs(answers, key):
    assert answers[1][key].sentences
    assert not answers[1][key].not_run


@pytest.mark.parametrize("key", QUESTIONS)
def test_other_runs_give_other_words(answers, key):
    assert words(answers[1][key]) != words(answers[-1][key])


@pytest.mark.parametrize("key", QUESTIONS)
def test_without_runs_a_question_says_what_to_run(key):
    answer = by_question(Evidence({}))[key]
    assert answer.sentences == []
    assert answer.not_run
    assert all(re.fullmatch(r"python train.py study=\w+ dataset=\w+", command) for command in answer.not_run)


def strings(tree):
    """Every text of a tree of texts."""
    if isinstance(tree, dict):
        return [text for branch in tree.values() for text in strings(branch)]
    return [tree] if isinstance(tree, str) else [text for branch in tree for text in strings(branch)]


@pytest.mark.parametrize("kind", ["page", "parts", "names", "claims", "sentences"])
def test_no_sentence_holds_a_number(kind):
    assert not [text for text in strings(load_texts()[kind]) if re.search(r"\d", re.sub(r"\{\w+\}", "", text))]


def test_no_question_and_no_template_holds_a_number():
    assert not [
        item["question"]
        for part in load_texts()["questions"].values()
        for item in part.values()
        if re.search(r"\d", item["question"])
    ]
    template = (Path(compare.__file__).parent / "questions.md.j2").read_text()
    assert not re.search(r"\d", re.sub(r"\.j2|md5", "", template))


def test_a_number_of_the_page_is_that_of_the_runs(answers):
    cells = {name: {**arm, "dataset": "digits"} for name, arm in (("entropy", loss.CE), ("mse", loss.MSE))}
    cells["entropy"] = {"loss": "cross_entropy", "dataset": "digits"}
    values = {name: [accuracy_of(cell, seed, 1) for seed in range(5)] for name, cell in cells.items()}
    differences = 100 * np.subtract(values["entropy"], values["mse"])
    half = stats.t.ppf(0.975, 4) * stats.sem(differences)
    text = " ".join(answers[1]["entropy_faster"].sentences).replace("−", "-")
    low, high = differences.mean() - half, differences.mean() + half
    assert f"{100 * np.mean(values['entropy']):.2f} ±" in text
    assert f"{differences.mean():+.2f} points [{low:+.2f} to {high:+.2f}; n = 5]" in text
    assert "98.33 % and 96.94 %" in text


def test_a_claim_is_judged_both_ways():
    claim = "that cross entropy converges faster (its own epochs: cross entropy 3, MSE 4)"
    holds, fails = (judge_claim(judgement, "entropy_faster", entropy=3, mse=4) for judgement in ("holds", "fails"))
    assert holds == f"The document's claim {claim} survives."
    assert fails == f"The document's claim {claim} does not survive: the runs show the opposite."


def test_equal_differences_of_five_seeds_leave_a_claim_undecided(answers):
    claim = "that cross entropy converges faster (its own epochs: cross entropy 3, MSE 3) is not confirmed"
    for tilt in (1, -1):
        assert f"{claim}: the runs leave it undecided" in " ".join(answers[tilt]["mse_slower"].sentences)


def test_an_answer_from_some_runs_names_the_missing_ones(tmp_path):
    make_sheet_study(tmp_path, "loss", ["digits"])
    answer = by_question(gather([tmp_path], STUDIES))["mse_slower"]
    assert answer.sentences
    assert all("digits" in sentence for sentence in answer.sentences)
    assert answer.not_run == ["python train.py study=loss dataset=fashion_mnist"]


def test_runs_csv_answers_questions_that_need_no_curves(tmp_path, roots):
    make_sheet_study(tmp_path, "optimizer_lr", ["digits"], curves=False)
    found = by_question(gather([tmp_path], STUDIES))
    assert found["curves_differ"].sentences
    assert found["adam_starts_fast"].sentences == []
    assert found["adam_starts_fast"].not_run == []  # they are in the table, but not their curves
    command = "python train.py study=optimizer_lr dataset=digits"
    assert found["adam_starts_fast"].lacking == {command: "curves"}
    page = render_markdown(gather([tmp_path], STUDIES), tmp_path)
    (line,) = {line for line in page.splitlines() if line.endswith(f"`{command}`") and "probes" not in line}
    assert line == f"- {load_texts()['page']['no_curves']} `{command}`"
    both = by_question(gather([tmp_path, roots[1]], STUDIES))
    assert both["adam_starts_fast"].sentences


def test_one_seed_is_no_evidence(tmp_path):
    make_sheet_study(tmp_path, "loss", ["digits"], [0])
    with pytest.raises(NotRunError, match="loss on digits has not been run"):
        gather([tmp_path], STUDIES).values("loss", {**loss.CE, "dataset": "digits"}, "test/acc")


def test_links_lead_to_files_that_are_there(tmp_path, roots):
    figures = tmp_path / "activation_2d" / "figures"
    figures.mkdir(parents=True)
    for name in ("grad_flow.png", "learning.png"):
        (figures / name).touch()
    page = render_markdown(gather([roots[1]], STUDIES), tmp_path)
    links = re.findall(r"\]\(([^)]*)\)", page)
    assert {*links} == {"activation_2d/figures/grad_flow.png", "activation_2d/figures/learning.png"}


def test_the_page_names_its_runs_and_no_path_of_the_machine(roots):
    page = render_markdown(gather([roots[1]], STUDIES), Path("nowhere"))
    assert "| loss | 30 of 30, from run folders | made up | cccccccc |" in page
    assert "| optimizer\\_lr | 90 of 180, from run folders | made up | cccccccc |" in page
    assert str(roots[1]) not in page
    assert not re.search(r"\bnan\b|\{|\}", page)


def test_the_script_writes_the_page(tmp_path, roots):
    root = ROOT
    command = [sys.executable, str(root / "scripts" / "questions.py"), str(roots[1]), "--reference"]
    environment = os.environ | {"PYTHONPATH": str(root)}
    refused = subprocess.run([*command, str(tmp_path / "no")], capture_output=True, text=True, env=environment)
    assert (refused.returncode, refused.stderr) == (2, f"--reference must be a folder, got {tmp_path / 'no'}.\n")
    subprocess.run([*command, str(tmp_path)], check=True, env=environment)
    page = (tmp_path / "questions.md").read_text()
    assert page.count("\n### ") == 18
    (tmp_path / "empty").mkdir()
    command[2] = str(tmp_path / "empty")  # as in a fresh clone: no run folders
    refused = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, env=environment)
    assert refused.returncode == 2
    assert "a new page would answer less" in refused.stderr
    assert "Why is MSE slower?: python train.py study=loss dataset=digits\n" in refused.stderr
    assert (tmp_path / "questions.md").read_text() == page
    subprocess.run([*command, str(tmp_path), "--replace"], check=True, env=environment)
    assert "Not yet run" in (tmp_path / "questions.md").read_text()


@pytest.mark.parametrize(
    ("plus", "minus", "side"),
    [
        ([2, 3, 4], [1, 2, 3], "greater"),
        ([1, 2, 3], [2, 3, 4], "less"),
        ([1, 5, 3], [2, 3, 4], "unknown"),
        ([2], [1], "unknown"),
    ],
)
def test_the_interval_chooses_the_word(plus, minus, side):
    arms = [dict(enumerate(map(float, values))) for values in (plus, minus)]
    assert compare.difference(*arms).side == side


def test_a_ratio_leaves_out_seeds_without_a_logarithm():
    found = compare.ratio({0: 2.0, 1: 4.0, 2: 0.0}, {0: 1.0, 1: 1.0, 2: 1.0})
    assert (found.n, found.estimate) == (2, pytest.approx(8**0.5))
    assert compare.format_gap(compare.ratio({0: 2.0, 1: 2.0}, {0: 1.0, 1: 1.0})) == "2 times [2 to 2; n = 2]"


def test_only_seeds_that_both_arms_have_are_compared():
    found = compare.difference({0: 1.0, 1: 2.0, 2: 9.0}, {0: 0.0, 1: 1.0})
    assert (found.n, found.estimate) == (2, 1.0)


def test_a_correlation_has_fishers_interval_and_none_where_nothing_varies():
    drawn = np.random.default_rng(0).normal(size=(2, 12))
    first, second = (dict(enumerate(map(float, row))) for row in drawn)
    found, expected = compare.correlation(first, second), stats.pearsonr(*drawn)
    assert [found.estimate, found.low, found.high] == pytest.approx([expected.statistic, *expected.confidence_interval()])
    assert np.isnan(compare.correlation(first, dict.fromkeys(first, 1.0)).low)
