"""Write a trained model as files that do not need dlexp: model.safetensors, model.json, load.py."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save
from torch import Tensor, nn

from dlexp.config import plain_json
from dlexp.config.values import make_printable
from dlexp.data.batches import InputScaling
from dlexp.data.preprocessing import Preprocessing, to_json
from dlexp.errors import ConfigError, DiskError
from dlexp.machine.device import configure_torch, restoring_torch
from dlexp.machine.files import Content, is_removed, write_set
from dlexp.run.plan import path_keys
from dlexp.run.record.forms import ModelFile
from dlexp.run.record.identity import NOT_IN_ID
from dlexp.run.setup.lab_modules import users_errors
from dlexp.trained import standalone
from dlexp.trained.graph import NotPlainError, trace
from dlexp.trained.load import Trained

WEIGHTS, DESCRIPTION, LOADER = "model.safetensors", "model.json", "load.py"
MAX_BYTES = 2**28  # of a model.json that is read again
NUM_CHECKED = (1, 3)  # examples of the batches with which an export is checked


class Exported(NamedTuple):
    """What was written.

    Args:
        folder: Where.
        files: The names of the files.
        needs_dlexp: Why the model cannot be loaded without dlexp; empty if it can.
    """

    folder: Path
    files: list[str]
    needs_dlexp: str


def export_weights(trained: Trained, folder: str | Path) -> Exported:
    """Write the weights, the construction and the preprocessing of a trained model, and code that loads them.

    The code, load.py, computes in float32, whatever the precision of the run. A model whose Python code depends on its inputs,
    or that calls a function that load.py does not know, is written without it.

    Args:
        trained: The run.
        folder: Made if there is none. It may hold an earlier export of the same run, which is replaced, and nothing else.

    Raises:
        ConfigError: If the folder holds other files.
        CheckpointError: If the weights are missing or damaged.
        DiskError: If the files cannot be written.
    """
    folder = Path(folder).expanduser()
    _check_folder(folder, trained.id)
    with restoring_torch():
        # torch.export reads a setting of TF32 that torch 2.15 cannot read while TF32 is off. It has no effect on a CPU.
        configure_torch(torch.device("cpu"), num_threads=1, determinism="seeded", tf32=True)
        model = trained.model()
        weights = {name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()}
        described = _describe(trained)
        try:
            steps, constants = _trace_checked(model, trained, described, weights)
        except NotPlainError as error:
            steps, constants, reason = {"steps": None, "output": None}, {}, str(error)
        else:
            reason = ""
    described |= {"needs_dlexp": reason or None, **steps}
    contents: dict[str, Content] = {WEIGHTS: save(weights | constants), DESCRIPTION: _to_text(described)}
    if not reason:
        contents[LOADER] = Path(standalone.__file__).read_text(encoding="utf-8")
    write_files(folder, trained.id, contents)
    return Exported(folder, list(contents), reason)


def write_files(folder: Path, identity: str, contents: Mapping[str, Content]) -> None:
    """Write the files of an export, in place of those of an earlier one.

    Args:
        folder: Made if there is none.
        identity: The id of the run. It is in model.json also while files are replaced, so that an export that was interrupted
            can be made again.
        contents: Name → content.

    Raises:
        DiskError: If the files cannot be written. An earlier export stays.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_set(
            {folder / name: content for name, content in contents.items()},
            unfinished={folder / DESCRIPTION: json.dumps({"id": identity, "unfinished": True}) + "\n"},
            obsolete=[] if LOADER in contents else [folder / LOADER],
        )
    except OSError as error:
        raise DiskError(f"{make_printable(str(folder))} cannot be written ({error.strerror}).") from error


def _check_folder(folder: Path, identity: str) -> None:
    """Refuse a folder with other files than an earlier export of the same run."""
    if not folder.exists():
        return
    place = make_printable(str(folder))
    if not folder.is_dir():
        raise ConfigError(f"--output: expected a folder, got the file {place}.")
    found = {path.name for path in folder.iterdir() if not is_removed(path)}
    if found and (found - {WEIGHTS, DESCRIPTION, LOADER} or _read_id(folder / DESCRIPTION) != identity):
        raise ConfigError(f"--output: {place} holds other files, and nothing is overwritten: name another folder.")


def _read_id(path: Path) -> str | None:
    """The id of the run in a model.json; None if it is none."""
    try:
        return plain_json.read(path, ModelFile, MAX_BYTES)["id"]
    except (FileNotFoundError, plain_json.FormError):
        return None


def _describe(trained: Trained) -> dict[str, Any]:
    """The content of model.json without the steps. Paths of the machine that trained are left out."""
    config = {key: value for key, value in trained.config.items() if (key,) not in NOT_IN_ID}
    paths = {*path_keys(trained.composed), "cache_dir"}
    config["dataset"] = {key: value for key, value in config["dataset"].items() if key not in paths}
    return {
        "format": "a model of dlexp",
        "version": 1,
        "id": trained.id,
        "torch": torch.__version__,
        "choices": trained.choices,
        "config": config,
        "preprocessing": json.loads(to_json(trained.preprocessing)),
        "precision": f"trained in {trained.config['precision']['format']}; load.py computes in float32",
        "test_flip": trained.config["test_flip"],
        "channels_last": trained.hardware["channels_last"],
    }


def _trace_checked(
    model: nn.Module, trained: Trained, described: Mapping[str, Any], weights: Mapping[str, Tensor]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The steps of a model, with which load.py gives the same outputs to the last bit.

    Raises:
        NotPlainError: If there are none.
    """
    scale = InputScaling(trained.preprocessing, torch.device("cpu"), trained.memory_format)
    steps, output, constants = trace(model, scale(_make_inputs(trained.preprocessing, 2)))
    found = {"steps": steps, "output": output}
    loaded = standalone.build({**described, "test_flip": False, **found}, {**weights, **constants})
    for count in NUM_CHECKED:
        inputs = _make_inputs(trained.preprocessing, count)
        with users_errors(), torch.no_grad():
            expected = model(scale(inputs)).float()
        if not torch.equal(loaded(inputs).nan_to_num(), expected.nan_to_num()):
            raise NotPlainError("what torch.export follows gives other outputs")
    return found, constants


def _make_inputs(preprocessing: Preprocessing, count: int) -> Tensor:
    """Random raw inputs."""
    generator, shape = torch.Generator().manual_seed(count), (count, *preprocessing.input_shape)
    if preprocessing.kind == "images":
        return torch.randint(256, shape, dtype=torch.uint8, generator=generator)
    return torch.randn(shape, generator=generator)


def _to_text(described: Mapping[str, Any]) -> str:
    """JSON with a line for each key, and one for each step."""
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in described.items() if key != "steps"]
    steps = described["steps"]
    listed = "null" if steps is None else "[\n" + ",\n".join(f"  {json.dumps(step)}" for step in steps) + "\n ]"
    return "{\n" + ",\n".join([*lines, f' "steps": {listed}']) + "\n}\n"
