"""The page of the homework sheet's questions: every number and every word of an answer follows from the runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scripts.homework import activations, compare, loss, optimizers
from scripts.homework.evidence import Evidence, NotRunError, gather
from scripts.homework.page import FINDINGS, STUDIES, answer_questions, list_sources, render_markdown
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
    assert f"{differences.mean():+.2f} points [{low:+.2f} to {high:+.2f}; n = 5; decided if differences are normal, p" in text
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


def test_draws_of_the_data_come_before_the_runs_on_one_draw(tmp_path):
    make_sheet_study(tmp_path, "loss", loss.DATASETS, tilt=-1)
    make_sheet_study(tmp_path, "loss", ["digits"], data_seeds=range(5))
    evidence = gather([tmp_path], STUDIES)
    drawn, single = (evidence.values("loss", {**loss.CE, "dataset": name}, "test/acc") for name in ("digits", "fashion_mnist"))
    assert (len(drawn.outcomes), set(drawn.numbers)) == (25, set(range(5)))
    assert len(single.outcomes) == 5
    assert "5 draws" in " ".join(by_question(evidence)["mse_slower"].sentences)
    assert [source.draws for source in list_sources(evidence)] == ["5", "1"]


def test_four_seeds_are_no_evidence(tmp_path):
    make_sheet_study(tmp_path, "loss", ["digits"], range(4))
    with pytest.raises(NotRunError, match="loss on digits has not been run"):
        gather([tmp_path], STUDIES).values("loss", {**loss.CE, "dataset": "digits"}, "test/acc")


def test_a_finding_makes_as_many_comparisons_as_it_declares(roots):
    """The family of Holm's correction is fixed before the runs, so it must not depend on which of them are there."""
    evidence = gather([roots[1]], STUDIES)
    declared = {key: [finding.num_comparisons for finding in findings] for key, findings in FINDINGS.items()}
    made = {key: [len(finding.draft(evidence).comparisons) for finding in findings] for key, findings in FINDINGS.items()}
    assert made == declared


def test_a_question_with_missing_runs_is_corrected_over_all_its_comparisons(tmp_path, answers):
    make_sheet_study(tmp_path, "loss", ["digits"])
    some = by_question(gather([tmp_path], STUDIES))["entropy_faster"]
    assert some.num_comparisons == answers[1]["entropy_faster"].num_comparisons == 3
    assert len(some.sentences) == 2
    complete = answers[1]["entropy_faster"].sentences
    assert some.sentences[0] == complete[0]


def make_optimizers(root, change):
    """The optimizer study as a table, with a change to each run that was made."""
    folder = make_sheet_study(root, optimizers.STUDY, ["digits"], curves=False)
    table = pd.read_csv(folder / "runs.csv")
    there = table["status"] == "done"
    rates = table["optimizer.lr"].astype(float)
    change(table, there, rates)
    table.to_csv(folder / "runs.csv", index=False)
    (folder / "runs.csv.sha256").unlink(missing_ok=True)
    return by_question(gather([root], STUDIES))["curves_differ"]


def test_a_learning_rate_is_picked_on_validation_and_judged_on_the_test_set(tmp_path):
    """The rate 0.1 is best on the validation split here, and 0.01 on the test set."""

    def change(table, there, rates):
        table.loc[there, "val/acc"] = 0.8 + (rates == 0.1) * 0.1
        table.loc[there, "test/acc"] = 0.8 + (rates == 0.01) * 0.1 + 0.001 * table["seed"]

    (sentence, _) = make_optimizers(tmp_path, change).sentences
    assert len(re.findall(r"80\.20 ± 0\.20 % at 0\.1[;)]", sentence)) == 3
    assert "at 0.01" not in sentence


def test_without_a_validation_part_no_learning_rate_is_picked(tmp_path):
    def change(table, there, rates):
        table["val/acc"] = np.nan

    (sentence, _) = make_optimizers(tmp_path, change).sentences
    assert "no best rate can be picked" in sentence
    assert all(sentence.count(f"% at {lr}") == 3 for lr in ("0.1,", "0.01,"))


def test_failed_runs_count_and_are_named(tmp_path):
    """SGD at 0.001 stays at chance in three of five runs: ranks decide, and its mean is said to be of two runs."""

    def change(table, there, rates):
        stuck = there & (table["optimizer"] == "sgd") & (rates == 0.001) & (table["seed"] < 3)
        table["chance"] = 0.1
        table.loc[stuck, "test/acc"] = 0.1

    text = " ".join(make_optimizers(tmp_path, change).sentences)
    assert "3 of 10 runs failed to learn; undecided by ranks" in text


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
    assert "| loss | 30 of 30, from run folders | 1 | made up | cccccccc |" in page
    assert "| optimizer\\_lr | 90 of 180, from run folders | 1 | made up | cccccccc |" in page
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
