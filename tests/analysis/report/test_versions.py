from dataclasses import replace

import pytest

from dlexp.analysis import analyse, load_runs, write_runs
from dlexp.analysis.report.page import make_page
from dlexp.analysis.report.text import Text
from dlexp.analysis.report.write import build_report, render_html
from tests.analysis.made import make_study
from tests.runs import edit_summary

WORDS = ("code", "torch", "코드", "environment", "환경")
MODELS = {"model": ["mlp", "convnet"]}


def made(root, edit):
    """A study of two models with three seeds, each summary edited by `edit(summary, model, seed)`."""
    folder = make_study(root, MODELS, range(3))
    for run in load_runs(folder).to_dict("records"):
        edit_summary(
            root / "made_up" / run["folder"].rpartition("/")[2],
            lambda summary, run=run: edit(summary, run["model"], run["seed"]),
        )
    return folder


def with_modules(summary, model, seed, *, changed=lambda model, seed: False):
    other = changed(model, seed)
    summary["modules"] = {f"{model}.py": "b" * 16 if other else "a" * 16, "step.py": "c" * 16}
    summary["code"] = f"{model}{int(other)}".ljust(64, "-")


def warnings(result, lang="en"):
    return [text for text in make_page(result, [], Text(lang)).warnings if any(word in text for word in WORDS)]


def test_models_with_modules_of_their_own_are_no_other_code(tmp_path):
    result = analyse(made(tmp_path, with_modules))
    assert len(result.codes) == 2
    assert warnings(result) == []


def test_a_module_that_differs_is_named_with_the_runs_of_each_code(tmp_path):
    def edit(summary, model, seed):
        with_modules(summary, model, seed, changed=lambda model, seed: model == "mlp" and seed == 2)

    result = analyse(made(tmp_path, edit))
    sentence = "2 versions of the code (5 by mlp0----, convnet0; 1 by mlp1----, with another mlp.py): differences"
    assert sentence in warnings(result)[0]
    assert "mlp.py 다름" in warnings(result, "ko")[0]
    assert sentence in render_html(make_page(result, [], Text("en")))
    write_runs(result.runs, tmp_path / "runs.csv")
    assert warnings(replace(result, runs=load_runs(tmp_path / "runs.csv"))) == warnings(result)


def test_one_change_seen_by_two_models_is_one_version(tmp_path):
    def edit(summary, model, seed):
        with_modules(summary, model, seed)
        summary["modules"]["step.py"] = "d" * 16 if seed == 2 else "c" * 16

    assert (
        "2 versions of the code (4 by mlp0----, convnet0; 2 by mlp0----, convnet0, with another step.py)"
        in warnings(analyse(made(tmp_path, edit)))[0]
    )


def test_of_runs_without_modules_the_whole_code_is_compared(tmp_path):
    def edit(summary, model, seed):
        summary["code"] = ("e" if seed == 2 else "f") * 64

    assert (
        "2 versions of the code (4 by ffffffff, whose modules are not recorded; 2 by eeeeeeee"
        in warnings(analyse(made(tmp_path, edit)))[0]
    )


def test_versions_of_torch_are_counted(tmp_path):
    result = analyse(made(tmp_path, lambda summary, model, seed: summary["versions"].update(torch=f"2.{seed // 2}")))
    assert warnings(result) == [
        "The runs were made by several versions of torch, each with its number of runs: 2.0 (4), 2.1 (2)."
    ]


@pytest.mark.parametrize("modules", [[], "text", {"a.py": ["b"]}, {"a.py": None}, None])
def test_modules_of_another_form_break_no_report(modules, tmp_path):
    folder = made(tmp_path, lambda summary, model, seed: summary.update(modules=modules))
    with pytest.warns(UserWarning, match=r"damaged.*modules"):
        assert build_report(folder).exists()


NOTED = {"processor": "Intel", "instructions": "AVX2", "libraries": {"build of torch": "0", "pillow": "11"}}


def test_environments_are_counted_with_what_is_unusual_in_each(tmp_path):
    def edit(summary, model, seed):
        summary |= NOTED
        if seed == 2:
            summary |= (
                {"processor": "AMD <b>"} if model == "mlp" else {"variables": {"MKL_CBWR": "AVX"}, "libraries": {"pillow": "9"}}
            )

    result = analyse(made(tmp_path, edit))
    (sentence,) = warnings(result)
    assert sentence.startswith("The runs were made in 3 environments (4 in the most frequent one; ")
    assert "1 with processor AMD <b>" in sentence
    assert "1 with build of torch not there, pillow 9, MKL_CBWR AVX" in sentence
    assert "AMD &lt;b&gt;" in render_html(make_page(result, [], Text("en")))
    assert "환경 3개(가장 많은 환경: 실행 4개" in warnings(result, "ko")[0]
    write_runs(result.runs, tmp_path / "runs.csv")
    assert warnings(replace(result, runs=load_runs(tmp_path / "runs.csv"))) == warnings(result)


@pytest.mark.parametrize("noted", [{}, {"instructions": "AVX2"}, NOTED])
def test_runs_of_one_environment_have_no_column_for_it(noted, tmp_path):
    result = analyse(made(tmp_path, lambda summary, model, seed: summary.update(noted)))
    assert warnings(result) == []
    assert not {"environment_differs_in", "libraries"} & {*result.runs.columns}


def test_what_only_some_runs_note_is_compared_among_these(tmp_path):
    def edit(summary, model, seed):
        summary |= NOTED if model == "mlp" else {"instructions": "AVX2"}
        summary["versions"]["torch"] = f"2.{seed // 2}"
        summary |= {"libraries": {"build of torch": str(seed // 2), "pillow": "11"}} if model == "mlp" else {}

    assert warnings(analyse(made(tmp_path, edit))) == [
        "The runs were made by several versions of torch, each with its number of runs: 2.0 (4), 2.1 (2)."
    ]
