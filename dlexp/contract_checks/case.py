"""What the checks of one part share: its factory, the data and model of its smallest run, and the runs that were trained."""

import inspect
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dlexp.contract import Dataset, Horizon
from dlexp.contract_checks.outcome import Outcome, train
from dlexp.contract_checks.part import Part
from dlexp.contract_checks.smallest_run import list_smallest_runs, only_last, plan_run
from dlexp.data.batches import InputScaling
from dlexp.errors import ConfigError
from dlexp.run.execute import gather_facts
from dlexp.run.plan import PlannedRun
from dlexp.run.setup.factories import load_dataset, make_factory
from dlexp.run.setup.lab_modules import import_parts, users_errors
from dlexp.training.probing import spread

NUM_FEATURES = 16  # of the norms that are checked
HORIZON = Horizon(num_epochs=8, num_steps=40)  # of the schedules and averages that are checked
SEED = 0


class Case:
    """A part and its smallest run.

    Args:
        part: What is checked.
        overrides: Added to its smallest run.
        root: A folder for the runs; each gets one of its own in it.
    """

    def __init__(self, part: Part, overrides: Sequence[str], root: Path) -> None:
        self.part, self.overrides, self.root = part, tuple(overrides), root
        self._outcomes: dict[tuple[str, ...], Outcome] = {}

    @cached_property
    def base(self) -> tuple[str, ...]:
        """The overrides of the smallest run that takes the part.

        Raises:
            ConfigError: If none takes it, with the reasons of the first.
        """
        candidates = [only_last((*texts, *self.overrides)) for texts in list_smallest_runs(self.part)]
        for texts in candidates[1:] and candidates:
            try:
                gather_facts(self.plan(texts))
            except ConfigError:
                continue
            except Exception:  # a fault of the part, which the checks find
                break
            return tuple(texts)
        return tuple(candidates[0])

    @cached_property
    def run(self) -> PlannedRun:
        """The smallest run, with all that it takes from a lab imported.

        Raises:
            ConfigError: If a module of the lab cannot be imported.
        """
        run = self.plan(self.base)
        with users_errors():
            import_parts(run.config, run.composed.choices, run.sources)
        return run

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config of the smallest run."""
        return self.run.config

    @cached_property
    def dataset(self) -> Dataset:
        """The data of the smallest run."""
        return load_dataset(self.config, self.run.version)

    @cached_property
    def factory(self) -> Callable[..., Any]:
        """The part's factory with its hyper-parameters."""
        keys = self.config[self.part.group]
        keys = keys[self.part.option] if self.part.path != self.part.group else keys
        own = {key: keys[key] for key in ("_target_", "_partial_", *self.part.factory_keys)}
        return make_factory({self.part.group: own}, self.part.group)

    @property
    def target(self) -> Callable[..., Any]:
        """The class or function that the part's file names."""
        return self.factory.func if isinstance(self.factory, partial) else self.factory

    @property
    def source(self) -> Path | None:
        """The file of the part's class or function; None if it has none, or if its module cannot be imported."""
        try:
            file = inspect.getsourcefile(inspect.unwrap(self.target))
        except Exception:  # what importing the module raises is reported by the check that needs it
            return None
        return Path(file).resolve() if file else None

    def make(self) -> Any:
        """Call the factory as a run does, from the same seed each time."""
        arguments = self._arguments()
        torch.manual_seed(SEED)
        return self.factory(*arguments)

    def _arguments(self) -> tuple[Any, ...]:
        match self.part.group:
            case "norm":
                return (NUM_FEATURES,)
            case "model":
                return (self.dataset.input_shape, self.dataset.num_outputs)
            case "init":
                return (self.make_model(), self.spread_examples)
            case "optimizer":
                return (self.make_model().named_parameters(),)
            case "scheduler":
                return (torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.4), HORIZON)
            case "average":
                return (HORIZON,)
            case "precision":
                return (torch.device("cpu"),)
            case "probe":
                return (self.make_model(), self.dataset)
        return ()

    def make_model(self) -> nn.Module:
        """The untrained model of the smallest run, from the same seed each time."""
        torch.manual_seed(SEED)
        return make_factory(self.config, "model")(self.dataset.input_shape, self.dataset.num_outputs)

    def spread_examples(self, count: int) -> Tensor:
        """Scaled training inputs, as an init gets them and as a model does."""
        scale = InputScaling(self.dataset, torch.device("cpu"), torch.contiguous_format)
        return scale(self.dataset.train.inputs[spread(count, len(self.dataset.train.targets))])

    def spread_targets(self, count: int) -> Tensor:
        """The targets of the same examples."""
        return self.dataset.train.targets[spread(count, len(self.dataset.train.targets))]

    def plan(self, overrides: Sequence[str], root: Path | None = None) -> PlannedRun:
        """Plan a run with the part, recorded below a folder."""
        return plan_run(self.part, (*overrides, f"output_dir={root or self.root}"))

    def new_root(self) -> Path:
        """An empty folder for a run."""
        return Path(tempfile.mkdtemp(dir=self.root))

    def outcome(self, overrides: Sequence[str] | None = None) -> Outcome:
        """What a run leaves behind: the smallest one, or another. Each is trained once."""
        texts = tuple(overrides if overrides is not None else self.base)
        if texts not in self._outcomes:
            run = self.plan(texts, self.new_root())
            self._outcomes[texts] = train(run, gather_facts(run))
        return self._outcomes[texts]


@contextmanager
def unchanged_streams(problems: list[str], what: str) -> Iterator[None]:
    """Add a sentence to `problems` if the block draws from a global random stream."""
    before = _read_streams()
    yield
    after = _read_streams()
    drawn = [name for name in before if before[name] != after[name]]
    if drawn:
        problems.append(f"draws from the random numbers of {' and '.join(drawn)} {what}")


def _read_streams() -> dict[str, Any]:
    kind, keys, *rest = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "NumPy": (kind, np.asarray(keys).tobytes(), *rest),
    }
