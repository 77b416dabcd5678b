"""Compare what made runs: the modules of dlexp that each of them names, with a hash of each, and the environments."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from dlexp.analysis.read.folder import RunFolder

NOTHING, MISSING = "nothing", "not there"
DIGITS = 8  # of a hash, as it is shown
BUILD = "build of torch"  # dlexp/machine/numerics.py names it so
Noted = dict[str, str]


def compare_modules(runs: Sequence[RunFolder]) -> dict[str, str]:
    """In which modules each run differs from most of the others that use them.

    Runs with other models use other modules, so their `code` differs although nothing was changed: it cannot be compared.

    Returns:
        Id → `path@hash` of each such module, separated by commas, or `nothing`. A run from before modules were recorded has no
        entry.
    """
    differing = _find_unusual([(run, run.modules) for run in runs if run.modules])
    return {
        identity: ", ".join(f"{name}@{digest[:DIGITS]}" for name, digest in sorted(modules.items())) or NOTHING
        for identity, modules in differing.items()
    }


def compare_environments(runs: Sequence[RunFolder]) -> dict[str, str]:
    """In which processor, instructions, libraries and environment variables each run differs from most of the others.

    The version of torch is not among them: it has a column of its own.

    Returns:
        Id → names with the run's own values, separated by commas, or `nothing`; empty if no run differs. A run that did not
        note its environment has no entry.
    """
    noting = [run for run in runs if "instructions" in run.summary]
    variables = {name for run in noting for name in run.summary if name.startswith("variables.")}
    libraries = {name for run in noting for name in run.libraries}
    if len({run.summary.get("versions.torch") for run in noting}) > 1:
        libraries.discard(BUILD)  # another version is another build
    differing = _find_unusual([(run, _list_noted(run, variables, libraries)) for run in noting])
    if not any(differing.values()):
        return {}
    return {
        identity: ", ".join(f"{name} {value}" for name, value in noted.items()) or NOTHING
        for identity, noted in differing.items()
    }


def _list_noted(run: RunFolder, variables: set[str], libraries: set[str]) -> Noted:
    """What a run notes of its environment, with all of these variables, and all of these libraries if it notes any."""
    noted: Noted = {name: str(run.summary[name]) for name in ("processor", "instructions") if name in run.summary}
    if run.libraries:
        noted |= {name: run.libraries.get(name, MISSING) for name in sorted(libraries)}
    return noted | {name.removeprefix("variables."): str(run.summary.get(name, MISSING)) for name in sorted(variables)}


def _find_unusual(noted: Sequence[tuple[RunFolder, Mapping[str, str]]]) -> dict[str, Noted]:
    """Id → what a run notes of each name, where most runs that note something of it note something else."""
    users: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))  # name → value → when its runs ended
    for run, values in noted:
        for name, value in values.items():
            users[name][value].append(str(run.summary.get("ended")))
    usual = {name: _find_usual(by_value) for name, by_value in users.items()}
    return {run.id: {name: value for name, value in values.items() if value != usual[name]} for run, values in noted}


def _find_usual(by_value: Mapping[str, Sequence[str]]) -> str:
    """The value of most runs; of two with equally many the one of the latest run."""
    return max(by_value, key=lambda value: (len(by_value[value]), max(by_value[value]), value))
