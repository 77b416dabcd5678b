import pickle
import py_compile
import sys

import pytest

from dlexp.config.compose import compose
from dlexp.config.options import current_lab
from dlexp.errors import ConfigError
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.run.plan import plan
from dlexp.run.setup.lab_modules import hash_sources, package_of
from tests.labs import BENT, using, write_lab
from tests.runs import MOONS, prepare

BENT_RUN = (*MOONS, "activation=bent", "norm=none")


def identity(*overrides):
    return plan(compose((*BENT_RUN, *overrides))).identity


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture
def bent(tmp_path):
    folder = write_lab(tmp_path / "lab", BENT)
    with using(folder):
        yield folder


def test_a_run_uses_the_part_and_nothing_is_imported_before(bent, tmp_path):
    run = prepare(*BENT_RUN, root=tmp_path)
    assert not [name for name in sys.modules if name.startswith("dlexp_lab_") and name.endswith("my_parts")]
    summary = execute(run, gather_facts(run), Plain())
    assert summary["status"] == "done", summary.get("reason")
    assert not [path for path in sys.path if str(bent) in path]
    assert not list(bent.rglob("__pycache__"))


def test_the_id_holds_the_source_of_the_part_and_of_what_it_imports(bent):
    write_lab(bent, {"unused.py": "x = 1\n"})
    before = identity()
    assert sorted(hash_sources(compose(BENT_RUN).config)) == ["blocks.py", "my_parts.py"]
    edit(bent / "blocks.py", "slope * inputs", "slope * inputs + 0")
    after = identity()
    edit(bent / "blocks.py", '"""What several parts use."""', '"""What parts use."""\n# A comment.')
    edit(bent / "unused.py", "1", "2")
    assert before != after == identity()
    edit(bent / "my_parts.py", "self.slope = slope", "self.slope = 2 * slope")
    assert identity() not in (before, after)


def test_the_id_does_not_hold_the_place_of_the_lab(bent, tmp_path):
    before = identity()
    with using(write_lab(tmp_path / "moved", BENT)):
        assert identity() == before


def test_the_modules_of_a_run_hold_what_the_lab_imports_of_dlexp(bent):
    assert "parts/model/lstm.py" not in plan(compose(BENT_RUN)).modules
    edit(bent / "blocks.py", "import torch\n", "import torch\n\nfrom dlexp.parts.model.lstm import LSTM\n")
    assert "parts/model/lstm.py" in plan(compose(BENT_RUN)).modules


def test_a_run_without_the_lab_keeps_its_id(bent):
    assert hash_sources(compose(MOONS).config) == {}


def test_an_edit_is_seen_in_the_same_process(bent, tmp_path):
    losses = []
    for factor in ("slope * inputs", "slope * inputs * 3"):
        edit(bent / "blocks.py", "slope * inputs", factor)
        run = prepare(*BENT_RUN, root=tmp_path)
        losses.append(execute(run, gather_facts(run), Plain())["metrics"]["test/loss"])
    assert losses[0] != losses[1]


def test_two_labs_with_modules_of_the_same_name_do_not_mix(bent, tmp_path):
    other = write_lab(tmp_path / "other", BENT | {"blocks.py": "def bend(inputs, slope):\n    return 5 * inputs\n"})
    losses = []
    for folder in (bent, other, bent):
        with using(folder):
            run = prepare(*BENT_RUN, "force=true", root=tmp_path)
            losses.append(execute(run, gather_facts(run), Plain())["metrics"]["test/loss"])
    assert losses[0] == losses[2] != losses[1]


def test_an_object_of_a_lab_can_be_pickled(bent, tmp_path):
    gather_facts(prepare(*BENT_RUN, root=tmp_path))
    part = sys.modules[f"{package_of(current_lab())}.my_parts"].Bent(slope=0.3)
    assert pickle.loads(pickle.dumps(part)).slope == 0.3


def test_byte_code_beside_the_source_is_not_used(bent, tmp_path):
    evil = tmp_path / "evil.py"
    evil.write_text("raise SystemExit('byte code was run')\n")
    cached = bent / "__pycache__" / f"my_parts.{sys.implementation.cache_tag}.pyc"
    py_compile.compile(str(evil), cfile=str(cached), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    assert gather_facts(prepare(*BENT_RUN, root=tmp_path)).num_parameters > 0


ERRORS = {  # what is replaced in my_parts.py, by what, the message
    "an import": ("from torch import nn", "import no_such_package", r"my_parts.py, line 3, in <module>: ModuleNotFoundError"),
    "a module of its own": ("from .blocks", "from blocks", r"imported relatively: from .blocks import ..."),
    "a mistake": ("bend(inputs", "bnd(inputs", r"my_parts.py, line 16, in forward: NameError: name 'bnd' is not defined"),
    "making it": ("self.slope = slope", "self.slope = 1 / 0", r"my_parts.py, line 13, in __init__: ZeroDivisionError"),
    "a parameter without a key": ("*, slope", "*, slope, other", r"bent.yaml: my_parts.Bent needs other: add the key"),
    "a key without a parameter": ("*, slope", "*, slop", r"bent.yaml: my_parts.Bent has no parameter slope."),
}


@pytest.mark.parametrize("case", ERRORS)
def test_an_error_in_a_module_is_shown_with_its_place(case, bent, tmp_path):
    old, new, message = ERRORS[case]
    edit(bent / "my_parts.py", old, new)
    with pytest.raises(ConfigError, match=message):
        gather_facts(prepare(*BENT_RUN, root=tmp_path))


def test_an_error_during_training_is_a_failed_run_with_its_place(bent, tmp_path):
    edit(bent / "my_parts.py", "return bend", "assert inputs.device.type == 'meta', 'lost'\n        return bend")
    run = prepare(*BENT_RUN, root=tmp_path)
    summary = execute(run, gather_facts(run), Plain())
    assert summary["status"] == "failed"
    assert "AssertionError: lost" in summary["reason"]
    assert f"({bent / 'my_parts.py'}, line 16, in forward)" in summary["reason"]


def test_an_edit_after_the_id_was_made_is_refused(bent, tmp_path):
    run = prepare(*BENT_RUN, root=tmp_path)
    edit(bent / "blocks.py", "slope * inputs", "slope * inputs * 3")
    with pytest.raises(ConfigError, match=r"blocks.py was edited while the command started: give the command again\.$"):
        gather_facts(run)


@pytest.mark.parametrize("name", ["NoSuchClass", "Parameter", "init"])
def test_only_a_module_class_of_torch_is_a_part(name, tmp_path):
    files = {"conf/activation/other.yaml": f"_target_: torch.nn.{name}\n_partial_: true\n"}
    with using(write_lab(tmp_path, files)), pytest.raises(ConfigError, match=f"torch.nn has no class {name} that is a Module"):
        gather_facts(prepare(*MOONS, "activation=other", root=tmp_path))
