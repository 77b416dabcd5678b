"""How the project is laid out: its folders, the direction of its imports, the mirror of its tests."""

import ast
import re
from pathlib import PurePath

from importlinter.cli import lint_imports

from tests import ROOT

FOLDERS = {"config", "parts", "data", "machine", "training", "run", "study", "analysis", "doctor", "benchmark", "commands"}
FOLDERS |= {"api", "contract_checks", "trained"}
COMMANDS = ("dlexp", "scripts", "hydra_plugins")
# Tests of more than one module. Those below tests/reliability/ break whole runs; those in tests/scripts/ are of scripts/.
OF_SEVERAL = {
    "test_cli.py",
    "test_conftest.py",
    "test_docs.py",
    "test_labs.py",
    "test_settings.py",
    "test_structure.py",
    "test_wheel.py",
    "api/test_notebook.py",
    "analysis/report/test_report_browser.py",
    "benchmark/test_cases.py",
    "benchmark/test_command.py",
    "commands/test_current_folder.py",
    "config/test_list_groups.py",
    "doctor/test_command.py",
    "parts/dataset/test_generated.py",
    "parts/dataset/test_options.py",
    "parts/dataset/test_real_data.py",
    "parts/probe/test_command.py",
    "parts/probe/test_contract.py",
    "run/record/test_ids.py",
    "study/test_studies.py",
}


def modules():
    """Each Python file outside tests/, with its path from the root."""
    paths = [path for folder in COMMANDS for path in (ROOT / folder).rglob("*.py")] + [ROOT / "train.py"]
    return {str(path.relative_to(ROOT)): path.read_text() for path in sorted(paths)}


def files_with_tests():
    """The path from tests/ of each file with tests."""
    return [path.relative_to(ROOT / "tests") for path in sorted((ROOT / "tests").rglob("test_*.py"))]


def test_the_package_has_the_entries_of_the_map():
    found = {path.name for path in (ROOT / "dlexp").iterdir() if not path.name.startswith("__")}
    assert found == FOLDERS | {"contract.py", "errors.py", "py.typed"}


def test_imports_run_one_way():
    """The contracts are in pyproject.toml."""
    assert lint_imports(str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_each_folder_is_described_in_at_most_five_lines():
    descriptions = {name: ast.get_docstring(ast.parse(text)) for name, text in modules().items() if "__init__" in name}
    assert [name for name, text in descriptions.items() if not text or len(text.splitlines()) > 5] == []


def test_the_tests_of_a_module_lie_where_it_lies():
    package, astray = ROOT / "dlexp", []
    for path in files_with_tests():
        tested = PurePath(path.parent, path.stem.removeprefix("test_"))
        is_module = (package / tested).with_suffix(".py").exists()
        is_folder = (package / tested).is_dir() or (package / tested.parent).is_dir() and tested.name == tested.parent.name
        if not (is_module or is_folder or path.parts[0] in ("reliability", "scripts")):
            astray.append(str(path))
    assert set(astray) <= OF_SEVERAL


RIDDLES = {"told", "said", "kept", "theirs", "anew"}  # words that say nothing to a newcomer


def riddles(text):
    """The identifiers of a module (of functions, classes, arguments, attributes, variables) that hold such a word."""
    for node in ast.walk(ast.parse(text)):
        names = [getattr(node, field, None) for field in ("name", "asname", "id", "arg", "attr", "rest")]
        for name in filter(lambda name: isinstance(name, str), names):
            if RIDDLES & {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}:
                yield name


def test_no_module_is_longer_than_250_lines():
    assert {name: length for name, text in modules().items() if (length := len(text.splitlines())) > 250} == {}


def test_names_are_plain():
    assert {name: found for name, text in modules().items() if (found := sorted(set(riddles(text))))} == {}


def test_names_of_tests_are_plain():
    texts = {str(path): (ROOT / "tests" / path).read_text() for path in files_with_tests()}
    found = {name: sorted({one for one in riddles(text) if one.startswith("test_")}) for name, text in texts.items()}
    assert {name: names for name, names in found.items() if names} == {}
