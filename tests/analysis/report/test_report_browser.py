"""The report in a real headless Chromium: on a phone and a desktop, light and dark."""

import pytest

from dlexp.analysis.report.one_run.page import build_run_report
from dlexp.analysis.report.write import build_report
from tests.analysis.browser import CHROMIUM, Browser
from tests.analysis.made import make_study
from tests.analysis.report.one_run.made_run import make_classification

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

AXES = {"activation": ["relu", "sigmoid", "a_rather_long_name_of_an_activation_without_any_space_in_it"], "depth": [1, 2, 8]}
PREDICTION = {"claim": "ReLU wins", "plus": {"activation": "relu"}, "minus": {"activation": "sigmoid"}, "expected": "greater"}


@pytest.fixture(scope="module")
def browser():
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="module", params=["en", "ko", "run"])
def page(request, tmp_path_factory):
    if request.param == "run":
        cell = {"activation": AXES["activation"][2], "depth": 1}
        folder = make_classification(tmp_path_factory.mktemp("outputs"), cell=cell, classes=12, probes=True)
        (folder / "config.yaml").open("a").write(f"note: {'x' * 500}\n")
        return build_run_report(folder)
    reference = {"source": "x" * 200, "values": [{"activation": "relu", "depth": 1, "value": 0.6, "sd": 0.01, "n": 5}]}
    lacking = {0: "failed", 1: "missing", 2: "diverged"}
    folder = make_study(
        tmp_path_factory.mktemp("outputs"),
        AXES,
        status=lambda cell, seed: lacking.get(seed, "done") if cell["depth"] == 8 else "done",
        predictions=[PREDICTION],
        reference=reference,
    )
    return build_report(folder, request.param)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_shown_without_error_and_without_scrolling_sideways(browser, page, width, dark):
    browser.errors.clear()
    browser.open(page, width, dark=dark)
    assert browser.errors == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 100)")
    red, green, blue = browser.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (red + green + blue < 200) == dark


def test_text_is_large_enough_on_a_phone(browser, page):
    browser.open(page, 390)
    sizes = browser.evaluate(
        "[...document.querySelectorAll('p, td, th')].map(node => parseFloat(getComputedStyle(node).fontSize))"
    )
    assert min(sizes) >= 14


def test_the_browser_does_tell_of_errors(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'\"><script>1</script>")
    browser.errors.clear()
    browser.open(page, 390)
    assert any("Content Security Policy" in error for error in browser.errors)
