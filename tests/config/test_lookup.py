import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlexp.config.grid import GRID
from dlexp.config.lookup import look_up
from dlexp.config.options import default_choices, groups, option_keys, scalars
from dlexp.config.values import leaves

NORMS = "Options: bn, gn, in, ln, none, rms."
NO_REFERENCE = "is not a reference to a key, such as ${depth}; nothing else is looked up."

MESSAGES = [
    ("norm=bm", [f"norm=bm: no such option. {NORMS} Did you mean bn?"]),
    ("norm=BN", [f"norm=BN: no such option. {NORMS} Did you mean bn?"]),
    ("norm=", [f"norm=: no such option. {NORMS}"]),
    ("norm=[bn]", [f"norm=['bn']: no such option. {NORMS} Did you mean bn?"]),
    ("norm={eps:1}", [f"norm={{'eps': 1}}: no such option. {NORMS}"]),
    ("lr=0.1", ["lr=0.1: no such key. Did you mean optimizer.lr=0.1?"]),
    ("+lr=0.1", ["+lr=0.1: no such key. Did you mean optimizer.lr=0.1?"]),
    ("optim.lr=0.1", ["optim.lr=0.1: no such key. Did you mean optimizer.lr=0.1?"]),
    ("bathc_size=4", ["bathc_size=4: no such key. Did you mean batch_size=4?"]),
    ("actvation=relu", ["actvation=relu: no such key. Did you mean activation=relu?"]),
    ("norm/eps=1", ["norm/eps=1: no such key. Did you mean norm.eps=1 or optimizer.eps=1?"]),
    (
        "gamma=1",
        ["gamma=1: no such key. Did you mean loss=focal loss.gamma=1 or scheduler=exponential scheduler.gamma=1?"],
    ),
    ("qqqq=1", ["qqqq=1: no such key."]),
    ("norm.eps.x=1", ["norm.eps.x=1: no such key. Did you mean norm.eps=1?"]),
    ("+optimizer.lr=0.1", ["+optimizer.lr=0.1: optimizer.lr is there already: leave out the plus sign."]),
    ("++norm=gn", ["++norm=gn: norm is there already: leave out the plus sign."]),
    ("~norm", ["~norm: nothing can be deleted from a config; norm=none leaves it out."]),
    ("~depth", ["~depth: nothing can be deleted from a config."]),
    ("norm@model.norm=gn", ["norm@model.norm=gn: a group has one place: write norm=gn."]),
    (
        "optimizer.momentum=0.9",
        ["optimizer.momentum=0.9: optimizer=adamw has no momentum; momentum, muon, nesterov, rmsprop have."],
    ),
    ("norm=gn norm.momentum=0.2", ["norm.momentum=0.2: norm=gn has no momentum; bn has."]),
    ("norm=gn model.norm.groups=4", ["model.norm.groups=4: set it on the group: norm.groups=4."]),
    ("model.norm.groups=4", ["model.norm.groups=4: the group norm sets it. Did you mean norm=gn norm.groups=4?"]),
    ("model.norm=gn", ["model.norm=gn: set it on the group: norm=gn."]),
    ("+model.activation.x=1", ["+model.activation.x=1: the group activation sets it."]),
    ("model.dropout.p=0.1", ["model.dropout.p=0.1: set it on the key: dropout=0.1."]),
    ("model.dropout=0.1", ["model.dropout=0.1: set it on the key: dropout=0.1."]),
    (
        "hardware.device=cuda",
        ["hardware.device=cuda: follows from the option: choose another one of hardware (auto, cpu, cuda)."],
    ),
    ("depth=1,2", ["depth=1,2: several values: add -m to sweep over them."]),
    ("depth=range(1,3)", ["depth=range(1,3): several values: add -m to sweep over them."]),
    ("norm=glob(*)", ["norm=glob(*): several values: add -m to sweep over them."]),
    ("depth=1 depth=2", ["depth=2: depth is set twice, here and by depth=1."]),
    ("relu", ["relu: not of the form key=value. Did you mean activation=relu?"]),
    ("data_dir=${oc.env:HOME}", [f"data_dir=${{oc.env:HOME}}: ${{oc.env:HOME}} {NO_REFERENCE}"]),
    ("width=${dept}", ["width=${dept}: ${dept} refers to no key. Did you mean ${depth}?"]),
    ("width=${norm}", ["width=${norm}: ${norm} refers to no key."]),
]

SWEEPS = [
    ("norm=bn,bm,gn", [f"norm=bm: no such option. {NORMS} Did you mean bn?"]),
    ("norm=glob(z*)", [f"norm=glob(z*): matches no option. {NORMS}"]),
    ("norm=bn,gn norm.groups=4", ["norm.groups=4: norm=bn has no groups; gn has. skip=without_effect leaves these cells out."]),
    ("norm=bn,gn norm.eps=0.1", []),
    ("optimizer=momentum,nesterov optimizer.momentum=0.5,0.9", []),
    (
        "depth=interval(1,2)",
        ["depth=interval(1,2): an interval has no list of values: write them out, or use 'depth=lin(0,1,5)'."],
    ),
    (
        "l1=range(0.1,0.4,0.1)",
        ["l1=range(0.1,0.4,0.1): a range takes whole numbers and a step that is not 0: use lin(first,last,number)."],
    ),
    (
        "depth=range(1,3,0)",
        ["depth=range(1,3,0): a range takes whole numbers and a step that is not 0: use lin(first,last,number)."],
    ),
    ("depth=range(3,1)", ["depth=range(3,1): no values."]),
    ("depth=1,2,1", ["depth=1,2,1: the same value comes twice."]),
    ("seed=range(0,1000000000)", ["seed=range(0,1000000000): makes a sweep of more than 100000 runs."]),
    ("seed=range(0,1000) depth=range(0,1000)", ["depth=range(0,1000): makes a sweep of more than 100000 runs."]),
    ("hydra.mode=RUN,MULTIRUN", ["hydra.mode=RUN,MULTIRUN: a setting of hydra takes one value."]),
]

HYDRA = "of hydra only hydra.mode, hydra.sweeper.params may be set."


@pytest.mark.parametrize(("command", "expected"), MESSAGES)
def test_a_mistake_is_answered_with_what_is_meant(command: str, expected: list[str]) -> None:
    assert look_up(command.split(), multirun=False) == expected


@pytest.mark.parametrize(("command", "expected"), SWEEPS)
def test_a_sweep_is_looked_up_in_every_value(command: str, expected: list[str]) -> None:
    assert look_up(command.split(), multirun=True) == expected


@pytest.mark.parametrize("key", [*groups(), *dict(leaves(scalars()))])
@pytest.mark.parametrize(
    "form", ["~{}", "~{}=1", "{}@x=1", "+{}._target_=x", "{}.no.such.key=1", "{}=${{now:%Y}}", "{}=", "{}={{_args_:[]}}"]
)
def test_no_key_can_be_bent(key: str, form: str) -> None:
    harmless = form == "{}=" and key not in [*groups(), *GRID]  # an empty text: the range of the key decides
    assert bool(look_up([form.format(key)], multirun=False)) is not harmless


@pytest.mark.parametrize("group", default_choices())
def test_every_key_of_every_option_can_be_set_or_says_where(group: str) -> None:
    for option in groups()[group]:
        for key in option_keys(group, option):
            lines = look_up([f"{group}={option}", f"{key}=1"], multirun=False)
            assert not lines or any(
                word in lines[0] for word in ("set it on", " sets it.", "follows from the option", "is not for a command")
            )


@pytest.mark.parametrize(
    ("command", "multirun"),
    [
        (["hydra.mode=RUN"], False),
        (["hydra.sweeper.params.depth='1,2'"], True),
        (["hydra.mode=MULTIRUN", "hydra.sweeper.params.depth='1,2'"], False),
    ],
)
def test_some_of_hydra_may_be_set(command: list[str], multirun: bool) -> None:
    assert look_up(command, multirun=multirun) == []


@pytest.mark.parametrize(
    ("command", "multirun", "message"),
    [
        (["hydra.sweeper.params.depth='1,2'"], False, "has no effect without a sweep: add -m, or leave it out."),
        (["hydra.sweeper.params={depth:'1,2'}"], False, "has no effect without a sweep: add -m, or leave it out."),
        (["hydra.mode=RUN"], True, "contradicts -m: leave one of the two out."),
        (["depth=3", "hydra.sweeper.params.depth='1,2'"], True, "depth is set twice, here and by depth=3."),
        (["hydra.sweeper.params.depth='1,2'", "depth=3"], True, "set twice, here and by hydra.sweeper.params.depth='1,2'."),
    ],
)
def test_a_setting_of_hydra_that_would_be_ignored_is_refused(command: list[str], multirun: bool, message: str) -> None:
    (line,) = look_up(command, multirun=multirun)
    assert line.endswith(message)


@pytest.mark.parametrize(
    "override",
    [
        "hydra.run.dir=x",
        "hydra/callbacks=x",
        "+hydra.callbacks.x=1",
        "hydra/job_logging=x",
        "hydra.searchpath=[x]",
        "hydra=1",
        "hydra.sweeper=x",
        "hydra/sweeper=basic",
        "hydra.output_subdir=x",
        "hydra.mode.x=1",
        "~hydra.mode",
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=4",
        "hydra.verbose=true",
    ],
)
def test_the_rest_of_hydra_may_not(override: str) -> None:
    assert look_up([override], multirun=False) == [f"{override}: {HYDRA}"]


@pytest.mark.parametrize(
    "value", ["{_target_:os.system}", "'f()'", "'x.class'", "'_target_'", "${oc.env:HOME}", "[{a:{_target_:x}}]"]
)
@pytest.mark.parametrize(
    "key", ["hydra.launcher", "hydra.launcher.x", "+hydra.launcher.x", "hydra.sweeper.params", "hydra.verbose"]
)
def test_nothing_that_names_code_gets_into_hydra(key: str, value: str) -> None:
    assert len(look_up([f"{key}={value}"], multirun=False)) == 1


def test_the_axes_of_a_sweeper_are_looked_up_too() -> None:
    assert look_up(["+hydra.sweeper.params.norm='bn,bm'"], multirun=True) == [
        f"norm=bm: no such option. {NORMS} Did you mean bn?"
    ]
    assert look_up(["hydra.sweeper.params={depth:'1,2',lr:'1'}"], multirun=True) == [
        "lr=1: no such key. Did you mean optimizer.lr=1?"
    ]


@pytest.mark.parametrize(
    "text", ["a=[", "a=b=c", "a={", "--x=1", "a[0]=1", "a=f(1)", "a=,", "", "a=" + "[" * 5000, "a=" + "x" * 20_000]
)
def test_what_cannot_be_read_is_shown_on_one_line(text: str) -> None:
    (line,) = look_up([text], multirun=False)
    assert line.startswith(text[:100])
    assert len(line) < 400
    assert line.isprintable()


def test_a_terminal_gets_no_control_characters() -> None:
    assert all(line.isprintable() for line in look_up(["norm=\x1b[31m", "\x1b=\n", "x\n=1", "norm='\x07'"], multirun=False))


KEYS = st.sampled_from(
    [*groups(), *dict(leaves(scalars())), "optimizer.lr", "model.norm", "hydra.launcher", "hydra.sweeper.params"]
)
VALUES = st.text() | st.sampled_from(
    ["1,2", "glob(*)", "range(0,2)", "${depth}", "{a:1}", "[1]", "'x'", "choice(1)", "null", "nan"]
)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.text() | st.builds("{}{}={}".format, st.sampled_from(["", "+", "++", "~"]), KEYS, VALUES), max_size=3),
    st.booleans(),
)
def test_looking_up_never_raises(overrides: list[str], multirun: bool) -> None:
    lines = look_up(overrides, multirun=multirun)
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("probe=grad_flow", "takes a list, such as probe=["),
        ("probe=[grad_flo]", "Did you mean grad_flow?"),
        ("probe=[grad_flow,grad_flow]", "the same probe comes twice"),
        ("probe=null", "takes a list"),
        ("probe.grad_flow.every=2", "this probe is not chosen: add it to probe=[...]"),
        ("probe=[grad_flow] probe.grad_flow.evry=2", "Did you mean probe.grad_flow.every=2?"),
        ("probe=[../model/mlp]", "no such option"),
        ("probe=[{a:b}]", "no such option"),
    ],
)
def test_a_probe_that_is_none(command: str, message: str) -> None:
    (line,) = look_up(command.split(), multirun=False)
    assert message in line


@pytest.mark.parametrize("command", ["probe=[]", "probe=[grad_flow,dead_units] probe.dead_units.every=5"])
def test_probes_that_are_there(command: str) -> None:
    assert look_up(command.split(), multirun=False) == []
