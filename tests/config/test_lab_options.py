import pytest

from dlexp.config.check_config import check
from dlexp.config.compose import compose
from dlexp.config.help import help_text
from dlexp.config.lookup import look_up
from dlexp.config.options import CONF, current_lab, groups, in_lab, scalars, traits
from dlexp.errors import ConfigError
from dlexp.study.definition import read_study, studies
from tests.labs import BENT, using, write_lab

MOONS = ("dataset=moons", "model=mlp")
STUDY = "question: q?\nbackground: b.\naxes: {activation: [bent, relu]}\n"


@pytest.fixture
def bent(tmp_path):
    folder = write_lab(tmp_path / "lab", BENT | {"conf/study/mine.yaml": STUDY})
    with using(folder):
        yield folder


def problems(*overrides):
    return look_up(overrides, multirun=False) or check(compose(overrides))


def test_an_option_of_a_lab_is_an_option(bent):
    assert "bent" in groups()["activation"]
    assert problems(*MOONS, "activation=bent", "activation.slope=0.5") == []
    assert compose((*MOONS, "activation=bent")).config["model"]["activation"]["slope"] == 0.1


def test_its_keys_are_checked_like_others(bent):
    assert problems("activation=bent", "activation.slope=1") == [
        "activation.slope: must be a number at least 0 and below 1, got 1."
    ]
    assert "Did you mean activation.slope=0.2" in problems("activation=bent", "activation.slop=0.2")[0]
    assert "no such option" in problems("activation=bnt")[0]
    assert "Did you mean bent?" in problems("activation=bnt")[0]
    assert problems("activation=relu", "activation.slope=0.5") == [
        "activation.slope=0.5: activation=relu has no slope; bent has."
    ]


def test_help_lists_it_with_its_folder(bent):
    text = help_text()
    assert f"Options of the lab {bent}\n  activation bent\n  study      mine\n" in text


def test_without_the_lab_the_option_is_gone(tmp_path):
    with using(write_lab(tmp_path, BENT)):
        assert in_lab("activation", "bent")
    assert current_lab() is None
    assert "no such option" in problems("activation=bent")[0]
    assert "Options of the lab" not in help_text()


def test_another_lab_takes_its_place(tmp_path):
    other = {"conf/activation/bent.yaml": BENT["conf/activation/bent.yaml"].replace("slope: 0.1", "slope: 0.7")}
    for name, files, slope in (("one", BENT, 0.1), ("two", BENT | other, 0.7)):
        with using(write_lab(tmp_path / name, files)):
            assert compose((*MOONS, "activation=bent")).config["activation"]["slope"] == slope


def test_an_edited_file_is_read_again(bent, tmp_path):
    path = bent / "conf/activation/bent.yaml"
    path.write_text(path.read_text().replace("slope: 0.1", "slope: 0.2"))
    with using(bent):
        assert compose((*MOONS, "activation=bent")).config["activation"]["slope"] == 0.2


def test_the_folders_of_a_lab_are_its_defaults(tmp_path):
    with using(write_lab(tmp_path, BENT | {"dlexp.toml": 'output_dir = "runs"\n'})):
        assert scalars()["output_dir"] == str(tmp_path / "runs")
        assert compose(("output_dir=other",)).config["output_dir"] == "other"


def test_a_study_of_a_lab_or_of_any_file_is_read(bent, tmp_path):
    assert "mine" in studies()
    assert read_study("mine").axes == {"activation": ["bent", "relu"]}
    (tmp_path / "other.yaml").write_text(STUDY)
    assert read_study(str(tmp_path / "other.yaml")).name == "other"
    assert read_study(str(bent / "conf/study/mine.yaml")).name == "mine"


def test_a_file_with_the_name_of_a_study_is_refused(bent, tmp_path):
    (tmp_path / "mine.yaml").write_text(STUDY)
    with pytest.raises(ConfigError, match="is a study mine too, and both would write to the same folder"):
        read_study(str(tmp_path / "mine.yaml"))


INTRUDERS = {
    "conf/config.yaml": "a lab has no base config",
    "conf/activation/relu.yaml": "dlexp has an option activation=relu: give this one another name",
    "conf/study/loss.yaml": "dlexp has an option study=loss",
    "conf/probe/grad_flow.yaml": "dlexp has an option probe=grad_flow",
    "conf/activations/x.yaml": "no such group. .*Did you mean activation?",
    "conf/hydra/launcher/basic.yaml": "no such group",
    "conf/activation/my-part.yaml": "the name of an option is a letter",
    "conf/activation/bent2.yml": "its file ends with .yaml",
}


@pytest.mark.parametrize("name", INTRUDERS)
def test_what_would_change_dlexp_is_refused(name, tmp_path):
    with pytest.raises(ConfigError, match=INTRUDERS[name]), using(write_lab(tmp_path, BENT | {name: "a: 1\n"})):
        pass
    assert current_lab() is None


TARGETS = {
    "os.system": "there is no os.py in",
    "my_parts.system": "my_parts.py defines no function or class system; it defines Bent",
    "my_parts.bend": "my_parts.py imports bend: name the module that defines it",
    "my_parts.nn": "my_parts.py imports nn",
    "my_parts": "must be a module and a name in it",
    "..my_parts.Bent": "must be a module and a name in it",
    "my_parts.Bent.forward": "there is no my_parts/Bent.py",
    "torch.load": "an option of activation in a lab names a public class of torch.nn that is a Module, or what",
    "torch.optim.Adam": "an option of activation in a lab names a public class of torch.nn",
    "torch.nn._reduction.get_enum": "must be a module and a name in it",
    "torch.nn.functional.relu": "names a public class of torch.nn",
    "dlexp.machine.files.write_whole": "an option of activation in a lab",
    "broken.Bent": r"broken.py, line 2: ",
    3: "needs `_partial_: true`",
}


@pytest.mark.parametrize("target", TARGETS)
def test_other_code_cannot_be_named(target, tmp_path):
    files = BENT | {"conf/activation/wrong.yaml": f"_target_: {target}\n_partial_: true\n", "broken.py": "x = 1\ndef\n"}
    with using(write_lab(tmp_path, files)):
        assert "wrong" in groups()["activation"]
        with pytest.raises(ConfigError, match=TARGETS[target]):
            problems("activation=wrong")
        assert problems(*MOONS, "activation=bent") == []


@pytest.mark.parametrize("target", ["torch.nn.CELU", "torch.nn.ReLU", "my_parts.Bent", "blocks.bend", "deep.parts.Bent"])
def test_allowed_code_is_not_imported(target, tmp_path):
    files = BENT | {
        "conf/activation/right.yaml": f"_target_: {target}\n_partial_: true\n",
        "my_parts.py": "raise RuntimeError\nclass Bent: pass\n",
        "deep/parts.py": "class Bent: pass\n",
    }
    with using(write_lab(tmp_path, files)):
        assert problems(*MOONS, "activation=right") == []


def test_an_option_may_be_one_of_dlexp_with_other_defaults(tmp_path):
    text = "_target_: torch.optim.SGD\n_partial_: true\nlr: 0.5\nmomentum: 0.0\n"
    with using(write_lab(tmp_path, {"conf/optimizer/fast.yaml": text})):
        assert problems("optimizer=fast") == []


CONTENTS = {
    "slope: 1": "_target_ is missing",
    "_target_: my_parts.Bent": "needs `_partial_: true`",
    "_target_: my_parts.Bent\n_partial_: true\n_args_: [1]": "_args_: only _target_ and _partial_ begin with an underscore",
    "_target_: my_parts.Bent\n_partial_: true\nx: {_target_: os.system, _partial_: true}": "os.system: there is no os.py",
    "_target_: my_parts.Bent\n_partial_: true\nx: ${oc.env:HOME}": "only references to keys",
    "_target_: my_parts.Bent\n_partial_: true\n_traits_: [images]": "_traits_: must be a map",
    "_target_: my_parts.Bent\n_partial_: true\n_ranges_: [1]": "_ranges_: must be a map",
    "_target_: my_parts.Bent\n_partial_: true\nx: !!python/name:os.system": "could not determine a constructor",
    "_target_: my_parts.Bent\n_partial_: true\ndefaults: [relu]": "the key defaults is Hydra's",
    "# @package _global_\n_target_: my_parts.Bent\n_partial_: true\nhydra: {mode: RUN}": "the key hydra is Hydra's",
    "a: [": "wrong.yaml: ",
}


@pytest.mark.parametrize("content", CONTENTS)
def test_the_rest_of_a_file_is_checked(content, tmp_path):
    folder = write_lab(tmp_path, BENT | {"conf/activation/wrong.yaml": content})
    with using(folder), pytest.raises(ConfigError, match=CONTENTS[content]):
        problems("activation=wrong")


HARDWARE = {
    "device: cpu": "the key num_threads is missing",
    "threads: 2": "threads: no such key. Keys: device",
    "device: {_target_: os.system}": "_target_: os.system: an option of hardware names no code",
}


@pytest.mark.parametrize("content", HARDWARE)
def test_an_option_of_hardware_has_the_keys_of_the_others_and_no_code(content, tmp_path):
    folder = write_lab(tmp_path, {"conf/hardware/mine.yaml": content})
    with using(folder), pytest.raises(ConfigError, match=HARDWARE[content]):
        problems("hardware=mine")


def test_an_option_of_hardware_may_be_one_of_dlexp_with_other_values(tmp_path):
    text = (CONF / "hardware" / "cpu.yaml").read_text().replace("num_threads: 1", "num_threads: 2")
    with using(write_lab(tmp_path, {"conf/hardware/mine.yaml": text})):
        assert problems("hardware=mine") == []
        assert compose(["hardware=mine"]).config["hardware"]["num_threads"] == 2


def test_unknown_traits_and_missing_keys_are_named(tmp_path):
    reader = "_target_: my_parts.Bent\n_partial_: true\nper_class: null\n"
    files = {
        "conf/dataset/mine.yaml": reader,
        "conf/loss/mine.yaml": "_target_: my_parts.Bent\n_partial_: true\n_traits_: {wants: []}\n",
    }
    with using(write_lab(tmp_path, BENT | files)):
        with pytest.raises(ConfigError, match=r"the key scale is missing[^$]*the key scale_on is missing"):
            problems("dataset=mine")
        with pytest.raises(ConfigError, match="_traits_: no such trait: wants. Traits: needs, gives"):
            traits("loss", "mine")
