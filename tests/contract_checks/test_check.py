"""Parts that are wrong on purpose: the right check finds it, and says what to do."""

import re

import pytest

from dlexp.config.options import Traits
from dlexp.config.ranges import number
from dlexp.contract_checks.check import check_part
from dlexp.contract_checks.part import Part, find_part
from tests.contract_checks import wrong_parts
from tests.labs import BENT, using, write_lab

FEATURES = Traits(gives=("features",))


def part(group, name, traits=None, **keys):
    content = {"_target_": f"{wrong_parts.__name__}.{name}", "_partial_": True, **keys}
    return Part(group, "mine", content, traits or Traits(), {f"{group}.{key}": number(at_least=0) for key in keys})


def check(made, *only):
    """The problems of each check that fails."""
    return {finding.check: " ".join(finding.problems) for finding in check_part(made, only=only) if not finding.holds}


UNSEEDED = part("dataset", "unseeded", FEATURES, per_class=None, scale="none", scale_on="train")
WRONG = [
    ("file", part("activation", "Bent"), "lacks the key slope, which is a keyword-only parameter"),
    ("file", part("activation", "Bent", slope=0.1, bend=2), "has the key bend, and .*Bent has no such parameter"),
    ("file", part("activation", "Positional", slope=0.1), r"in .*Positional it is not keyword-only: move slope behind `\*`"),
    ("file", part("activation", "Missing"), "wrong_parts.Missing"),
    ("type", part("activation", "unseeded"), "returns a Source, and a factory of activation must return a torch.nn"),
    ("shapes", part("activation", "Flattening"), r"returns the shape \[4, 48\] for an input \[4, 6, 8\]"),
    ("shapes", part("model", "TenOutputs"), r"\[6, 10\] for an input .* with num_outputs=3; a model must return \[6, 3\]"),
    ("determinism", part("activation", "Noisy"), "is random in eval mode .*draws from the random numbers of torch"),
    ("inputs unchanged", part("activation", "InPlace"), r"changes an input \[4, 8\] in place"),
    ("mean over the batch", part("loss", "NotAMean"), r"returns the shape \[6\] for labels; a loss must return a scalar"),
    ("types", part("dataset", "unseeded", Traits(gives=("images",))), "inputs of torch.float32 with 2 dimensions"),
    ("the same twice", UNSEEDED, "other inputs in its train split when it is read again"),
    ("state", part("optimizer", "Forgetful", lr=0.1), "goes on otherwise after its state_dict was saved and loaded"),
    ("same run twice", part("activation", "Unseeded"), "two tiny runs .* differ in val/loss in row 0 of metrics.csv"),
    ("resume", part("optimizer", "Forgetful", lr=0.1), r"interrupted before step \d and resumed differs in"),
    ("settings", part("activation", "Deaf", slope=0.1), r"the key activation\.slope has no effect: .*=0\.2 or 0\.5 or"),
]


@pytest.mark.parametrize(("name", "made", "sentence"), WRONG, ids=[f"{made.target[29:]}-{name}" for name, made, _ in WRONG])
def test_what_is_wrong_is_found_and_named_with_its_file_and_target(name, made, sentence):
    found = check(made, name)[name]
    assert re.search(sentence, found), found
    assert found.startswith(f"conf/{made.group}/mine.yaml: ")
    assert made.target in found


def test_a_part_that_is_right_passes_every_check():
    assert check(part("activation", "Bent", slope=0.1)) == {}


@pytest.mark.parametrize("name", ["shapes", "trains"])
def test_an_error_in_the_code_of_a_part_is_shown_with_its_file_and_line(name):
    found = check(part("activation", "Raising"), name)[name]
    assert re.search(r"wrong_parts\.py:\d+: NameError: name 'undefined' is not defined", found)
    assert "Traceback" not in found


def test_after_a_factory_that_fails_nothing_else_is_tried():
    findings = check_part(part("activation", "unseeded"))
    assert [finding.check for finding in findings if finding.is_tried] == ["file", "type"]


@pytest.mark.parametrize("user_files", [(), ("path",)])
def test_a_file_that_a_dataset_opens_and_does_not_list_is_named(user_files, tmp_path):
    (tmp_path / "numbers.csv").write_text("1,2")
    common = {"per_class": None, "scale": "none", "scale_on": "train", "path": str(tmp_path / "numbers.csv")}
    keys = {"_target_": f"{wrong_parts.__name__}.from_file", "_partial_": True, **common}
    found = check(Part("dataset", "mine", keys, Traits(gives=("features",), user_files=user_files)), "file", "type", "files")
    assert found.keys() == (set() if user_files else {"files"})
    assert user_files or f"opens {tmp_path / 'numbers.csv'}, which no key" in found["files"]


def test_a_key_without_a_range_whose_value_is_text_is_not_tried():
    made = Part("activation", "mine", {"_target_": f"{wrong_parts.__name__}.Deaf", "_partial_": True, "slope": "steep"})
    (finding,) = check_part(made, only=["settings"])
    assert finding.not_tried == [
        "activation.slope: no other value can be guessed; a range under _ranges_ in conf/activation/mine.yaml would help"
    ]


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path)
    check_part(part("activation", "Bent", slope=0.1), only=["trains", "resume"])
    assert list(tmp_path.iterdir()) == []


def test_an_option_of_a_lab_passes_and_an_error_in_its_module_is_shown_with_its_line(tmp_path):
    with using(write_lab(tmp_path / "lab", BENT)):
        assert check(find_part("activation", "bent")) == {}
    edited = BENT | {"blocks.py": "def bend(inputs, slope):\n    return inputs + undefined\n"}
    with using(write_lab(tmp_path / "lab", edited)):
        found = check(find_part("activation", "bent"), "file", "type", "shapes")
    assert found.keys() == {"shapes"}
    assert f"{tmp_path}/lab/blocks.py:2: NameError: name 'undefined' is not defined" in found["shapes"]
    assert found["shapes"].startswith(f"{tmp_path}/lab/conf/activation/bent.yaml: ")


WITH_VALIDATION = {
    "conf/dataset/mine.yaml": "_target_: my_data.read\n_partial_: true\n_traits_:\n  gives: [features]\n"
    "shift: 1.0\nper_class: null\nscale: none\nscale_on: train\n",
    "my_data.py": """
import torch

from dlexp.contract import Source, Split


def read(*, shift):
    inputs = shift + torch.randn(90, 3, generator=torch.Generator().manual_seed(0))
    splits = [Split(part, torch.arange(30) % 2) for part in inputs.split(30)]
    return Source(train=splits[0], val=splits[1], test=splits[2], classes=("a", "b"))
""",
}


def test_a_data_set_may_have_a_validation_split_of_its_own(tmp_path):
    with using(write_lab(tmp_path / "lab", WITH_VALIDATION)):
        assert check(find_part("dataset", "mine"), "file", "type", "same run twice") == {}
