"""Checks of a whole tiny run with the part: it trains, gives the same twice, and resumes to the last bit."""

import math
from collections.abc import Iterator

from dlexp.contract_checks.case import Case
from dlexp.contract_checks.finding import locate, read_frames
from dlexp.contract_checks.outcome import train, train_until
from dlexp.run.execute import gather_facts
from dlexp.run.record.forms import BROKEN, FINISHED

EVERY_STEP = "checkpoint_every=0"


def trains(case: Case) -> Iterator[str]:
    """A tiny run ends by itself, with finite losses and gradients."""
    outcome = case.outcome()
    summary, target = outcome.summary, case.part.target
    if summary["status"] in BROKEN:
        place = locate(read_frames(outcome.log), case.source)
        yield f"a tiny run with {target} fails: {f'{place}: ' if place else ''}{summary['reason']}"
    elif summary["status"] not in FINISHED - {"diverged"}:
        yield f"a tiny run with {target} diverges: {summary['reason']}."
    else:
        last = outcome.rows[-1]
        names = [name for name in ("train/loss", "train/grad_norm") if not math.isfinite(float(last[name]))]
        names += [name for name, value in summary["metrics"].items() if name == "test/loss" and value is None]
        yield from (f"a tiny run with {target} ends with a {name} that is not finite." for name in names)


def gives_the_same_twice(case: Case) -> Iterator[str]:
    """The same run, done a second time from the beginning, leaves the same."""
    run = case.plan(case.base, case.new_root())
    if differing := case.outcome().differing(train(run, gather_facts(run))):
        yield (
            f"two tiny runs with {case.part.target} and the same seed differ in {', '.join(differing)}: "
            "random numbers must come from torch's global generator, or from a generator with a seed of its own."
        )


def resumes_to_the_last_bit(case: Case) -> Iterator[str]:
    """A run that is interrupted in an epoch, and resumed from its saved state, leaves what an unbroken one leaves."""
    whole = case.outcome()
    root = case.new_root()
    run = case.plan((*case.base, EVERY_STEP), root)
    facts = gather_facts(run)
    step = max(2, 3 * facts.horizon.num_steps // 4)
    if not train_until(run, facts, step):
        yield f"a tiny run with {case.part.target} did not come to its step {step} with a saved state."
        return
    if differing := whole.differing(train(case.plan(case.base, root), facts)):
        yield (
            f"a tiny run with {case.part.target} that was interrupted before step {step} and resumed differs in "
            f"{', '.join(differing)}: what it remembers between steps must be in a state_dict."
        )
