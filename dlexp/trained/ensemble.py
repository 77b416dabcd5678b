"""Combine finished runs that have the same test split: by vote, by the mean of their probabilities, or of their outputs."""

import hashlib
import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from statistics import mean, stdev
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dlexp.config.values import format_value, make_printable
from dlexp.contract import Split
from dlexp.errors import ConfigError
from dlexp.run.class_scores import Answers, measure_score
from dlexp.trained.load import Trained
from dlexp.trained.predict import predict_test

MAX_SUBSETS = 100  # of one size: where there are more, so many are drawn
SEED = "seed"


class Ensemble(NamedTuple):
    """Runs that are combined.

    Args:
        name: What they have in common and others do not, such as `activation=relu`; empty if there is one ensemble.
        outputs: Of each run for the examples of the test split, float32 [n, N, K].
        targets: Labels, int64 [N], or numbers, float32 [N, K].
    """

    name: str
    outputs: Tensor
    targets: Tensor


def group_runs(runs: Sequence[Trained], by: Sequence[str] | None = None) -> dict[str, list[Trained]]:
    """Group runs into ensembles.

    Args:
        runs: The runs.
        by: Groups and keys of the config; runs with other values of one of them are in another ensemble. None: all that vary
            between the runs but the seed.

    Returns:
        Name of an ensemble → its runs, in their order.

    Raises:
        ConfigError: If a run has no such key.
    """
    keys = _list_varying(runs) if by is None else by
    groups: dict[str, list[Trained]] = {}
    for run in runs:
        values = ((key, _read_value(run, key)) for key in keys)
        name = " ".join(f"{key}={value if isinstance(value, str) else format_value(value)}" for key, value in values)
        groups.setdefault(name, []).append(run)
    return groups


def _list_varying(runs: Sequence[Trained]) -> list[str]:
    """The keys in which the commands of the runs differ, but the seed."""
    given = [dict(text.partition("=")[::2] for text in run.summary.get("overrides", ())) for run in runs]
    keys = dict.fromkeys(key for settings in given for key in settings)
    return [key for key in keys if key != SEED and len({str(settings.get(key)) for settings in given}) > 1]


def _read_value(run: Trained, key: str) -> Any:
    if key in run.choices:
        return run.choices[key]
    value: Any = run.config
    for name in key.split("."):
        if not isinstance(value, Mapping) or name not in value:
            raise ConfigError(f"{make_printable(key)}: the run {run.id} has no such setting.")
        value = value[name]
    return value


def combine_runs(name: str, runs: Sequence[Trained], device: str = "cpu") -> Ensemble:
    """Compute the outputs of runs for their test split.

    Raises:
        ConfigError: If there is one run only, or if the runs have not the same test examples.
    """
    if len(runs) < 2:
        of = f" with {name}" if name else ""
        raise ConfigError(f"An ensemble has two runs or more, and there is {len(runs)}{of}.")
    outputs, splits = [], dict[str, Trained]()
    for run in runs:
        computed, test = predict_test(run, device)
        splits.setdefault(_hash_split(test), run)
        if len(splits) > 1:
            first, other = splits.values()
            raise ConfigError(
                f"{first.id} and {other.id} have other test examples, so their answers cannot be combined"
                f"{_explain_difference(first, other)}."
            )
        outputs.append(computed)
    return Ensemble(name, torch.stack(outputs), test.targets)


def _hash_split(split: Split) -> str:
    digest = hashlib.sha256()
    for tensor in split:
        digest.update(str(tuple(tensor.shape)).encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _explain_difference(first: Trained, other: Trained) -> str:
    keys = [key for key in _list_varying([first, other]) if key.partition(".")[0] in ("dataset", "data_seed")]
    return f": they differ in {' and '.join(keys)}. --by {','.join(keys)} makes an ensemble of each" if keys else ""


def _vote(outputs: Tensor) -> Tensor:
    """The number of runs that answer each class [N, K]; among equally many the higher mean probability decides."""
    votes = torch.nn.functional.one_hot(outputs.argmax(2), outputs.shape[2]).sum(0)
    return votes + 0.5 * outputs.double().softmax(2).mean(0)


def _average_probabilities(outputs: Tensor) -> Tensor:
    """Outputs whose softmax is the mean of the probabilities."""
    return outputs.double().log_softmax(2).logsumexp(0) - math.log(len(outputs))


def _average_outputs(outputs: Tensor) -> Tensor:
    return outputs.double().mean(0)


METHODS: dict[str, Callable[[Tensor], Tensor]] = {
    "vote": _vote,
    "mean_probability": _average_probabilities,
    "mean_logit": _average_outputs,
}


def measure_gain(ensemble: Ensemble) -> list[dict[str, Any]]:
    """Score ensembles of one run, of two runs and so on.

    Of each size all choices of runs are scored, or `MAX_SUBSETS` of them that are drawn at random. They overlap, so their
    spread is not that of independent ensembles.

    Returns:
        A row for each size. `ensemble`: its name. `runs`: the size. `choices`: their number. Then of each score its mean over
        the choices and, as `<score>_sd`, their standard deviation (nan of one choice). Of a classification the accuracy of each
        method; `ece`, the calibration error of the mean probability; and `disagreement`, the share of examples to which two
        runs give different answers, over all pairs (nan of one run). Of a regression `rmse`, of the mean of the predictions.
    """
    rows, of_classes = [], not ensemble.targets.is_floating_point()
    score = _score_classes if of_classes else _score_numbers
    disagreements = _compare_pairs(ensemble.outputs) if of_classes else None
    for size in range(1, len(ensemble.outputs) + 1):
        choices = _choose(len(ensemble.outputs), size)
        scored = [score(ensemble, list(choice)) for choice in choices]
        row: dict[str, Any] = {"ensemble": ensemble.name, "runs": size, "choices": len(choices)}
        for name in scored[0]:
            values = [scores[name] for scores in scored]
            row |= {name: mean(values), f"{name}_sd": stdev(values) if len(values) > 1 else math.nan}
        if disagreements is not None:
            pairs = [float(disagreements[pair]) for choice in choices for pair in itertools.combinations(choice, 2)]
            row["disagreement"] = mean(pairs) if pairs else math.nan
        rows.append(row)
    return rows


def _choose(count: int, size: int) -> list[tuple[int, ...]]:
    """Choices of some of the runs: all, or `MAX_SUBSETS` different ones, always the same."""
    if math.comb(count, size) <= MAX_SUBSETS:
        return list(itertools.combinations(range(count), size))
    drawn, source = dict[tuple[int, ...], None](), random.Random(0)  # noqa: S311 the same choices every time
    while len(drawn) < MAX_SUBSETS:
        drawn[tuple(sorted(source.sample(range(count), size)))] = None
    return list(drawn)


def _score_classes(ensemble: Ensemble, choice: list[int]) -> dict[str, float]:
    outputs = ensemble.outputs[choice]
    combined = {name: combine(outputs) for name, combine in METHODS.items()}
    scores = {name: float((one.argmax(1) == ensemble.targets).double().mean()) for name, one in combined.items()}
    return scores | {"ece": measure_score("ece", Answers(combined["mean_probability"], ensemble.targets), ())}


def _score_numbers(ensemble: Ensemble, choice: list[int]) -> dict[str, float]:
    errors = _average_outputs(ensemble.outputs[choice]) - ensemble.targets
    return {"rmse": float(errors.square().mean().sqrt())}


def _compare_pairs(outputs: Tensor) -> Tensor:
    """The share of examples to which each two runs give different answers, [n, n]."""
    answers = outputs.argmax(2)
    return (answers[:, None] != answers[None]).double().mean(2)
