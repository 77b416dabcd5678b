"""One run in the order it happens: facts → parts → loop → record."""

import json
import traceback
from functools import partial
from typing import Any

import torch
import yaml
from omegaconf import OmegaConf

from dlexp import hardware, record, tune
from dlexp.config import overridden_keys
from dlexp.course import Course, columns
from dlexp.display import Display
from dlexp.facts import Facts, check_facts
from dlexp.parts import load_dataset, make_probes, part
from dlexp.plan import Run
from dlexp.record import Record


def gather_facts(run: Run) -> Facts:
    """Load the data, look at the model, and hold the config against both. Leaves nothing on disk but decoded data.

    Raises:
        ConfigError: With what does not fit together.
        UnsupportedError: If only this machine stands in the way.
        DatasetError: If the data cannot be had.
    """
    device = run.device
    parts = {group: part(run.config, group) for group in ("augment", "model", "precision")}
    parts["probe"] = partial(make_probes, run.config)
    overridden = overridden_keys(run.composed.overrides)
    facts = check_facts(run.config, run.composed.choices, overridden, parts, load_dataset(run.config), device)
    if run.config["hardware"]["tune"]:
        tune.candidates(run.config, facts, overridden)  # refuses where there is nothing to choose
    return facts


def execute(run: Run, facts: Facts, display: Display) -> dict[str, Any] | None:
    """Train, measure and record one run; a failure of its own becomes a record too.

    Returns:
        The summary as written, or None if another process has finished the run since it was planned.

    Raises:
        HeldError: If another process has the run.
    """
    with record.hold(run.shelf, run.identity):
        before = run.summary()
        if before and not run.is_due():
            return None
        folder = run.folder
        if folder.exists() and before is None:
            display.say(f"{folder} was interrupted before its end: it starts over.")
        kept = tune.read(folder)
        written = Record(folder, columns(run.config, facts), _files(run))
        written.log(run.title)
        summary: dict[str, Any] = {"id": run.identity, "choices": run.composed.choices, "overrides": run.differences}
        try:
            config = run.config
            if config["hardware"]["tune"]:
                found = kept or tune.measure(config, facts, overridden_keys(run.composed.overrides))
                record.write_whole(folder / tune.FILE, json.dumps(found, indent=1))
                summary["tuned"], config = found["chosen"], tune.with_hardware(config, found["chosen"])
            summary |= Course(config, facts, written, display, run.title).complete()
        except Exception as error:
            written.log(traceback.format_exc())
            summary |= {"status": "oom" if _is_out_of_memory(error) else "failed", "reason": f"{type(error).__name__}: {error}"}
        finally:
            display.end()
        return written.finish({**summary, **hardware.describe(run.device)})


def _files(run: Run) -> dict[str, str]:
    """What stands in a run folder from the start."""
    return {
        "config.yaml": yaml.safe_dump(run.config, sort_keys=False),
        ".hydra/config.yaml": OmegaConf.to_yaml(run.composed.cfg),
        ".hydra/overrides.yaml": yaml.safe_dump(list(run.composed.overrides)),
        ".hydra/hydra.yaml": yaml.safe_dump({"hydra": {"runtime": {"choices": run.composed.choices}}}),
    }


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
