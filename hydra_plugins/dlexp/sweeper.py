"""Hydra's door to dlexp's sweeps. Hydra takes sweepers from this namespace alone, and imports it at every start."""

import shlex
import sys
from typing import NoReturn

from hydra.plugins.sweeper import Sweeper as HydraSweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from dlexp.config import composed_from, expand


class Sweeper(HydraSweeper):
    """Composes each cell of a sweep once, and hands all of them on.

    Args:
        max_batch_size: Of Hydra's own sweeper; must stay null.
        params: Axes that a config sets: key → values, as they would be typed.
    """

    def __init__(self, max_batch_size: int | None = None, params: dict[str, str] | None = None) -> None:
        self.params = params or {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra has composed so far."""
        self.loader, self.base = hydra_context.config_loader, config

    def sweep(self, arguments: list[str]) -> NoReturn:
        """Run the cells, and end the process with the sweep's exit code. Called by Hydra, which would lose a returned one."""
        from dlexp.sweep import sweep

        axes = [f"{key}={values}" for key, values in self.params.items()]
        cells = [
            composed_from(self.loader.load_sweep_config(self.base, list(cell)), cell) for cell in expand([*axes, *arguments])
        ]
        raise SystemExit(sweep(cells, shlex.join(["python", *sys.argv])))
