"""Hydra's door to dlexp's sweeps. Hydra takes sweepers from this namespace alone, and imports it at every start: keep it light."""

import shlex
import sys
from typing import Any

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
        self.exit_code = 0

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra has composed so far."""
        self.context, self.config = hydra_context, config

    def sweep(self, arguments: list[str]) -> Any:
        """Run the cells; called by Hydra once.

        Returns:
            The exit code.
        """
        from dlexp.sweep import sweep

        axes = [f"{key}={values}" for key, values in self.params.items()]
        cells = [
            composed_from(self.context.config_loader.load_sweep_config(self.config, list(cell)), cell)
            for cell in expand([*axes, *arguments])
        ]
        return sweep(cells, shlex.join(["python", *sys.argv]))
