"""Check the options of a lab as text: what they may be called and which code they may name. Imports nothing of the lab."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dlexp.config.lab import Lab
from dlexp.config.values import find_resolver_calls, find_targets, format_value, make_printable

NAME = re.compile(r"[A-Za-z]\w*")
# The classes of torch that an option of a lab may name, by group: its module, then the base class that it must have.
BASE_CLASSES = {
    "activation": ("torch.nn", "Module"),
    "norm": ("torch.nn", "Module"),
    "loss": ("torch.nn", "Module"),
    "model": ("torch.nn", "Module"),
    "optimizer": ("torch.optim", "Optimizer"),
}
INSTALLED = ("torch.", "dlexp.")  # begin a target that is not in a lab; a lab's modules cannot have these names
# The keys of an option that the run reads itself, whatever its factory takes.
READ_BY_THE_RUN = {
    "dataset": ("per_class", "imbalance", "scale", "scale_on"),
    "loss": ("class_weight",),
    "optimizer": ("decay_norm_and_bias",),
    "probe": ("every", "mode"),
}
# Those of them that a file may leave out, with the value that is then meant.
MEANT_WITHOUT: dict[str, dict[str, Any]] = {
    "dataset": {"imbalance": None},
    "loss": {"class_weight": "none"},
    "optimizer": {"decay_norm_and_bias": True},
    "probe": {"mode": "eval"},
}


def find_intruders(lab: Lab, ours: Mapping[str, Sequence[str]]) -> list[str]:
    """Find what a lab's conf/ may not hold: another base config, unknown groups, and options that the project has.

    Args:
        lab: The lab.
        ours: Group → the project's own options, `study` included.

    Returns:
        One line each.
    """
    return [f"{make_printable(str(path))}: {problem}" for path, problem in _find_intruders(lab, ours)]


def _find_intruders(lab: Lab, ours: Mapping[str, Sequence[str]]) -> Iterator[tuple[Path, str]]:
    for entry in sorted(lab.conf.iterdir()) if lab.conf.is_dir() else ():
        group = entry.name
        if entry.is_file() and entry.suffix in (".yaml", ".yml"):
            yield entry, "a lab has no base config: options are conf/<group>/<option>.yaml, and a study sets plain keys."
        elif entry.is_dir() and group not in ours and not group.startswith((".", "__")):
            nearest = "".join(f" Did you mean {name}?" for name in get_close_matches(group, ours, n=1))
            yield entry, f"no such group. Groups: {', '.join(sorted(ours))}.{nearest}"
    for group, options in ours.items():
        for path in sorted((lab.conf / group).glob("*.y*ml")):
            if path.stem in options:
                yield path, f"dlexp has an option {group}={path.stem}: give this one another name."
            elif path.suffix != ".yaml" or not NAME.fullmatch(path.stem) and group != "study":
                yield path, "the name of an option is a letter, then letters, digits and _, and its file ends with .yaml."


def check_option(lab: Lab, path: Path, content: Mapping, notes: Mapping, ours: Sequence[Mapping]) -> list[str]:
    """Check the file of an option of a lab, before anything of it is used.

    Args:
        lab: The lab.
        path: The file.
        content: Its keys, without `notes`.
        notes: Its blocks `_traits_` and `_ranges_`.
        ours: The project's own options of the same group. Their targets may be named as well.

    Returns:
        One line for each problem.
    """
    group = path.parent.name
    optional = MEANT_WITHOUT.get(group, {})
    return [
        *_check_notes(notes),
        *(_check_hardware(content, ours) if group == "hardware" else _check_code(lab, group, content, ours)),
        *(f"{call}: only references to keys, such as ${{depth}}, are looked up." for call in find_resolver_calls(content)),
        *(f"the key {key} is missing." for key in READ_BY_THE_RUN.get(group, ()) if key not in {*content, *optional}),
        *(f"the key {key} is Hydra's: an option has only its own." for key in ("defaults", "hydra") if key in content),
    ]


def _check_notes(notes: Mapping[str, Any]) -> Iterator[str]:
    for name, block in notes.items():
        if not isinstance(block, dict):
            yield f"{name}: must be a map, got {format_value(block)}."


def _check_hardware(content: Mapping[str, Any], ours: Sequence[Mapping]) -> Iterator[str]:
    """An option of hardware names no code, and the run reads each of its keys."""
    expected = ours[0].keys()
    yield from (
        f"{make_printable(str(key))}: no such key. Keys: {', '.join(expected)}." for key in content if key not in expected
    )
    yield from (f"the key {key} is missing." for key in expected if key not in content)
    yield from (f"_target_: {make_printable(target)}: an option of hardware names no code." for target in find_targets(content))


def _check_code(lab: Lab, group: str, content: Mapping[str, Any], ours: Sequence[Mapping]) -> Iterator[str]:
    known = [option.get("_target_") for option in ours]
    if "_target_" not in content:
        yield "_target_ is missing: the class or function that makes the part, such as my_parts.Bent."
    for node in _maps(content):
        private = {key: value for key, value in node.items() if str(key).startswith("_")}
        target = private.pop("_target_", None)
        if "_target_" in node and (not isinstance(target, str) or private.pop("_partial_", None) is not True):
            yield f"_target_: {format_value(target)}: needs `_partial_: true` beside it: it is called when the run is set up."
        elif target is not None and target not in known and (problem := _check_target(lab, group, target)):
            yield f"_target_: {make_printable(target)}: {problem}"
        yield from (f"{make_printable(str(key))}: only _target_ and _partial_ begin with an underscore." for key in private)


def _maps(node: Any) -> Iterator[Mapping[str, Any]]:
    """The maps at any depth."""
    if isinstance(node, Mapping):
        yield node
    for item in node.values() if isinstance(node, Mapping) else node if isinstance(node, list) else ():
        yield from _maps(item)


def _check_target(lab: Lab, group: str, target: str) -> str | None:
    """What is wrong with the name of the code of a part, or None."""
    module, _, name = target.rpartition(".")
    if not module or not all(NAME.fullmatch(word) for word in target.split(".")):
        return "must be a module and a name in it, such as my_parts.Bent."
    if target.startswith(INSTALLED):
        allowed, base = BASE_CLASSES.get(group, ("", ""))
        if module == allowed and not name.startswith("_"):
            return None
        torch = f"a public class of {allowed} that is a {base}, or " if allowed else ""
        return f"an option of {group} in a lab names {torch}what a module of the lab defines."
    path = module_file(lab.folder, module)
    if path is None:
        return f"there is no {module.replace('.', '/')}.py in {lab.folder}."
    return _check_definition(path, name)


def module_file(folder: Path, module: str) -> Path | None:
    """The file of a module in a folder: `blocks.residual` is blocks/residual.py or blocks/residual/__init__.py; or None."""
    path = folder.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _check_definition(path: Path, name: str) -> str | None:
    """What is wrong if a module does not define this function or class itself, or None."""
    try:
        tree = ast.parse(path.read_bytes(), path)
    except (SyntaxError, ValueError, RecursionError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        return f"{path}{line}: {make_printable(getattr(error, 'msg', str(error)))}."
    kinds = (ast.FunctionDef, ast.ClassDef)
    defined = [node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]
    if name in defined:
        return None
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    if any((alias.asname or alias.name) == name for node in imports for alias in node.names):
        return f"{path.name} imports {name}: name the module that defines it."
    return f"{path.name} defines no function or class {name}; it defines {', '.join(defined) or 'none'}."
