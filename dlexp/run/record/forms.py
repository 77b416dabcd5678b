"""The form of each JSON file that dlexp writes and reads again; that of protocol.json is in protocol_form.py. Loads no torch.

Keys that older versions did not write are `NotRequired`. `dlexp.config.plain_json` reads a file and checks its form.
"""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta

from dlexp.config import plain_json
from dlexp.config.plain_json import FormError
from dlexp.run.record.layout import RUN_FOLDER_NAME, SUMMARY, read_id

FINISHED = {"done", "early_stopped", "diverged"}
BROKEN = {"failed", "oom"}

_MOST, LARGEST = 2**63 - 1, sys.float_info.max

Count = Annotated[int, Meta(ge=0, le=_MOST)]
Positive = Annotated[int, Meta(ge=1, le=_MOST)]
Number = Annotated[float, Meta(ge=-LARGEST, le=LARGEST)] | Annotated[int, Meta(ge=-_MOST, le=_MOST)]  # finite
Seconds = Annotated[float, Meta(ge=0, le=LARGEST)]
Share = Annotated[float, Meta(ge=0, le=1)]
Id = Annotated[str, Meta(pattern=r"^[0-9a-f]{12}\Z")]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Texts = dict[str, str]

_Plain = str | float | int | bool | None
_Nested = _Plain | list[_Plain] | dict[str, _Plain]
Setting = _Plain | list[_Nested] | dict[str, _Nested]  # a value that a cell sets: nested at most twice, as in [256, {16: null}]
Cell = dict[str, Setting]

Scale = float | list[float | list[float | list[float]]]  # a tensor of at most three dimensions


class Ended(TypedDict):
    """summary.json, as far as it is the same for all runs that have ended."""

    schema: NotRequired[Count]
    checksum: NotRequired[Sha256]
    files: NotRequired[Texts]
    id: Id
    choices: Texts
    overrides: NotRequired[list[str]]
    sources: NotRequired[Texts]
    tuned: NotRequired[Cell]
    batch_size: NotRequired[Positive]
    jobs: NotRequired[Positive]
    device: NotRequired[str]
    host: NotRequired[str]
    instructions: NotRequired[str]
    processor: NotRequired[str]
    libraries: NotRequired[Texts]
    variables: NotRequired[Texts]
    versions: NotRequired[dict[str, str | None]]
    started: NotRequired[str]
    ended: NotRequired[str]
    git_commit: NotRequired[str | None]
    code: NotRequired[str]
    modules: NotRequired[Texts]


class Broken(Ended):
    """summary.json of a run that an error has ended."""

    status: Literal["failed", "oom"]
    reason: str


class Finished(Ended):
    """summary.json of a run that was trained to its end. A number that is not finite is null."""

    status: Literal["done", "early_stopped", "diverged"]
    reason: NotRequired[str]
    metrics: dict[str, Number | None]
    of_classes: NotRequired[dict[str, dict[str, Share]]]
    seconds: dict[str, Seconds]
    epochs: NotRequired[Count]
    steps: NotRequired[Count]
    first_bad_step: NotRequired[Count | None]
    rollbacks: NotRequired[Count]
    selected_on_test: NotRequired[bool]
    restored_epoch: NotRequired[Count | None]
    num_parameters: NotRequired[Count]
    num_examples: NotRequired[Positive]
    num_test_examples: NotRequired[Positive]
    chance: NotRequired[Share | None]
    data_drawn: NotRequired[bool]
    init_hash: NotRequired[str]
    microbatches: NotRequired[Positive]
    evaluation_microbatches: NotRequired[Positive]
    memory: NotRequired[dict[str, Count]]
    restarts: NotRequired[Count]
    bit_exact: NotRequired[bool]
    differs: NotRequired[str]


class SizedFile(TypedDict):
    """The size and the sum of another file, in the sidecar of a state."""

    bytes: Count
    sha256: NotRequired[Sha256]


class Sidecar(TypedDict):
    """checkpoints/step-*.json."""

    schema: Count
    checksum: NotRequired[Sha256]
    sha256: Sha256
    bytes: Count
    step: Count
    files: dict[str, Count | SizedFile]
    environment: dict[str, str | Count]


class Measurements(TypedDict):
    """tuned.json."""

    schema: NotRequired[Count]
    checksum: NotRequired[Sha256]
    chosen: dict[str, int | bool | None]
    tried: NotRequired[list[dict[str, int | bool]]]
    timed: NotRequired[list[dict[str, Number | bool | None]]]


class Holder(TypedDict):
    """.locks/<id>.json: the process that holds a run."""

    pid: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    host: str
    since: str


class NotedCheck(TypedDict):
    """What a process has noted of its check of a sweep.

    code: One hash over the modules and the version of torch that it used. work: id → parameters, steps and batch size.
    """

    code: Sha256
    metrics: list[str]
    work: dict[Id, Annotated[list[Count], Meta(min_length=3, max_length=3)]]


class Manifest(TypedDict):
    """sweeps/<id>/<number of the process>.json; of older versions sweeps/<id>.json."""

    schema: NotRequired[Count]
    checksum: NotRequired[Sha256]
    pid: NotRequired[Positive]
    host: NotRequired[str]
    started: NotRequired[str]
    check: NotRequired[NotedCheck]
    command: str
    runs: list[dict[str, Any]]
    finished: NotRequired[list[Id]]


class ColumnForm(TypedDict):
    """A column of a table, in preprocessing.json."""

    name: str
    categories: list[str] | None


class TableForm(TypedDict):
    """The columns of a table, in preprocessing.json."""

    columns: list[ColumnForm]
    one_hot: bool
    label: str
    image_shape: list[Positive] | None


class PreprocessingFile(TypedDict):
    """preprocessing.json."""

    schema: NotRequired[Count]
    checksum: NotRequired[Sha256]
    kind: str
    input_shape: list[Positive]
    num_outputs: Positive
    classes: list[str]
    shift: Scale
    factor: Scale
    highest: float
    table: TableForm | None
    fill: Scale | None


class ModelFile(TypedDict):
    """model.json of an export, as far as the next export reads it."""

    id: Id


def read_summary_file(folder: Path) -> dict[str, Any]:
    """Read summary.json of a run that has ended, however it did. Keys that training does not write are left out.

    Raises:
        FileNotFoundError: If there is none: the run is being trained, or was interrupted.
        FormError: If it is damaged, or of another run than the name of the folder says.
    """
    summary = plain_json.read(folder / SUMMARY, dict[str, Any])
    form = Broken if summary.get("status") in tuple(BROKEN) else Finished
    try:
        plain_json.check(summary, form)
        if RUN_FOLDER_NAME.search(folder.name) and read_id(folder) != summary["id"]:
            raise FormError(f"it is of run {summary['id']}")
    except FormError as error:
        raise FormError(f"{SUMMARY}: {error}") from error
    return {key: value for key, value in summary.items() if key in form.__required_keys__ | form.__optional_keys__}
