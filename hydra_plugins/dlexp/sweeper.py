"""Hydra's door to dlexp's sweeps. Hydra takes sweepers from this namespace alone, and imports it at every start."""

import shlex
import sys
from typing import NoReturn

from hydra.plugins.sweeper import Sweeper as HydraSweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from dlexp.config.compose import assemble, expand


class Sweeper(HydraSweeper):
    """Composes each cell of a sweep once, and hands all of them on.

    Args:
        max_batch_size: Of Hydra's own sweeper; must stay null.
        params: Axes that a config sets: key → values, as they would be typed.
    """

    def __init__(self, max_batch_size: int | None = None, params: dict[str, str] | None = None) -> None:
        self.params = params or {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Nothing is taken over: `assemble` makes a cell's config as Hydra would, at a thirtieth of the time."""

    def sweep(self, arguments: list[str]) -> NoReturn:
        """Run the cells, and end the process with the sweep's exit code. Called by Hydra, which would lose a returned one."""
        from dlexp.study.sweep import check_cells, sweep

        axes = [f"{key}={values}" for key, values in self.params.items()]
        cells = [assemble(cell) for cell in expand([*axes, *arguments])]
        raise SystemExit(sweep(check_cells(cells), shlex.join(["python", *sys.argv])))
