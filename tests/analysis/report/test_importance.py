"""The tables and sentences on how much each factor matters."""

import pytest

from dlexp.analysis import analyse
from dlexp.analysis.report.importance import build_tables, describe
from dlexp.analysis.report.page import make_page
from dlexp.analysis.report.text import LANGUAGES, Text
from dlexp.analysis.report.write import render_html, render_markdown
from tests.analysis.made import make_study, noisy

AXES = {"activation": ["relu", "tanh"], "depth": [1, 2, 4]}


def study_without(root, *cells, axes=AXES, seeds=range(5), lost=range(9), **study):
    """A study whose runs of these cells have no value at the seeds `lost`."""

    def accuracy(cell, seed):
        return None if seed in lost and any(each.items() <= cell.items() for each in cells) else noisy(cell, seed)

    return analyse(make_study(root, axes, seeds, accuracy=accuracy, **study))


def balanced(cell, seed):
    """Contrasts of 4, 2 and 1 (interaction) that are shares of 16, 4 and 1 in 21."""
    a, b = (1 if value in ("relu", 2) else -1 for value in (cell["activation"], cell["depth"]))
    return 0.5 + (4 * a + 2 * b + a * b) / 100


def test_the_table_has_the_shares_in_per_cent(tmp_path):
    result = analyse(make_study(tmp_path, {**AXES, "depth": [1, 2]}, range(2), accuracy=balanced))
    (table,) = build_tables(result, Text("en"))
    assert table.head == ["term", "degrees of freedom", "share (%)", "95 % interval", "expected from noise (%)"]
    assert [row[:4] for row in table.rows] == [
        ["activation", "1", "76.19", "–"],
        ["depth", "1", "19.05", "–"],
        ["activation × depth", "1", "4.76", "–"],
        ["seeds", "1", "0.00", "–"],
        ["residual", "3", "0.00", "–"],
    ]
    assert table.rows[-1][-1] == "–"
    assert table.caption.startswith("test accuracy (%): how much of the variation over 8 runs each factor")
    assert describe(result, Text("en")) == []


def test_five_seeds_give_an_interval(tmp_path):
    (table,) = build_tables(study_without(tmp_path), Text("ko"))
    assert [" … " in row[3] for row in table.rows] == [True, True, True, False, False]
    assert [row[0] for row in table.rows[-2:]] == ["시드", "잔차"]


EMPTY = {"activation": "tanh", "depth": 4}


@pytest.mark.parametrize(
    ("cells", "more", "sentences"),
    [
        (
            [EMPTY],
            {"lost": [0, 2]},
            [
                "2 of 30 runs have no value (diverged, failed or missing) and are left out",
                "Not all seeds have every cell",
            ],
        ),
        (
            [EMPTY],
            {},
            ["5 of 30 runs", "without any value: activation=tanh depth=4.", "the interaction is estimated as far as"],
        ),
        (
            [EMPTY],
            {"axes": {**AXES, "norm": ["bn", "gn"]}},
            ["10 of 60 runs", "norm=bn; activation=tanh", "interactions of 2 or more factors are estimated together"],
        ),
        ([{"depth": 4}], {}, ["Left out, because no run has a value: depth=4.", "10 of 30 runs"]),
        ([{}], {}, ["test accuracy (%): Not decomposed, because no run has a value."]),
        ([{"activation": "tanh"}], {}, ["Not decomposed, because fewer than two factors", "activation=tanh"]),
        ([{"depth": 4}, {"activation": "tanh", "depth": 2}], {}, ["so many cells are empty"]),
        ([], {"seeds": [0]}, ["It takes at least two seeds"]),
        ([], {"cells": [{"arm": "plain"}]}, ["not part of the product of the factors: arm=plain."]),
    ],
)
def test_a_sentence_says_what_is_left_out(tmp_path, cells, more, sentences):
    result = study_without(tmp_path, *cells, **more)
    (text,) = describe(result, Text("en"))
    assert all(sentence in text for sentence in sentences), text
    assert text.count("test accuracy (%)") == 1
    (korean,) = describe(result, Text("ko"))
    assert korean.startswith("테스트 정확도(%): ")
    assert "left out" not in korean


def test_many_cells_are_counted_not_listed(tmp_path):
    axes = {"activation": ["relu", "tanh", "elu"], "depth": [1, 2, 4, 8]}
    lost = [{"activation": "tanh", "depth": depth} for depth in (2, 4, 8)] + [{"activation": "elu", "depth": d} for d in (1, 2)]
    (text,) = describe(study_without(tmp_path, *lost, axes=axes), Text("en"))
    assert "activation=elu depth=1; and 1 more." in text


def test_the_logarithm_of_a_cost_is_named(tmp_path):
    result = analyse(
        make_study(tmp_path, AXES, range(2), metric="train/seconds", seconds=lambda cell, seed: 1 + noisy(cell, seed))
    )
    (table,) = build_tables(result, Text("en"))
    assert table.caption.startswith("logarithm of training time (s): ")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_has_the_section(tmp_path, lang):
    result, text = study_without(tmp_path, axes={**AXES, "dataset": ["digits", "moons"]}), Text(lang)
    page = make_page(result, [], text)
    (section,) = (section for section in page.sections if section.name == "factors")
    assert [table.caption.split(":")[0].split(", ")[1] for table in section.tables] == ["dataset=digits", "dataset=moons"]
    assert text("factors") in render_html(page)
    assert "| activation × depth | 2 |" in render_markdown(page)


def test_a_study_of_one_factor_has_no_section(tmp_path):
    page = make_page(analyse(make_study(tmp_path, {"depth": [1, 2]}, range(2))), [], Text("en"))
    assert "factors" not in [section.name for section in page.sections]
