"""The form of protocol.json, in which a study lists its runs. Loads no torch."""

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

from dlexp.run.record.forms import LARGEST, Cell, Count, Id, Number, Setting, Sha256

Change = Annotated[str, Meta(pattern="=")]  # what a command changes in a study: epochs=3


class Prediction(TypedDict):
    """A prediction of a study, in its protocol.json."""

    claim: str
    plus: Cell | list[Cell]
    minus: Cell | list[Cell]
    where: NotRequired[Cell]
    expected: Literal["greater", "less", "equal"]
    margin: NotRequired[Annotated[float, Meta(ge=0, le=LARGEST)]]
    ratio: NotRequired[Annotated[float, Meta(ge=1, le=LARGEST)]]
    metric: NotRequired[str]


class Published(TypedDict):
    """A published number: beside these keys it has those of its cell."""

    value: Number
    sd: NotRequired[Number | None]
    n: NotRequired[Number | None]


class Reference(TypedDict):
    """The published numbers of a study."""

    source: NotRequired[str]
    values: NotRequired[list[Published]]


class Learned(TypedDict):
    """When a run of a study has learned."""

    of_own_best: NotRequired[Annotated[float, Meta(ge=0, lt=1)]]
    of_best_cell: NotRequired[Annotated[float, Meta(ge=0, lt=1)]]


class StudyForm(TypedDict):
    """A study in its protocol.json."""

    name: str
    question: str
    background: str
    base: NotRequired[Cell]
    when: NotRequired[dict[str, Cell]]
    axes: dict[str, list[Setting]]
    cells: NotRequired[list[Cell]]
    seeds: list[Count]
    data_seeds: NotRequired[list[Count]]
    metric: str
    pairing: Literal["paired", "independent"]
    learned: NotRequired[Learned]
    predictions: list[Prediction]
    reference: NotRequired[Reference]


class ListedRun(TypedDict):
    """A run that a protocol lists."""

    id: Id
    cell: Cell
    seed: Count
    data_seed: NotRequired[Count]
    unplanned: NotRequired[bool]


class Protocol(TypedDict):
    """protocol.json."""

    schema: NotRequired[Count]
    checksum: NotRequired[Sha256]
    study: StudyForm
    changes: list[Change]
    command: str
    runs: list[ListedRun]
