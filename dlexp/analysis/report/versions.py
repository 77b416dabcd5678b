"""Sentences on the versions of dlexp and of torch and the environments that made the runs, where there is more than one."""

from collections import Counter
from typing import Any

import pandas as pd

from dlexp.analysis.read.code import DIGITS, NOTHING
from dlexp.analysis.report.arrange import group_by
from dlexp.analysis.report.tables import to_text
from dlexp.analysis.report.text import Text

MAX_MODULES_SHOWN, MAX_ENVIRONMENTS_SHOWN = 3, 5
MAX_LENGTH = 200  # characters that describe one environment


def describe_codes(runs: pd.DataFrame, text: Text) -> list[str]:
    """How many runs each version of the code made, and in which modules it differs from most runs.

    Runs that use other modules, such as another model, have another code too. Only a module that differs between two runs that
    both use it makes another version; of a run from before modules were recorded, the whole code is compared.
    """
    made = [_find_version(run) for run in runs.to_dict("records") if to_text(run.get("code"))]
    versions = group_by(made, lambda version: version[1:])
    if len(versions) < 2:
        return []
    largest_first = sorted(versions.items(), key=lambda item: -len(item[1]))
    parts = [_describe_version(differs, [version[0] for version in same], text) for (differs, _), same in largest_first]
    return [text("several_codes", n=len(versions), codes="; ".join(parts))]


def _find_version(run: dict[Any, Any]) -> tuple[str, str, str]:
    """The code of a run, and what makes its version: the modules that differ, or the whole code if no modules are recorded."""
    code, differs = to_text(run["code"]), to_text(run.get("code_differs_in"))
    return code, differs, "" if differs else code


def _describe_version(differs: str, codes: list[str], text: Text) -> str:
    names = ", ".join(dict.fromkeys(code[:DIGITS] for code in codes))
    key = {NOTHING: "by_code", "": "by_code_unknown"}.get(differs, "by_code_differing")
    modules = [module.partition("@")[0] for module in differs.split(", ")]
    more = [f"+{len(modules) - MAX_MODULES_SHOWN}"] if len(modules) > MAX_MODULES_SHOWN else []
    return text(key, n=len(codes), code=names, modules=", ".join(modules[:MAX_MODULES_SHOWN] + more))


def describe_torch(runs: pd.DataFrame, text: Text) -> list[str]:
    """How many runs each version of torch made."""
    column = "versions.torch"
    counts = Counter(filter(None, map(to_text, runs[column]))) if column in runs else Counter()
    if len(counts) < 2:
        return []
    return [text("several_torch", versions=", ".join(f"{version} ({n})" for version, n in counts.most_common()))]


def describe_environments(runs: pd.DataFrame, text: Text) -> list[str]:
    """How many runs each environment made, and in what it differs: processor, instructions, libraries and variables."""
    column = "environment_differs_in"
    counts = Counter(filter(None, map(to_text, runs[column]))) if column in runs else Counter()
    if len(counts) < 2:
        return []
    usual = [text("by_environment", n=counts.pop(NOTHING))] if NOTHING in counts else []
    others = [
        text("by_environment_differing", n=n, differs=differs if len(differs) <= MAX_LENGTH else f"{differs[:MAX_LENGTH]} …")
        for differs, n in counts.most_common(MAX_ENVIRONMENTS_SHOWN)
    ]
    more = [f"+{len(counts) - MAX_ENVIRONMENTS_SHOWN}"] if len(counts) > MAX_ENVIRONMENTS_SHOWN else []
    return [text("several_environments", n=len(usual) + len(counts), environments="; ".join(usual + others + more))]
