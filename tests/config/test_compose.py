import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from functools import reduce

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from dlexp.config.check import find_problems
from dlexp.config.check_config import check
from dlexp.config.compose import Composed, compose
from dlexp.config.options import CONF, NOTES, default_choices, default_lists, groups, list_groups, template, traits

REPOSITORY = CONF.parent
OPTIONS = [(group, option) for group, options in groups().items() for option in options]

# Commands that a config alone shows to be wrong, each with the key at fault.
BAD_VALUES = [
    *(
        (f"optimizer.lr={value}", "optimizer.lr")
        for value in ("nan", "inf", "-1", "0", "0.1x", "true", "null", "[0.1]", "{a:1}")
    ),
    *((f"optimizer=momentum optimizer.momentum={value}", "optimizer.momentum") for value in ("-0.1", "1.0", "1.5", "nan")),
    *((f"optimizer.weight_decay={value}", "optimizer.weight_decay") for value in ("-1", "nan")),
    *((f"optimizer.betas={value}", "optimizer.betas") for value in ("[1,0.9]", "[0.9,1.2]", "[0.9]", "0.9", "[0.9,x]")),
    *((f"optimizer.eps={value}", "optimizer.eps") for value in ("0", "-1")),
    *((f"norm.eps={value}", "norm.eps") for value in ("0", "-1")),
    *((f"norm.momentum={value}", "norm.momentum") for value in ("0", "1.5")),
    *((f"dropout={value}", "dropout") for value in ("-0.1", "1.0", "1.5", "nan")),
    *((f"model.widths={value}", "model.widths") for value in ("[]", "[0]", "[-1]", "[1000000000]", "[1.5]", "16", "[[16]]")),
    *((f"depth={value}", "depth") for value in ("-1", "1001", "2.0", "two", "true", f"1{'0' * 400}")),
    *((f"width={value}", "width") for value in ("0", "65537")),
    *((f"norm=gn norm.groups={value}", "norm.groups") for value in ("0", "{}", "{16:0}", "{a:4}", "[4]")),
    ("norm=gn norm.group_size=0", "norm.group_size"),
    *((f"batch_size={value}", "batch_size") for value in ("0", "-1", "2.5", "all")),
    *((f"hardware.loader=workers hardware.num_workers={value}", "hardware.num_workers") for value in ("-1", "10000")),
    *((f"epochs={value}", "epochs") for value in ("0", "-1", "1000000000", "null")),
    *((f"max_steps={value}", "max_steps") for value in ("0", "-1", "1.5")),
    *((f"scheduler=step scheduler.gamma={value}", "scheduler.gamma") for value in ("0", "2")),
    ("scheduler=step scheduler.step_size=0", "scheduler.step_size"),
    *((f"scheduler=plateau scheduler.factor={value}", "scheduler.factor") for value in ("1", "0")),
    ("scheduler=plateau scheduler.patience=-1", "scheduler.patience"),
    ("early_stopping.patience=-1", "early_stopping.patience"),
    *((f"grad_clip={value}", "grad_clip") for value in ("-1", "nan", "0")),
    *((f"{key}={value}", key) for key in ("l1", "l2") for value in ("-1", "inf")),
    ("loss.label_smoothing=1.5", "loss.label_smoothing"),
    *((f"seed={value}", "seed") for value in ("-1", str(2**70), "x", "0.5")),
    ("data_seed=-1", "data_seed"),
    ("hardware=gpu", "hardware"),
    ("precision=fp8", "precision"),
    *((f"val_fraction={value}", "val_fraction") for value in ("1.0", "-0.1", "1.5", "nan")),
    *((f"init=small_normal init.std={value}", "init.std") for value in ("-1", "nan")),
    ("save_every=0", "save_every"),
    ("keep=0", "keep"),
    ("optimiser=sgd", "optimiser"),
    ("dataset=moons model=mlp dataset.noise=-0.1", "dataset.noise"),
    ("activation=leaky_relu activation.negative_slope=nan", "activation.negative_slope"),
    ("drop_last=1", "drop_last"),
    ("drop_last=yes", "drop_last"),
    ("evaluate_on=train", "evaluate_on"),
    ("monitor=accuracy", "monitor"),
    ("retry=all", "retry"),
    ("output_dir=''", "output_dir"),
    ("hardware.num_threads=0", "hardware.num_threads"),
    ("model.depth=-1", "model.depth"),
    ("depth=${depth}", "depth"),
    ("depth=${dropout}", "depth"),
    ("dataset=image_folder", "dataset.root"),
    ("precision=fp16 precision.init_scale=0", "precision.init_scale"),
]

TARGETS = [
    "os.system",
    "logging.os.system",
    "pdb.Pdb._getval",
    "builtins.eval",
    "builtins.exec",
    "subprocess.run",
    "subprocess.Popen",
    "shutil.rmtree",
    "runpy.run_path",
    "timeit.timeit",
    "code.interact",
    "importlib.import_module",
    "pickle.loads",
    "ctypes.CDLL",
    "webbrowser.open",
    "pathlib.Path.write_text",
    "numpy.fromfile",
    "numpy.load",
    "torch.load",
    "torch.hub.load",
    "torchvision.io.write_file",
    "torchvision.datasets.utils.extract_archive",
    "hydra.utils.instantiate",
    "hydra._internal.utils._locate",
    "dlexp.parts.norm.bn.BatchNorm.__init__",
    "torch.nn.ReLU ",
    "",
]


def made(*overrides: str, **changes: object) -> Composed:
    """A config made of sound overrides; `a__b=1` then sets a.b to anything at all."""
    composed = compose(overrides)
    for path, value in changes.items():
        *above, name = path.replace("__", ".").split(".")
        reduce(lambda node, key: node[key], above, composed.tree)[name] = value
    return composed


def refusals(command: str, *, multirun: bool = False) -> list[str]:
    """What train.py would say to a command."""
    overrides = command.split()
    return find_problems(overrides, multirun=multirun) or check(made(*overrides))


@pytest.mark.parametrize(("command", "key"), BAD_VALUES)
def test_a_bad_value_is_refused_by_its_key(command: str, key: str) -> None:
    problems = refusals(command)
    assert len(problems) == 1
    assert problems[0].startswith((f"{key}:", f"{key}="))


def test_a_name_that_looks_like_a_number_is_answered_with_quotes() -> None:
    command = "dataset=npz dataset.train=x dataset.test_fraction=0.2 dataset.inputs="
    advice = """As text it stands in quotes: 'dataset.inputs="0"'."""
    assert refusals(f"{command}0") == [f"dataset.inputs: must be text, or null, got 0. {advice}"]
    assert refusals(f'{command}"0"') == []
    (problem,) = refusals("output_dir=202611261200")  # a folder called after the minute
    assert problem.endswith("""got 202611261200. As text it stands in quotes: 'output_dir="202611261200"'.""")
    assert refusals('output_dir="202611261200"') == []


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_the_defaults_of_every_option_pass(group: str, option: str) -> None:
    features = [dataset for dataset in groups()["dataset"] if "features" in traits("dataset", dataset).gives]
    models = {"dirac_whitening": "speednet", "sine": "lstm", **dict.fromkeys(features, "mlp")}
    beside = {"dataset": "sine"} if option == "lstm" else {"model": models[option]} if option in models else {}
    choices = default_choices() | {group: option} | beside
    needed = {"image_folder": ["root"], "csv_table": ["train", "label"], "npz": ["train"]}.get(option, [])
    needs = [f"dataset.{key}: must be given, as dataset.{key}=..." for key in needed]
    assert check(Composed(template(choices, default_lists()), choices)) == needs


def test_composing_gives_what_the_files_say() -> None:
    composed = compose(["norm=gn", "seed=3"])
    choices = default_choices() | {"norm": "gn"}
    assert composed.choices == choices
    assert composed.command == ["norm=gn", "seed=3"]
    assert composed.overridden_keys == {"norm", "seed"}
    assert composed.tree == template(choices, default_lists()) | {"seed": 3}


EVERY_OPTION = [(f"{group}={option}",) for group, options in groups().items() for option in options]
EVERY_OPTION += [(f"{group}=[{option}]",) for group, options in list_groups().items() for option in options]
COMMANDS = [
    (),
    ("norm=gn", "norm.groups={16:4}", "model.widths=[16,32]"),
    ("dataset.scale={mean:[0.5,0.4],std:[1,2]}", "dataset.scale_on=all"),
    ("precision=fp16", "l1=${l2}", "data_dir='a b'"),
    ("probe=[grad_flow,dead_units]", "probe.grad_flow.every=2"),
    ("optimizer=adam", "optimizer.betas=[0.5,0.9]", "optimizer.lr=1e-2", "max_steps=null", "drop_last=True"),
]


@pytest.fixture(scope="module")
def hydra():
    """Hydra's own composition: the tree without what describes an option, and the choices."""

    def compose_with_hydra(overrides):
        cfg = hydra_compose("config", list(overrides), return_hydra_config=True)
        choices = {group: option for group, option in cfg.hydra.runtime.choices.items() if group in groups()}
        tree = OmegaConf.to_container(cfg)
        for key in ("hydra", *NOTES):
            tree.pop(key, None)
        for group, part in tree.items():
            for option in part.values() if group in list_groups() else [part]:
                for note in NOTES if isinstance(option, dict) else ():
                    option.pop(note, None)
        return {group: {} for group in list_groups()} | tree, choices

    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield compose_with_hydra


@pytest.mark.parametrize("overrides", [*COMMANDS, *EVERY_OPTION])
def test_composing_gives_what_hydra_composes(overrides: tuple[str, ...], hydra) -> None:
    composed = compose(overrides)
    assert (composed.tree, composed.choices) == hydra(overrides)
    assert composed.config == OmegaConf.to_container(OmegaConf.create(composed.tree), resolve=True)


def test_composing_is_independent_of_the_working_directory(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert compose().tree == compose(["hydra.mode=RUN"]).tree
    assert compose(["hydra.mode=RUN"]).overrides == ()


def test_composing_changes_no_default() -> None:
    before = deepcopy(template(default_choices(), default_lists()))
    made("model.widths=[16]", "early_stopping.patience=3", optimizer__betas=[0, 0]).tree["model"]["dropout"]["p"] = 0.9
    assert template(default_choices(), default_lists()) == before


def test_resolving_leaves_no_reference_and_no_environment() -> None:
    config = compose(["depth=5"]).config
    assert config["model"]["depth"] == 5
    assert "${" not in str(config)
    assert made(data_dir="${oc.env:HOME}/x").config["data_dir"] == "${oc.env:HOME}/x"


def test_a_resolved_config_passes_too() -> None:
    composed = compose(["norm=gn", "norm.groups={16:4,32:8}", "model.widths=[16,32]"])
    assert check(composed) == []
    assert check(replace(composed, tree=composed.config)) == []


def test_all_mistakes_of_a_command_come_at_once() -> None:
    problems = refusals("norm=bm lr=0.1 depth=-1 optimizer.eps=nan")
    assert [problem.split(":")[0] for problem in problems] == ["norm=bm", "lr=0.1", "optimizer.eps", "depth"]


def test_a_refused_sweep_is_checked_in_every_value() -> None:
    problems = refusals("-m depth=1,2,-3 dropout=0.1,1.1 nrm=bn", multirun=True)
    assert [problem.split(":")[0] for problem in problems] == ["-m", "nrm=bn", "depth", "dropout"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "path", ["activation._target_", "model.dropout._target_", "norm", "optimizer.lr", "dataset.x", "callbacks"]
)
def test_a_config_that_names_other_code_is_refused(path: str, target: str) -> None:
    value = target if path.endswith("_target_") else {"_target_": target}
    problems = check(made(**{path.replace(".", "__"): value}))
    assert problems
    assert all(problem.startswith(path) for problem in problems)


@pytest.mark.parametrize("name", ["_partial_", "_args_", "_recursive_", "_convert_", "_target_"])
@pytest.mark.parametrize("value", [["id"], 1, None, "all"])
def test_what_hydra_would_obey_is_refused(name: str, value: object) -> None:
    assert check(made(**{f"activation__{name}": value}))


def test_code_of_another_option_is_refused() -> None:
    assert check(made(activation___target_="torch.nn.Tanh")) == [
        "activation._target_: must be 'torch.nn.ReLU', as in the file of the option, got 'torch.nn.Tanh'."
    ]


@pytest.mark.parametrize(
    "value", ["${oc.env:HOME}", "${oc.decode:1}", "x${hydra:runtime.cwd}", ["${oc.env:HOME}"], {"a": "${now:%Y}"}]
)
def test_a_config_with_a_resolver_in_it_is_refused(value: object) -> None:
    assert len(check(made(data_dir=value))) == 1


@pytest.mark.parametrize("path", ["norm.eps", "optimizer", "seed", "early_stopping.patience"])
def test_a_config_that_lacks_a_key_is_refused(path: str) -> None:
    composed = made()
    above, _, name = path.rpartition(".")
    del reduce(lambda node, key: node[key], above.split(".") if above else [], composed.tree)[name]
    assert check(composed) == [f"{path}: is missing."]


def test_an_unknown_choice_is_refused() -> None:
    assert check(replace(made(), choices=default_choices() | {"norm": "../bn"}))[0].startswith("norm=../bn: no such option.")


def test_no_hostile_command_runs_or_imports_anything() -> None:
    """In a process of its own, where an audit hook sees every import, file and process."""
    program = f"""
import sys
sys.path.insert(0, {str(REPOSITORY)!r})
from dlexp.config.check import find_problems
from dlexp.config.check_config import check
from tests.config.test_compose import TARGETS, made
composed = made()
find_problems(["norm=bm"], multirun=False), check(composed)
events = []
def watch(event, arguments):
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if writes or event in ("import", "exec", "compile", "os.system", "subprocess.Popen", "socket.connect", "shutil.rmtree"):
        events.append((event, str(arguments)))
sys.addaudithook(watch)
for target in TARGETS:
    code = f"{{{{_target_:{{target}}}}}}"
    command = [f"activation._target_={{target}}", f"+norm._target_={{target}}", f"+x._target_={{target}}",
               f"optimizer.lr={{code}}", f"+init={{code}}", f"model.widths=[{{code}}]",
               f"hydra.callbacks.x._target_={{target}}", f"hydra.launcher._target_={{target}}",
               f"hydra.sweeper.params={{{{x:{{code}}}}}}", f"loss={{target}}"]
    assert len(find_problems(command, multirun=False)) == len(command)
    assert check(made(activation___target_=target)) and check(made(norm__x={{"_target_": target}}))
if not events:
    import webbrowser  # the hook does see an import
    sys.exit(not events)
sys.exit(str(sorted(set(events))))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr


def test_a_refusal_needs_no_torch() -> None:
    program = (
        "import sys; from dlexp.config.check import find_problems; "
        "assert find_problems(['lr=1'], multirun=False); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert not {"torch", "numpy", "jaxtyping", "dlexp.contract"} & set(done.stdout.split())
