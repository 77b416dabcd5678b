"""Estimate how long a run takes from a few of its steps. Leaves nothing on disk."""

from collections.abc import Iterator
from time import perf_counter

from dlexp.machine.device import synchronize
from dlexp.run.execute import gather_facts
from dlexp.run.plan import PlannedRun
from dlexp.run.setup.build import Built, build
from dlexp.run.setup.facts import Facts
from dlexp.training.loop import Progress, train

MAX_STEPS = 20  # that are timed, beside the first, which warms up
MAX_SECONDS = 2.0  # after which no further step is timed


def time_run(run: PlannedRun) -> float:
    """Seconds that a run is expected to take after others: modules are loaded, its data are read, and kernels are warm.

    Some steps and one evaluation of each split are timed and multiplied. What probes, saved states and files take is left out,
    and so is early stopping.

    Raises:
        ConfigError: With everything that does not fit together; UnsupportedError if this machine cannot run it.
        DatasetError: If the data cannot be read or downloaded.
    """
    _prepare(run)
    start = perf_counter()
    facts, built, boundaries = _prepare(run)
    setup, start, steps = perf_counter() - start, perf_counter(), 1
    for progress in boundaries:
        steps = progress.step
        if perf_counter() - start > MAX_SECONDS:
            break
    synchronize(facts.device)
    horizon, per_step = facts.horizon, (perf_counter() - start) / max(1, steps - 1)
    evaluations = {split: _time_evaluation(built, split) for split in built.evaluations}
    watched = evaluations.get(run.config["evaluate_on"], 0.0)
    return setup + per_step * (horizon.num_steps - 1) + watched * (1 + horizon.num_epochs) + evaluations["test"]


def _prepare(run: PlannedRun) -> tuple[Facts, Built, Iterator[Progress]]:
    """Read the data, build the model and take the first step; the steps behind it are those of the iterator."""
    facts = gather_facts(run)
    built = build(run.config, facts)
    num_steps = min(facts.horizon.num_steps, 1 + MAX_STEPS)
    boundaries = train(built.learner.step, built.batches, num_steps=num_steps, due=lambda: True)
    next(boundaries)
    synchronize(facts.device)
    return facts, built, boundaries


def _time_evaluation(built: Built, split: str) -> float:
    start = perf_counter()
    built.learner.evaluate(built.evaluations[split])  # reads its result from the device, so it is finished
    return perf_counter() - start
