"""Import the modules of a lab: from their files, as a package of their own. `sys.path` is not changed and not searched."""

import hashlib
import importlib
import inspect
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import Any, NoReturn

import torch

from dlexp.config.combination import list_parts
from dlexp.config.lab import Lab
from dlexp.config.lab_options import INSTALLED, READ_BY_THE_RUN, module_file
from dlexp.config.options import current_lab, in_lab, list_groups, option_file
from dlexp.config.source import find_imports, hash_source, reachable
from dlexp.config.values import find_targets
from dlexp.errors import CheckpointError, ConfigError, DatasetError, DiskError, HeldError

BASES = {"torch.nn": torch.nn.Module, "torch.optim": torch.optim.Optimizer}
# Errors whose message already says what the user can do.
EXPLAINED = (ConfigError, DatasetError, CheckpointError, DiskError, HeldError)

_folders: dict[str, Path] = {}  # package → the folder of its lab
_hashes: dict[str, str] = {}  # full name of an imported module → the hash of its source


class _Finder(MetaPathFinder):
    """Finds the modules of labs: `<package>.my_parts` is my_parts.py in the folder of the lab."""

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        package, _, module = fullname.partition(".")
        folder = _folders.get(package)
        if folder is None:
            return None
        if module and (file := module_file(folder, module)):
            inside = [str(file.parent)] if file.name == "__init__.py" else None
            return spec_from_file_location(
                fullname, file, loader=_Loader(fullname, str(file)), submodule_search_locations=inside
            )
        below = folder.joinpath(*filter(None, module.split(".")))
        if not below.is_dir():
            return None
        spec = ModuleSpec(fullname, None, is_package=True)  # a folder without __init__.py, as the lab itself
        spec.submodule_search_locations = [str(below)]
        return spec


class _Loader(SourceFileLoader):
    """Compiles the source itself: byte code beside it may be of another source, and is not the user's."""

    def path_stats(self, path: str) -> NoReturn:  # the documented way to have no byte code
        raise OSError

    def exec_module(self, module: ModuleType) -> None:
        _hashes[module.__name__] = hash_source(Path(self.path))
        super().exec_module(module)


def package_of(lab: Lab) -> str:
    """The name of the package that the modules of a lab are in. Labs in different folders have different names."""
    return f"dlexp_lab_{hashlib.sha256(str(lab.folder).encode()).hexdigest()[:12]}"


def hash_sources(config: Mapping[str, Any]) -> dict[str, str]:
    """The source of all that a run takes from the lab: path below the lab → hash. Reads text, and imports nothing.

    Modules that this process has imported are dropped if their source has changed, so that a notebook sees an edit.

    Args:
        config: The resolved config. The modules that its `_target_`s name count, and those of the lab that these import.
    """
    lab = current_lab()
    if lab is None:
        return {}
    _forget_edited(lab)
    return {path.relative_to(lab.folder).as_posix(): hash_source(path) for path in sorted(_find_files(lab, config))}


def find_imports_of_dlexp(config: Mapping[str, Any]) -> frozenset[str]:
    """The names of dlexp that the modules of the lab import which a run uses, such as `dlexp.data.split.hold_out_test`."""
    lab = current_lab()
    names = {name for path in _find_files(lab, config) for name in find_imports(path, "lab")} if lab else set()
    return frozenset(name for name in names if name.startswith("dlexp."))


def _find_files(lab: Lab, config: Mapping[str, Any]) -> Collection[Path]:
    """The files of the lab's modules that a run uses."""
    targets = [f"lab.{target}" for target in find_targets(config) if not target.startswith(INSTALLED)]
    return reachable(targets, "lab", lab.folder).values()


def import_parts(config: Mapping[str, Any], choices: Mapping[str, str], sources: Mapping[str, str]) -> None:
    """Import what a run takes from the lab, so that an error in it is found before anything starts.

    Args:
        config: The resolved config.
        choices: Group → option.
        sources: What `hash_sources` returned when the run's id was made.

    Raises:
        ConfigError: If a module cannot be imported, was edited since, or if a factory does not fit the file of its option.
    """
    lab = current_lab()
    if lab is None:
        return
    for target in find_targets(config):
        _import(lab, target)
    for name, digest in _list_imported(lab).items():
        path = _find_source(lab, name)
        if path is not None and sources.get(path.relative_to(lab.folder).as_posix(), digest) != digest:
            raise ConfigError(f"{path} was edited while the command started: give the command again.")
    single = [(group, *part) for group, option in choices.items() for part in list_parts(option, config[group])]
    several = [(group, option, keys) for group in list_groups() for option, keys in (config.get(group) or {}).items()]
    for group, option, keys in [*single, *several]:
        if in_lab(group, option):
            _check_keys(lab, group, option, keys)


def with_full_targets(node: Any) -> Any:
    """A copy of a part of a config in which each `_target_` of the lab has its full name."""
    if isinstance(node, Mapping):
        return {key: _full_name(item) if key == "_target_" else with_full_targets(item) for key, item in node.items()}
    return [with_full_targets(item) for item in node] if isinstance(node, list) else node


def _full_name(target: str) -> str:
    lab = current_lab()
    return target if lab is None or target.startswith(INSTALLED) else f"{_register(lab)}.{target}"


def _register(lab: Lab) -> str:
    """Make the modules of a lab importable; returns the name of their package."""
    package = package_of(lab)
    _folders[package] = lab.folder
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())  # before the one of `sys.path`, which would use byte code
    return package


@contextmanager
def users_errors() -> Iterator[None]:
    """Turn an error that a module of the lab raises into one that names its file and line.

    Raises:
        ConfigError: In place of an error that passed through the lab.
    """
    try:
        yield
    except EXPLAINED:
        raise
    except Exception as error:
        if place := find_place(error):
            raise ConfigError(f"{place}: {type(error).__name__}: {error}{_suggest_import(error)}") from error
        raise


def find_place(error: BaseException) -> str | None:
    """The innermost line of the lab that an error passed through, `FILE, line N, in FUNCTION`; None if there is none."""
    lab = current_lab()
    if lab is None:
        return None
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(lab.folder):
        return f"{error.filename}, line {error.lineno}"
    places = [
        f"{frame.f_code.co_filename}, line {line}, in {frame.f_code.co_name}"
        for frame, line in walk_tb(error.__traceback__)
        if Path(frame.f_code.co_filename).is_relative_to(lab.folder)
    ]
    return places[-1] if places else None


def _suggest_import(error: Exception) -> str:
    """How to import a module of the lab, if that is what failed."""
    lab, module = current_lab(), getattr(error, "name", None)
    if lab is None or not isinstance(error, ModuleNotFoundError) or not module or not module_file(lab.folder, module):
        return ""
    return f". A module of the lab is imported relatively: from .{module} import ..."


def _import(lab: Lab, target: str) -> Any:
    """Import the factory that a `_target_` of an option names.

    Raises:
        ConfigError: If that fails, or if it is something of torch that no option of a lab may name.
    """
    module, _, name = target.rpartition(".")
    if target.startswith(INSTALLED):
        found = getattr(importlib.import_module(module), name, None)
        if module in BASES and not (isinstance(found, type) and issubclass(found, BASES[module])):
            raise ConfigError(f"_target_: {target}: {module} has no class {name} that is a {BASES[module].__name__}.")
        return found
    with users_errors():
        return getattr(importlib.import_module(f"{_register(lab)}.{module}"), name)


def _forget_edited(lab: Lab) -> None:
    """Drop all modules of a lab if the source of one has changed: the next import reads them again."""
    package, imported = package_of(lab), _list_imported(lab)
    sources = {name: _find_source(lab, name) for name in imported}
    if all(path is not None and hash_source(path) == imported[name] for name, path in sources.items()):
        return
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]
    for name in imported:
        del _hashes[name]


def _list_imported(lab: Lab) -> dict[str, str]:
    """The modules of a lab that this process has imported: full name → hash of the source that was executed."""
    return {name: digest for name, digest in _hashes.items() if name.startswith(f"{package_of(lab)}.")}


def _find_source(lab: Lab, name: str) -> Path | None:
    """The file of a module of a lab, by its full name; None if it was removed."""
    return module_file(lab.folder, name.removeprefix(f"{package_of(lab)}."))


def _check_keys(lab: Lab, group: str, option: str, keys: Mapping[str, Any]) -> None:
    """Check that the file of an option gives its factory what it takes.

    Raises:
        ConfigError: With each key that the factory does not take, and each parameter that has no key.
    """
    if "_target_" not in keys:
        return
    factory, file = _import(lab, keys["_target_"]), option_file(group, option)
    given = [key for key in keys if key not in ("_target_", "_partial_", *READ_BY_THE_RUN.get(group, ()))]
    parameters = inspect.signature(factory).parameters.values()
    by_name = [one for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    takes = [one.name for one in by_name]
    needed = [one.name for one in by_name if one.kind is one.KEYWORD_ONLY and one.default is one.empty]
    takes_all = any(one.kind is one.VAR_KEYWORD for one in parameters)
    name = keys["_target_"]
    problems = [f"{file}: {name} has no parameter {key}." for key in given if key not in takes and not takes_all]
    problems += [f"{file}: {name} needs {key}: add the key with its default." for key in needed if key not in given]
    if problems:
        raise ConfigError(*problems)
