"""R35, R37, R38: files that anybody may have written name no code, are no bombs, and lead nowhere else."""

import contextlib
import json
import sys
import time
from pathlib import Path

import pytest
import yaml
from hydra.utils import instantiate
from omegaconf import OmegaConf

from dlexp.analysis import load_runs
from dlexp.analysis.judge.analyse import analyse
from dlexp.analysis.read.folder import DamagedError, read_run_folder
from dlexp.config import options
from dlexp.config.lookup import look_up
from dlexp.config.plain_yaml import parse
from dlexp.errors import ConfigError
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.run.record.identity import slug
from dlexp.study import definition as study
from dlexp.study.request import Request, compose_runs
from tests.analysis.made import make_run, make_study
from tests.config.test_compose import TARGETS
from tests.runs import MOONS, prepare

NINE = "*{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}, *{0}"
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{NINE.format(before)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
BOMBS = {
    "a billion laughs": LAUGHS,
    "laughs in one key": "a: [" + LAUGHS.replace("\n", ", ").replace("a: &a", "&a").replace(": &", "x, &") + "1]\n",
    "in itself": "a: &a\n  b: *a\n",
    "nested too deeply": f"a: {'[' * 40_000}{']' * 40_000}\n",
    "a call": "a: !!python/object/apply:os.system ['touch executed']\n",
    "a path": "a: !!python/object/apply:pathlib.PosixPath ['/etc']\n",
    "a module": "a: !!python/module:webbrowser\n",
    "a tag of its own": "a: !launch {}\n",
    "a key twice": "a: 1\nb: 2\na: 3\n",
    "a key twice inside": "a:\n  b: 1\n  c: 2\n  b: 3\n",
    "five megabytes": f"a: {'x' * 5_000_000}\n",
    "many values": "a: [" + "1," * 45_000 + "1]\n",
    "no text": "a: \0\n",
}


@pytest.fixture
def quickly(monkeypatch, tmp_path):
    """Fails if the test takes a second."""
    monkeypatch.chdir(tmp_path)
    start = time.process_time()
    yield
    assert time.process_time() - start < 1
    assert not (tmp_path / "executed").exists()
    assert "webbrowser" not in sys.modules or webbrowser_was_there


webbrowser_was_there = "webbrowser" in sys.modules


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_study_that_is_a_bomb_is_refused(bomb, tmp_path, quickly):
    path = tmp_path / "bomb.yaml"
    path.write_text(BOMBS[bomb])
    with pytest.raises(ConfigError, match=f"^{path}: ") as refused:
        study.read_study(str(path))
    assert len(str(refused.value).removeprefix(str(path))) < 200


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_config_file_that_is_a_bomb_is_refused_before_hydra_reads_it(bomb, tmp_path, monkeypatch, quickly):
    file = tmp_path / "norm" / "bn.yaml"
    file.parent.mkdir()
    file.write_text(BOMBS[bomb])
    keys_of = options.option_keys.__wrapped__
    monkeypatch.setattr(options, "read_option", lambda group, option: options.read(file))
    with pytest.raises(ConfigError, match=f"^{file}: "):
        keys_of("norm", "bn")
    monkeypatch.setattr("dlexp.config.lookup.option_keys", keys_of)
    with pytest.raises(ConfigError, match=f"^{file}: "):
        look_up(["seed=1"], multirun=False)


@pytest.mark.parametrize("file", ["config.yaml", ".hydra/hydra.yaml"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_run_folder_that_holds_a_bomb_is_left_out(bomb, file, tmp_path, quickly):
    folder = make_run(tmp_path, {"depth": 1}, 0, status="interrupted")
    (folder / file).write_text(BOMBS[bomb])
    with pytest.raises(DamagedError):
        read_run_folder(folder)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 100_000, f'{{"id": "{"x" * 5_000_000}"}}', "1" * 5000, "NaN"])
@pytest.mark.parametrize("file", ["summary.json", "protocol.json"])
def test_json_that_is_a_bomb_is_refused(text, file, tmp_path, quickly):
    folder = make_study(tmp_path, {"depth": [1]}, [0], status=lambda cell, seed: "missing")
    make_run(folder, {"depth": 1}, 0)
    path = folder / file if file == "protocol.json" else next(folder.glob("depth=*")) / file
    path.write_text(text)
    if file == "protocol.json":
        with pytest.raises(ValueError, match=r"protocol\.json: "):
            analyse(folder)
    else:
        with pytest.raises(DamagedError):
            read_run_folder(path.parent)


def test_where_nothing_looks_a_bomb_goes_off(tmp_path, monkeypatch):
    """The negative control, with a small one and with a tag that a loader obeys."""
    small = "\n".join(LAUGHS.splitlines()[:4])
    assert str(yaml.safe_load(small)).count("x") == 9**2 * (1 + 9 + 81) + 9
    monkeypatch.chdir(tmp_path)
    yaml.unsafe_load(BOMBS["a call"])
    assert (tmp_path / "executed").exists()
    assert OmegaConf.create(BOMBS["a path"]).a == Path("/etc")
    assert parse("a: 1\nb: &x [1, {16: null}]\nc: *x\n") == {"a": 1, "b": [1, {16: None}], "c": [1, {16: None}]}


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory):
    """A run that was cut off after it had saved a state, and the text of its config."""
    root = tmp_path_factory.mktemp("cut_off")
    run = prepare(*MOONS, "checkpoint_every=0", root=root)
    execute(run, gather_facts(run), Plain())
    (run.folder / "summary.json").unlink()
    return run, (run.folder / "config.yaml").read_text()


@pytest.mark.parametrize("target", TARGETS)
def test_a_config_in_a_run_folder_that_names_code_is_refused(target, cut_off, tmp_path, monkeypatch):
    run, text = cut_off
    monkeypatch.chdir(tmp_path)
    loaded = set(sys.modules)
    for place in ("activation", "callbacks"):
        saved = yaml.safe_load(text)
        saved[place] = {"_target_": target, "_args_": ["touch executed"]}
        (run.folder / "config.yaml").write_text(yaml.safe_dump(saved))
        with pytest.raises(ConfigError, match="was changed after the run began") as refused:
            execute(run, gather_facts(run), Plain())
        assert any(problem.startswith(f"{place}._target_: {target}"[:40]) for problem in refused.value.problems)
        if target:
            summary = {"id": run.identity, "status": "done", "choices": {}, "metrics": {}, "seconds": {}}
            (run.folder / "summary.json").write_text(json.dumps(summary))
            assert load_runs(run.folder)["status"].tolist() == ["done"]  # analysis reads it as text
            (run.folder / "summary.json").unlink()
    assert list(tmp_path.iterdir()) == []
    assert not {target.rpartition(".")[0]} & (set(sys.modules) - loaded)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("key", ["activation._target_", "hydra.callbacks.x._target_", "hydra.launcher._target_", "norm"])
def test_a_study_that_names_code_is_refused(key, target, tmp_path):
    content = {"question": "?", "background": "-", "axes": {"depth": [1]}}
    content["base"] = {key: target if key != "norm" else {"_target_": target}}
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(content))
    bad = study.read_study(str(tmp_path / "bad.yaml"))
    with pytest.raises(ConfigError):
        compose_runs(bad, Request(bad.all_cells(), bad.seeds, {}))


def test_hydra_would_have_run_some_of_them(tmp_path):
    """The negative control: Hydra's own list does not stop these."""
    instantiate({"_target_": "pathlib.Path.write_text", "_args_": [tmp_path / "executed", "x"]}, _convert_="all")
    assert (tmp_path / "executed").exists()


NAMES = [
    "../x", "/etc/x", "a/../../x", "a\0b", "x" * 300, "CON", "실험", "활성화 함수", "😀", "a b", "..", ".", "-rf", "a\nb",
    "𠀀" * 100, "a\\..\\b", "~", "$HOME", "a:b", "\u202eabc",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_slug_is_one_name_inside_its_folder(name, tmp_path):
    folder = tmp_path / f"{slug([f'key={name}', name])}-0123456789ab"
    folder.mkdir()
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert len(folder.name.encode()) <= 255
    assert "실험" not in name or "실험" in folder.name


@pytest.mark.parametrize("name", NAMES)
def test_a_run_lies_in_its_output_dir_or_is_refused(name, tmp_path):
    root = tmp_path / "root"
    quoted = name.replace("\\", "\\\\")
    command = (*MOONS, f"output_dir='{root}/{quoted}'", "seed=1")
    if name in ("../x", "a/../../x", "a\0b", "x" * 300, "..", "a\nb", "𠀀" * 100, "\u202eabc"):
        with pytest.raises(ConfigError, match="output_dir") as refused:
            prepare(*command, root=root)
        assert str(refused.value).isprintable()
        assert not root.exists()
    else:
        run = prepare(*command, root=root)
        run.folder.mkdir(parents=True)
        assert run.folder.resolve().is_relative_to(root)
        assert "실험" not in name or "실험" in str(run.folder)


@pytest.mark.parametrize("name", [*NAMES, "adhoc", "reference", "with-x"])
def test_a_study_has_a_name_that_a_folder_can_have(name, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "options_in", lambda group: [path.stem for path in tmp_path.glob("*.yaml")])
    monkeypatch.setattr(study, "option_file", lambda group, option: tmp_path / f"{option}.yaml")
    with contextlib.suppress(OSError, ValueError):  # no file has such a name, and so no study
        (tmp_path / f"{name}.yaml").write_text("question: x\nbackground: x\naxes: {depth: [1]}\n")
    if name in ("CON", "실험"):
        assert study.read_study(name).name == name
    else:
        with pytest.raises(ConfigError, match="no such study|names a folder") as refused:
            study.read_study(name)
        assert str(refused.value).isprintable()
