"""Compare the code that made runs: the modules of dlexp that each of them names, with a hash of each."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from dlexp.analysis.read.folder import RunFolder

NOTHING = "nothing"
DIGITS = 8  # of a hash, as it is shown


def compare_modules(runs: Sequence[RunFolder]) -> dict[str, str]:
    """In which modules each run differs from most of the others that use them.

    Runs with other models use other modules, so their `code` differs although nothing was changed: it cannot be compared.

    Returns:
        Id → `path@hash` of each such module, separated by commas, or `nothing`. A run from before modules were recorded has no
        entry.
    """
    users: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))  # module → hash → when its runs ended
    for run in runs:
        for name, digest in run.modules.items():
            users[name][digest].append(str(run.summary.get("ended")))
    usual = {name: _find_usual(by_hash) for name, by_hash in users.items()}
    return {
        run.id: ", ".join(f"{name}@{digest[:DIGITS]}" for name, digest in sorted(run.modules.items()) if digest != usual[name])
        or NOTHING
        for run in runs
        if run.modules
    }


def _find_usual(by_hash: Mapping[str, Sequence[str]]) -> str:
    """The hash of most runs; of two with equally many the one of the latest run."""
    return max(by_hash, key=lambda digest: (len(by_hash[digest]), max(by_hash[digest]), digest))
