"""The settings test: no key of an option is ignored. Changing it changes something that a run leaves, or is refused."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from dlexp.config.options import FIXED, groups, scalars
from dlexp.config.ranges import rule_for
from dlexp.config.values import find_reference, value_at
from dlexp.contract_checks.candidates import MAX_CANDIDATES, list_candidates
from dlexp.contract_checks.case import Case
from dlexp.contract_checks.finding import NotTried
from dlexp.contract_checks.outcome import Outcome
from dlexp.contract_checks.smallest_run import only_last
from dlexp.errors import ConfigError, UnsupportedError
from dlexp.run.record.forms import FINISHED

MORE_EPOCHS = "epochs=8"
LARGER_LR = "optimizer.lr=3"
MAX_OPTIONS = 3  # of another group, where a key refers to it
MAX_PAIRS = 12  # other values of the option's other keys
MAX_VALUES = 4  # of a key, in runs that are longer than the smallest
CURVED = "activation=sigmoid"  # its outputs and derivatives take all values between two bounds


def uses_every_key(case: Case) -> Iterator[str | NotTried]:
    """Each key of the option, changed to another value, changes something."""
    part = case.part
    if part.group == "hardware":
        yield NotTried("all keys: those of hardware change how a run is computed, not its numbers")
        return
    for path, default in part.defaults().items():
        name = path.removeprefix(f"{part.path}.")
        if name in part.traits.same_numbers:
            yield NotTried(f"{path}: it changes how a run is computed, not its numbers")
        elif path not in FIXED:
            yield from _check_key(case, path, default)


def _check_key(case: Case, path: str, default: Any) -> Iterator[str | NotTried]:
    key, values = find_key_to_set(case, path, default), list_values(case, path, default)
    if not values:
        yield NotTried(f"{path}: no other value can be guessed; a range under _ranges_ in {case.part.file} would help")
    elif not has_effect(case, key, values, default):
        before = "that of the smallest run" if key in groups() else value_at(case.config, path)
        yield (
            f"the key {path} has no effect: a tiny run with {key}={' or '.join(values)} leaves the same as with {before}. "
            f"{case.part.target} must use it, or its file must not have it."
        )


def find_key_to_set(case: Case, path: str, default: Any) -> str:
    """The key that a command sets to change a key of the part: what it refers to, where that is a group or is nested."""
    reference = find_reference(default)
    return reference if reference and (reference in groups() or case.part.is_nested(path)) else path


def list_values(case: Case, path: str, default: Any) -> list[str]:
    """Other values to try, as they are typed."""
    reference = find_reference(default)
    if reference in groups():
        chosen = case.run.composed.choices[reference]
        return [option for option in groups()[reference] if option not in (chosen, "none")][:MAX_OPTIONS]
    return list_candidates(value_at(case.config, path), rule_for(path, default, case.part.ranges))


def has_effect(case: Case, key: str, values: Sequence[str], default: Any = None) -> bool:
    """Whether one of the values of a key changes what a run leaves behind, or all are refused.

    The smallest run may be too small to show it, so longer runs, and other values of the part's other keys, are tried too.
    """
    num_trained = 0
    for situation, (texts, num_values) in enumerate(_list_situations(case, key, default)):
        for value in values[:num_values]:
            pair = _train_both(case, texts, f"{key}={value}")
            num_trained += pair is not None
            if pair and pair[0].differing(pair[1]):
                return True
        if situation > 0 and not num_trained:  # every value is refused, so none is ignored
            return True
    return not num_trained


def _train_both(case: Case, texts: Sequence[str], change: str) -> tuple[Outcome, Outcome] | None:
    """What a run leaves behind before and after a change; None where one of the two is refused or fails."""
    try:
        pair = case.outcome(only_last(texts)), case.outcome(only_last((*texts, change)))
    except UnsupportedError:
        raise
    except ConfigError:
        return None
    return pair if all(outcome.summary["status"] in FINISHED for outcome in pair) else None


def _list_situations(case: Case, key: str, default: Any) -> Iterator[tuple[list[str], int]]:
    """The runs in which to look for an effect, the smallest first, each with the number of values to try in it."""
    plain = find_reference(default)
    base = [text for text in case.base if not (plain in scalars() and key != plain and text.startswith(f"{plain}="))]
    longer = base if case.part.group == "dataset" else [*base, MORE_EPOCHS]  # the epochs of a data set may be long
    longer = [*longer, LARGER_LR] if "lr" in case.config["optimizer"] else longer
    yield base, MAX_CANDIDATES
    if case.part.group == "model":  # its widths may take the place of both
        yield [text for text in base if not text.startswith(("depth=", "width="))], MAX_CANDIDATES
    if case.part.group == "probe":
        yield [*base, CURVED], MAX_VALUES
    yield longer, MAX_VALUES
    others = ((path, list_values(case, path, other)) for path, other in case.part.defaults().items())
    pairs = (f"{path}={value}" for path, values in others if path != key and path not in FIXED for value in values)
    yield from (([*longer, beside], MAX_VALUES) for beside in islice(pairs, MAX_PAIRS))
