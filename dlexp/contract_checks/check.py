"""Check one option of a group: the list of the checks of each group, and how one is made."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from dlexp.contract_checks import (
    data_checks,
    factory_checks,
    module_checks,
    probe_checks,
    run_checks,
    setting_checks,
    update_checks,
)
from dlexp.contract_checks.case import Case
from dlexp.contract_checks.finding import Finding, NotTried, describe_error
from dlexp.contract_checks.part import Part
from dlexp.errors import ConfigError, UnsupportedError

Check = Callable[[Case], Iterator[str | NotTried]]
"""Yields a sentence for each thing that is wrong with the part, or could not be tried."""

FILE = {"file": factory_checks.lists_every_parameter, "type": factory_checks.returns_what_the_contract_says}
MODULE: dict[str, Check] = {
    "gradients": module_checks.has_gradients,
    "inputs unchanged": module_checks.leaves_inputs_alone,
    "determinism": module_checks.is_deterministic,
    "copies": module_checks.can_be_copied,
}
RIGHT_GRADIENT: dict[str, Check] = {"gradient in float64": module_checks.has_the_right_gradient}
PARTS: dict[str, dict[str, Check]] = {
    "activation": {"shapes": module_checks.keeps_shape, **MODULE, **RIGHT_GRADIENT},
    "norm": {"shapes": module_checks.keeps_shape, **MODULE},
    "model": {"shapes": module_checks.has_one_output_per_class, **MODULE},
    "loss": {"mean over the batch": module_checks.is_a_mean, **MODULE, **RIGHT_GRADIENT},
    "dataset": {
        "types": data_checks.has_the_types_of_the_contract,
        "the same twice": data_checks.reads_the_same_twice,
        "files": data_checks.opens_only_listed_files,
    },
    "augment": {
        "parameters": data_checks.draws_as_a_function_of_seed_and_epoch,
        "images": data_checks.changes_images_alone,
    },
    "init": {"weights": update_checks.fills_in_place, "determinism": update_checks.fills_from_the_seed},
    "optimizer": {"updates": update_checks.updates_every_parameter, "state": update_checks.resumes_an_optimizer},
    "scheduler": {"learning rates": update_checks.gives_learning_rates, "state": update_checks.resumes_a_schedule},
    "probe": {"measurement": probe_checks.measures_without_changing},
}
RUN: dict[str, Check] = {
    "trains": run_checks.trains,
    "same run twice": run_checks.gives_the_same_twice,
    "resume": run_checks.resumes_to_the_last_bit,
    "settings": setting_checks.uses_every_key,
}
NEEDED = ("file", "type", "trains")  # checks without which the later ones say nothing


def list_checks(group: str) -> dict[str, Check]:
    """The checks of a group's options by name, in their order."""
    return {**({} if group == "hardware" else FILE), **PARTS.get(group, {}), **RUN}  # hardware has keys alone


def check_part(part: Part, overrides: Sequence[str] = (), only: Sequence[str] = ()) -> list[Finding]:
    """Check a part. Runs are recorded in a temporary folder.

    Args:
        part: What to check.
        overrides: Added to the smallest run that the part fits in.
        only: Names of the checks to make; all if empty.

    Raises:
        ConfigError: If the overrides themselves are wrong.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a run does
    with tempfile.TemporaryDirectory(prefix="dlexp-check-") as root, torch.random.fork_rng(devices=[]):
        case = Case(part, overrides, Path(root))
        chosen = {name: check for name, check in list_checks(part.group).items() if not only or name in only}
        findings: list[Finding] = []
        for name, check in chosen.items():
            torch.manual_seed(0)
            findings.append(make_check(name, check, case))
            if name in NEEDED and not findings[-1].holds:
                break  # the other checks would fail for the same reason
    torch.set_num_threads(threads)
    left_out = [name for name in chosen if name not in {finding.check for finding in findings}]
    return [*findings, *(Finding(name, [], ["mend what fails above first"], is_tried=False) for name in left_out)]


def make_check(name: str, check: Check, case: Case) -> Finding:
    """Make one check. An error of the part's own code is a problem; a device that is lacking is none."""
    problems: list[str] = []
    not_tried: list[str] = []
    is_tried = True
    try:
        for found in check(case):
            if isinstance(found, NotTried):
                not_tried.append(found.sentence)
            else:
                problems.append(f"{case.part.file}: {found}")
    except UnsupportedError as error:
        not_tried += error.problems
        is_tried = False
    except ConfigError as error:
        problems += [f"{case.part.file}: {problem}" for problem in error.problems]
    except Exception as error:  # the user's code may raise anything
        problems.append(f"{case.part.file}: {case.part.target} raises {describe_error(error, case.source)}")
    return Finding(name, list(dict.fromkeys(problems)), not_tried, is_tried)
