"""The report of a made-up study: its content and order in both languages, and that no text of a run becomes markup."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from scipy import stats

from dlexp.analysis import analyse
from dlexp.analysis.judge.diagnose import ADVICE
from dlexp.analysis.judge.judgement import Cause, Need
from dlexp.analysis.read.runs_csv import read_runs
from dlexp.analysis.report.arrange import mean_over_seeds
from dlexp.analysis.report.page import make_page
from dlexp.analysis.report.text import SECTIONS, Text, load_texts
from dlexp.analysis.report.write import build_report, render_html, render_markdown, replace_report, write_report
from dlexp.commands import report
from tests import ROOT
from tests.analysis.made import make_study

AXES = {"activation": ["relu", "sigmoid"], "depth": [1, 2, 8]}
CAUSE_PARTS = ("holds_ranks", "fails_ranks", "interval", "interval_ratio", "failed", "missing", "all_learned", "if_normal")
CAUSE_PARTS += ("on_one_draw", "on_draws", "over_draws", "holds_times", "fails_times", "ranks_times", "unranked_times")
PREDICTION = {"claim": "ReLU wins", "plus": {"activation": "relu"}, "minus": {"activation": "sigmoid"}, "expected": "greater"}
REFERENCE = {"source": "a paper", "values": [{"activation": "relu", "depth": 1, "value": 0.61, "sd": 0.02, "n": 5}]}


def accuracy(cell, seed):
    return 0.5 + 0.1 * (cell["activation"] == "relu") + 0.01 * cell["depth"] + 0.003 * ((seed * 7 + cell["depth"]) % 5)


def status(cell, seed):
    return {("sigmoid", 8, 0): "failed", ("sigmoid", 8, 1): "missing", ("relu", 8, 2): "diverged"}.get(
        (cell["activation"], cell["depth"], seed), "done"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study with a failed, a missing and a diverged run, and its report."""
    root = tmp_path_factory.mktemp("outputs")
    study = {"predictions": [PREDICTION], "reference": REFERENCE}
    folder = make_study(root, AXES, range(6), accuracy=accuracy, status=status, probes=True, **study)
    build_report(folder)
    return folder


@pytest.fixture(scope="module")
def result(folder):
    return analyse(folder)


@pytest.fixture(scope="module")
def page(folder):
    return (folder / "report.html").read_text()


@pytest.fixture(scope="module")
def markdown(folder):
    return (folder / "report.md").read_text()


def test_all_files_are_in_the_folder(folder):
    assert {"report.html", "report.md", "runs.csv", "best.csv", "figures"} <= {path.name for path in folder.iterdir()}
    assert not list(folder.rglob("*.tmp"))


def test_the_page_needs_no_other_file(page):
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert sources
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert "<script" not in page


def test_verdicts_come_first(page):
    order = re.findall(r'<section id="(\w+)">', page)
    assert order[:5] == ["verdicts", "results", "best", "factors", "learning"]
    assert order[-1] == "command"
    assert page.index("Does it matter?") < page.index('class="verdict')


def test_a_verdict_shows_word_claim_reason_and_numbers(result, page):
    verdict = result.verdicts[0]
    card = page[page.index('class="verdict') :].split("</div>")[0]
    for text in (verdict.verdict, "ReLU wins", verdict.reason, f"n = {verdict.n}"):
        assert text in card


def test_failed_and_missing_runs_are_listed_with_reasons(markdown):
    broken = markdown.split("## Diverged, failed and missing runs")[1].split("\n## ")[0]
    assert "RuntimeError: &lt;b&gt;made up&lt;/b&gt;" in broken
    assert "sigmoid, depth=8 | missing" in broken
    assert "relu, depth=8 | diverged" in broken


def test_the_command_is_exact(markdown):
    assert "```\npython train.py study=made_up\n```" in markdown


def test_circumstances_that_weaken_a_verdict_are_named(result):
    runs = result.runs.assign(selected_on_test=True)
    page = render_html(make_page(replace(result, runs=runs), [], Text("en")))
    assert "Selected on the test set: 36 of the runs" in page


def test_every_table_is_one_to_a_markdown_reader(markdown):
    rules = [line for line in markdown.splitlines() if line.startswith("| --")]
    assert len(rules) >= 4
    assert MarkdownIt().enable("table").render(markdown).count("<table>") == len(rules)


def test_a_number_that_is_not_finite_is_a_dash(tmp_path):
    def status(cell, seed):
        return "diverged" if seed == 1 else "done"

    def first_alone(cell, seed):
        return 0.9 if cell["depth"] == 1 else None

    folder = make_study(tmp_path, AXES, range(3), accuracy=first_alone, status=status, metric="test/loss")
    text = build_report(folder).with_name("report.md").read_text()
    assert "| – |" in text
    assert not re.findall(r"[|\s±−+](?:nan|inf)[|\s]", text.lower())


def test_every_number_comes_from_the_study(folder, result, markdown):
    cells, runs = result.cells, result.runs
    known = [json.dumps(result.protocol), (folder / "report.md").name]
    known += [*runs["id"], *runs["code"].dropna(), *runs["versions.python"].dropna(), *runs["versions.torch"].dropna()]
    known += [text[language] for text in load_texts().values() for language in text if language == "en"]
    known += [*ADVICE.values(), *(verdict.reason for verdict in result.verdicts)]
    words = set(re.findall(r"\d+(?:\.\d+)?", " ".join(map(str, known))))
    values = [*cells["mean"], *cells["sd"], *(cells["high"] - cells["low"]) / 2, *cells["noise"], *cells["rank"]]
    values += [*(cells["mean"] - cells["reference"]), *cells["reference"], *cells["reference_sd"], *range(37)]
    values += [getattr(verdict, name) for verdict in result.verdicts for name in ("estimate", "p", "p_holm", "probability")]
    values += [
        getattr(verdict, name) for verdict in result.verdicts for name in ("low", "high", "p_exact", "p_rates", "correlation")
    ]
    rates = [rate for verdict in result.verdicts for rate in verdict.rates or ()]
    values += [number for rate in rates for number in (rate.learned, rate.runs, round(rate.low, 2), round(rate.high, 2))]
    averages = [average for verdict in result.verdicts for average in verdict.averages]
    values += [value for average in averages for value in (average.p, *(part.estimate for part in average.parts))]
    values += [*result.importance[["share", "low", "high", "noise"]].stack(), result.importance["df"].max(), len(runs) - 2]
    values += [*result.best[["estimate", "low", "high", "iqm", "iqm_low", "iqm_high"]].stack()]
    for name in ("seconds", "num_steps", "num_parameters", "memory.process", "convergence_epoch", "stability"):
        values += [*runs.groupby(result.keys)[name].mean()]
    numbers = np.abs(pd.Series(values, dtype=float).dropna().to_numpy())
    text = re.sub(r"!\[.*", "", markdown.split("## Command")[0]).replace("\N{NARROW NO-BREAK SPACE}", "")
    found = set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?!\w|\.\d)", text)) - words
    assert len(found) > 20
    for token in found:
        room = 0.5001 * 10.0 ** -len(token.partition(".")[2])
        scaled = np.concatenate([numbers, 100 * numbers, numbers / 2**20])
        assert (np.abs(scaled - float(token)) <= room).any(), token


def test_a_published_sd_is_not_written_as_a_half_width(markdown):
    assert "| 61.00 (sd 2.00, n = 5) |" in markdown


def test_another_number_is_another_page(result):
    changed = replace(result, cells=result.cells.assign(mean=0.12346))
    table = render_markdown(make_page(changed, [], Text("en"))).split("## Results")[1].split("## ")[0]
    assert table.count("12.35 ±") == len(result.cells)


def test_korean_page_has_korean_headings_and_english_names(result):
    page = render_html(make_page(result, [], Text("ko")))
    assert '<html lang="ko">' in page
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings
    assert all(re.search("[가-힣]", heading) for heading in headings)
    assert "ReLU wins" in page
    without_data = re.sub(r'src="[^"]*"|<style>.*?</style>', "", page, flags=re.S)
    assert "RuntimeError: &lt;b&gt;" in without_data
    assert not re.search(r"interval|seeds|Diverged|finished", without_data)


def test_every_text_is_there_in_both_languages():
    korean = {key: load_texts()[key] for key in ("advice", "causes", "metrics")}
    assert korean["advice"].keys() == ADVICE.keys()
    assert {*get_args(Cause), *(f"need_{need}" for need in get_args(Need)), *CAUSE_PARTS} == korean["causes"].keys()
    for key, text in load_texts().items():
        if key not in korean:
            assert text.keys() == {"en", "ko"}, key
            assert len({tuple(sorted(re.findall(r"{\w+}", words))) for words in text.values()}) == 1, key
    assert set(SECTIONS) <= load_texts().keys()


def test_a_study_over_draws_of_the_data(tmp_path):
    """Means, intervals, bands and shares are over draws, each the mean over its seeds; both distinguish a run."""

    def drawn(cell, repeat):
        draw, seed = repeat
        return accuracy(cell, seed) + 0.02 * draw * (1 + (cell["activation"] == "relu"))

    def lost(cell, repeat):
        return "missing" if repeat == (3, 1) and cell == {"activation": "relu", "depth": 1} else "done"

    more = {"predictions": [PREDICTION], "accuracy": drawn, "status": lost, "probes": True}
    folder = make_study(tmp_path, {**AXES, "depth": [1, 2]}, [0, 1], data_seeds=range(5), **more)
    result = analyse(folder)
    runs = result.runs[result.runs["status"] == "done"]
    for (activation, depth), of_cell in runs.groupby(["activation", "depth"]):
        means = of_cell.groupby("data_seed")["test/acc"].mean()
        row = result.cells[(result.cells["activation"] == activation) & (result.cells["depth"] == depth)].iloc[0]
        interval = stats.ttest_1samp(means, 0).confidence_interval()
        assert (row["n"], row["draws"]) == (len(of_cell), 5)
        assert (row["mean"], row["low"], row["high"]) == pytest.approx((means.mean(), *interval))
    (importance,) = result.factors
    assert (len(importance.runs), importance.num_runs, importance.balanced) == (20, 39, True)
    assert result.cells["rank"].notna().all()
    last = mean_over_seeds(result.curves[result.curves["epoch"] == 12], "val/acc", by_draw=True).iloc[0]
    assert last["count"] == 5
    page = build_report(folder).read_text()
    assert "4 cells × 5 draws of the data × 2 seeds = 40 runs" in page
    assert "1 (data_seed 3)" in page  # the missing run
    assert "mean over draws of the data" in page
    assert "over seeds" not in page
    assert set(read_runs(folder / "runs.csv")["data_seed"]) == set(range(5))
    assert "추출한 데이터" in render_html(make_page(result, [], Text("ko", by_draw=True)))


def test_a_study_that_was_not_started_has_a_page(tmp_path):
    folder = make_study(tmp_path, AXES, status=lambda cell, seed: "missing", predictions=[PREDICTION])
    page = build_report(folder).read_text()
    assert "No run of this study has finished yet" in page
    assert "undecided" in page
    assert "python train.py study=made_up" in page
    assert "<img" not in page


def test_the_same_study_gives_the_same_bytes_and_no_figure_of_an_earlier_report_stays(folder, result, tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "lr_01.png").touch()
    write_report(replace(result, folder=tmp_path), Text("en"))
    names = sorted(
        path.relative_to(folder) for path in [folder / "report.html", folder / "report.md", *folder.glob("figures/*")]
    )
    assert sorted(path.name for path in tmp_path.glob("figures/*")) == sorted(path.name for path in folder.glob("figures/*"))
    for name in names:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_another_language_is_refused(folder):
    with pytest.raises(ValueError, match="must be one of en, ko, got fr"):
        build_report(folder, "fr")


def test_no_torch_is_loaded():
    code = "import sys, dlexp.analysis.report.write; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


PAYLOADS = [
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' onfocus='alert(1)' autofocus='",
    "<svg/onload=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "javascript:alert(1)",
    "[x](javascript:alert(1))",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "{{ 7*7 }}{% for x in () %}",
    "{claim} {0.__class__}",
    "$\\frac{$ _x_ `y` | z",
    "--><script>alert(1)</script>",
    "]]><script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    '=HYPERLINK("http://evil.example")\n| a | b |\n# heading\n```\n<b>',
    "\u202e<math><mtext></p><style><!--</style><img src onerror=alert(1)>",
]


class Nodes(HTMLParser):
    """Collect tags and attributes that could execute code."""

    def __init__(self):
        super().__init__()
        self.bad = []

    def handle_starttag(self, tag, attrs):
        if tag in ("script", "iframe", "svg", "math", "object", "embed", "base", "form"):
            self.bad.append(tag)
        self.bad += [name for name, value in attrs if name.startswith("on") or "javascript:" in (value or "").lower()]


def hostile(result, payload):
    """The same study with this text wherever a text from a config or a run can stand."""
    study = {
        **result.protocol["study"],
        "name": payload,
        "question": payload,
        "background": payload,
        "base": {payload: payload},
    }
    study |= {"reference": {**REFERENCE, "source": payload}, "predictions": [{**PREDICTION, "where": {payload: payload}}]}
    protocol = {**result.protocol, "study": study, "changes": [f"x={payload}"], "command": payload}
    tables = {name: getattr(result, name).assign(activation=payload) for name in ("cells", "curves", "probes")}
    runs = result.runs.assign(reason=payload, device=payload, activation=payload)
    other = pd.DataFrame([{"id": payload, "folder": payload, "status": payload, "differs": payload}])
    verdicts = [replace(verdict, claim=payload, reason=payload) for verdict in result.verdicts]
    return replace(result, protocol=protocol, runs=runs, other=other, verdicts=verdicts, **tables)


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_of_a_study_becomes_markup(result, payload, lang):
    page = make_page(hostile(result, payload), [], Text(lang))
    nodes = Nodes()
    nodes.feed(render_html(page))
    assert not nodes.bad
    outside = re.sub(r"^(`{3,})\n.*?\n\1$", "", render_markdown(page), flags=re.S | re.M)
    assert not re.search(r"<\w|(?<!\\)\]\(javascript|^# heading", outside, flags=re.M)


def test_no_text_of_a_study_breaks_a_figure_or_becomes_markup_in_it(result, tmp_path):
    broken = replace(hostile(result, " ".join(PAYLOADS)), folder=tmp_path)
    nodes = Nodes()
    nodes.feed(write_report(broken, Text("en")).read_text())
    assert not nodes.bad
    for path in (tmp_path / "figures").glob("*.svg"):
        nodes = Nodes()
        nodes.feed(path.read_text())
        assert set(nodes.bad) <= {"svg"}
        assert nodes.bad.count("svg") == 1


def test_a_link_in_place_of_the_figures_is_removed_and_what_it_leads_to_stays(tmp_path):
    (tmp_path / "study").mkdir()
    (tmp_path / "pictures").mkdir()
    for name in ("main.png", "mine.png"):
        (tmp_path / "pictures" / name).write_text("mine")
    figures = tmp_path / "study/figures"
    figures.symlink_to(tmp_path / "pictures")
    files = (figures / "main.png", tmp_path / "study/report.md", tmp_path / "study/report.html")
    replace_report(dict.fromkeys(files, "new"), Text("en"), keep_figures=False)
    assert [path.read_text() for path in (tmp_path / "pictures").iterdir()] == ["mine", "mine"]
    assert [path.name for path in figures.iterdir()] == ["main.png"]
    assert not figures.is_symlink()


def test_a_report_that_cannot_be_written_is_a_sentence_and_the_earlier_one_stays(folder, tmp_path, monkeypatch, capsys):
    shutil.copytree(folder, tmp_path / "study")
    before = {path: path.read_bytes() for path in (tmp_path / "study").rglob("*") if path.is_file()}

    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("dlexp.machine.files.os.urandom", refuse)  # of each new file
    assert report.main([str(tmp_path / "study")]) == 5
    assert "study: [Errno 28] No space left on device" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (tmp_path / "study").rglob("*") if path.is_file()} == before


def test_words_in_a_column_of_numbers_may_take_several_lines():
    """On one line they would push the columns to their right out of the page."""
    html = render_html(make_page(analyse(ROOT / "outputs/reference/optimizer_lr"), [], Text("en")))
    words, numbers = (re.findall(rf'<td class="{kind}">([^<]*)</td>', html) for kind in ("right words", "right"))
    assert any(text.startswith("bimodal: ") for text in words)
    assert max(map(len, numbers)) <= 24 < min(map(len, words))
