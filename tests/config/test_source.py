import os
import subprocess
import sys
from pathlib import Path

import pytest

from dlexp.config import source
from dlexp.config.source import find_imports, hash_source, parse_source, reachable
from tests import ROOT

TEXT = '''
"""A module."""
import torch

def scale(x, *, factor=2, **more):
    """Multiply."""
    return [f"{x!r:>{factor}} times" "two", x * factor, {**more}, None, 1e300, -0.0, b"x", u"u"]

class Part:
    """A part."""
    size: int = 3
'''
OTHER = "try: pass\nexcept* OSError: pass\nmatch x:\n    case {'a': [1, *_], **rest} | None: pass\n"  # nodes that TEXT lacks
DIGESTS = {  # if one of these changes, every finished run becomes stale
    TEXT: "b298b8178a7970eb2822ee4d0cc5b2472917bb13b5e9175445dff165f9026f73",
    OTHER: "b60e80c56a2e7b135718252de4e509a78fbd21ce9f2f6862b41601d8a580827f",
}


def digest(text):
    return parse_source(text.encode()).digest


@pytest.mark.parametrize("text", DIGESTS, ids=["common", "rare"])
def test_the_hash_of_a_text_stays_what_it_was(text):
    assert digest(text) == DIGESTS[text]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import torch", "import torch  # why\n\n"),
        ('"""Multiply."""', '"""Scale,\n    by a factor."""'),
        ('"""A module."""', ""),
        ('    """A part."""\n', ""),
        ('"u"', "'u'"),
        ('times" "two"', 'timestwo"'),
        ("factor=2, **more", "factor=(2),\n    **more,"),
    ],
)
def test_what_changes_no_number_changes_no_hash(old, new):
    assert old in TEXT
    assert digest(TEXT.replace(old, new)) == digest(TEXT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("factor=2", "factor=3"),
        ("factor=2", "factor=2.0"),
        ("x", "y"),
        ("*, factor", "factor"),
        ("1e300", "1e301"),
        ("-0.0", "0.0"),
        ('b"x"', '"x"'),
        ("None", "'None'"),
        ("{x!r", "{x!s"),
        (">{factor}", "<{factor}"),
        ("times", "Times"),
        ("size: int = 3", "size = 3"),
        ("import torch", "import torch as torch"),
    ],
)
def test_what_may_change_a_number_changes_the_hash(old, new):
    assert old in TEXT
    assert digest(TEXT.replace(old, new)) != digest(TEXT)


def test_strings_with_other_boundaries_have_other_hashes():
    assert len({digest(text) for text in ("f('a', 'b')", "f('a' 'b')", "f('a')('b')", "f(a, b)", "f(a)(b)", "f([a], b)")}) == 6


@pytest.mark.parametrize("text", ["x = (", "\0", "x = " + "(" * 300 + "1" + ")" * 300])
def test_of_what_cannot_be_parsed_every_byte_counts(text):
    assert digest(text) != digest(text + " # why")


def test_a_deep_tree_is_hashed():
    assert digest("+".join("1" * 900)) == digest(" + ".join("1" * 900))


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_the_hash_is_the_same_in_other_versions_of_python(version):
    """Of each file of the project; the module is loaded alone, as another version lacks its packages."""
    code = "import sys, source, pathlib; print(*(source.hash_source(pathlib.Path(path)) for path in sys.argv[1:]))"
    paths = sorted(str(path) for folder in ("dlexp", "tests") for path in (ROOT / folder).rglob("*.py"))
    environment = {**os.environ, "PYENV_VERSION": version}  # pyenv's python3.12 works only with it
    try:
        done = subprocess.run(
            [f"python{version}", "-c", code, *paths], cwd=ROOT / "dlexp/config", env=environment, capture_output=True, text=True
        )
    except FileNotFoundError:
        pytest.skip(f"needs Python {version}")
    if "command not found" in done.stderr:
        pytest.skip(f"needs Python {version}")
    assert done.stderr == ""
    assert done.stdout.split() == [hash_source(Path(path)) for path in paths]


def test_a_file_is_read_again_only_when_it_was_changed(tmp_path, monkeypatch):
    path, read = tmp_path / "part.py", []
    path.write_text("x = 1")
    monkeypatch.setattr(source, "parse_source", lambda content: read.append(content) or parse_source(content))
    first = hash_source(path)
    assert hash_source(path) == first
    path.write_text("x = 22")
    assert hash_source(path) != first
    assert read == [b"x = 1", b"x = 22"]


def write(folder, **files):
    """Modules of a package, `__` in a name for the folder's boundary; returns what is reachable from `start`."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py").replace("/init/", "__init__")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return list(reachable(["lab.start"], "lab", folder))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from . import a", ["lab.a"]),
        ("from .a import Block", ["lab.a"]),
        ("from . import a as b, c", ["lab.a"]),
        ("import lab.a", ["lab.a"]),
        ("import a, torch", []),
        ("from .sub import inner", ["lab.sub.inner"]),
        ("from .sub.inner import x", ["lab.sub.inner"]),
        ("from .sub.inner import *", ["lab.sub.inner"]),
        ("from .sub import *", ["lab.sub.inner"]),
        ("def f():\n    try:\n        from . import a\n    except ImportError:\n        pass", ["lab.a"]),
        ("if TYPE_CHECKING:\n    from . import a", []),
        ("if typing.TYPE_CHECKING:\n    pass\nelse:\n    from . import a", ["lab.a"]),
        ("match x:\n    case 1:\n        from . import a", ["lab.a"]),
        ("from ...lab import a", []),
        ("import lab.a.b.c", ["lab.a"]),
        ("import laboratory", []),
    ],
)
def test_the_modules_that_a_module_imports_are_found(text, found, tmp_path):
    files = {"start": text, "a": "", "sub__inner": "", "unused": ""}
    assert write(tmp_path, **files) == sorted([*found, "lab.start"])


def test_imports_are_followed_and_circles_end(tmp_path):
    files = {
        "start": "from .a import x",
        "a": "from .sub import b",
        "sub__b": "from ..start import y; from . import c",
        "sub__c": "",
    }
    assert write(tmp_path, **files) == ["lab.a", "lab.start", "lab.sub.b", "lab.sub.c"]


def test_a_package_on_the_way_counts_with_what_it_imports(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "__init__.py").write_text("from . import c")
    (tmp_path / "__init__.py").write_text("")
    assert write(tmp_path, start="from .sub import b", sub__b="", sub__c="") == [
        "lab",
        "lab.start",
        "lab.sub",
        "lab.sub.b",
        "lab.sub.c",
    ]


def test_a_name_leads_out_of_no_folder(tmp_path):
    (tmp_path / "outside.py").write_text("")
    (tmp_path / "lab").mkdir()
    assert reachable(["lab.../outside", "lab./outside", "lab...outside"], "lab", tmp_path / "lab") == {}


def test_excluded_modules_are_left_out_with_what_only_they_import(tmp_path):
    write(tmp_path, start="from . import a, b", a="from . import c", b="from . import d", c="", d="from . import a")
    assert list(reachable(["lab.start"], "lab", tmp_path, {"lab.a"})) == ["lab.b", "lab.d", "lab.start"]


def test_imports_are_names_relative_to_the_package(tmp_path):
    path = tmp_path / "m.py"
    path.write_text("import a.b as c\nfrom .d import e\nfrom .. import f\nfrom .g import *")
    assert find_imports(path, "top.mid") == {"a.b", "top.mid.d.e", "top.f", "top.mid.g.*"}


def test_it_is_loaded_without_torch():
    code = "import dlexp.config.source, sys; sys.exit(bool({'torch', 'yaml'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
