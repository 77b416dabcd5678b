"""The sweeper that Hydra calls for -m. Hydra looks for sweepers in this namespace only, and imports it at every start."""

import shlex
import sys
from typing import NoReturn

from hydra.plugins.sweeper import Sweeper as HydraSweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from dlexp.config.check import compose_sweep
from dlexp.config.entry import show_command
from dlexp.config.overrides import read_from_hydra
from dlexp.study.forks import load_ahead


class Sweeper(HydraSweeper):
    """Compose each cell of a sweep once, check all of them, and run them.

    Args:
        max_batch_size: A setting of Hydra's own sweeper; must stay null.
        params: Axes that `hydra.sweeper.params` sets: key → values, as they would be typed.
    """

    def __init__(self, max_batch_size: int | None = None, params: dict[str, str] | None = None) -> None:
        self.params = params or {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Does nothing: `compose` composes a cell as Hydra would, in a thirtieth of the time."""

    def sweep(self, arguments: list[str]) -> NoReturn:
        """Run the cells, and end the process with the sweep's exit code. Called by Hydra, which would lose a returned one."""
        axes = [f"{key}={values}" for key, values in self.params.items()]
        cells = compose_sweep([*axes, *arguments])
        load_ahead(cells)
        from dlexp.study.sweep import check_cells, sweep  # loads torch: not before the configs have passed

        raise SystemExit(sweep(check_cells(cells), f"{show_command('train')} {shlex.join(map(read_from_hydra, sys.argv[1:]))}"))
