"""README.md, CONTRIBUTING.md and docs/: what they link to, name and print must be there."""

import re
import shlex

import pytest

from dlexp import contract
from dlexp.config.check import find_problems
from dlexp.config.options import groups, list_groups
from dlexp.study.request import names_study, read_command
from tests import ROOT

PAGES = {str(path.relative_to(ROOT)): path for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])}
SET_UP = (  # newcomers and other systems copy these two, letter by letter
    "python3 -m venv .venv && . .venv/bin/activate && pip install -e . && python train.py activation=relu depth=8\n",
    'python3 -m venv .venv && . .venv/bin/activate && pip install -e ".[dev]" && pytest\n',
)
BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OUTSIDE = ("https://", "mailto:")


def read_page(name):
    return PAGES[name].read_text(encoding="utf-8")


def prose(name):
    """A page without its code blocks."""
    return BLOCK.sub("", read_page(name))


def anchors(path):
    """The anchor of each heading of a page, as its host makes them."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_broken(link, page):
    """Whether a relative link leads to no file, or to no heading of it."""
    target, _, anchor = link.partition("#")
    path = (page.parent / target).resolve() if target else page
    return not path.exists() or bool(anchor) and anchor not in anchors(path)


def commands():
    """The command lines in code blocks that start train.py, without comments and prompts."""
    lines = [line for name in PAGES for block in BLOCK.findall(read_page(name)) for line in block.splitlines()]
    return sorted({line.split(" #")[0].strip() for line in lines if line.startswith("python train.py")})


def named_options():
    """Group → the words of its row in docs/options.md."""
    rows = re.findall(r"^\| `(\w+)`(?: \(a list\))? \| (.+) \|$", read_page("docs/options.md"), re.MULTILINE)
    return {
        group: set(re.split(r"[ ,]+", re.sub(r" \([^)]*\)", "", text)))
        for group, text in rows
        if group in groups() | list_groups()
    }


def test_the_readme_fits_one_screen():
    assert len(read_page("README.md").splitlines()) <= 150


def test_the_readme_begins_with_the_two_set_up_commands():
    assert tuple(BLOCK.findall(read_page("README.md"))[:2]) == SET_UP


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_a_file_and_a_heading(name):
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", prose(name)) if not link.startswith(OUTSIDE)]
    assert [link for link in links if is_broken(link, PAGES[name])] == []


def test_every_page_is_reached_from_the_readme():
    assert {name for name in PAGES if name != "README.md"} <= set(re.findall(r"\]\(([^)#\s]+)", read_page("README.md")))


def test_every_option_is_named():
    assert named_options() == {group: set(options) for group, options in (groups() | list_groups()).items()}


def test_the_interfaces_are_those_of_the_contract():
    rows = re.findall(r"^\| \w+ +\| `.+\|$", contract.__doc__, re.MULTILINE)
    assert len(rows) == 12
    assert [row for row in rows if row not in read_page("docs/labs.md")] == []


@pytest.mark.parametrize("name", PAGES)
def test_paths_exist(name):
    """Paths in code that begin with a folder of this project; those of the user begin otherwise."""
    paths = re.findall(r"`((?:dlexp|conf|docs|scripts|tests|notebooks|hydra_plugins|outputs/reference)/[\w./-]*)`", prose(name))
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("line", commands())
def test_commands_are_accepted(line):
    arguments = [word for word in shlex.split(line)[2:] if word not in ("--help", "--cfg", "job", "--resolve")]
    overrides = [word for word in arguments if word != "-m"]
    if names_study(overrides):
        read_command(overrides)
    else:
        assert find_problems(overrides, multirun="-m" in arguments) == []


def test_the_refusal_that_is_shown_is_the_one_that_comes():
    shown = re.search(r"^```\n\$ python train.py (.+)\n((?:.+\n)+)```$", read_page("docs/options.md"), re.MULTILINE)
    assert find_problems(shown[1].split(), multirun=False) == shown[2].splitlines()
