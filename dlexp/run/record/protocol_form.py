"""The form of protocol.json, in which a study lists its runs. Loads no torch."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta

from dlexp.config.plain_json import FormError
from dlexp.run.record.forms import LARGEST, Cell, Count, Id, Number, Positive, Setting, Sha256

Change = Annotated[str, Meta(pattern="=")]  # what a command changes in a study: epochs=3
Effect = Annotated[float, Meta(ge=0, le=LARGEST)]
Bounds = Literal["obrien_fleming", "pocock"]
Sizes = Annotated[list[Positive], Meta(min_length=1)]  # numbers of seeds at which a study is judged
Unit = Literal["seed", "data_seed"]


class Prediction(TypedDict):
    """A prediction of a study, in its protocol.json."""

    claim: str
    plus: Cell | list[Cell]
    minus: Cell | list[Cell]
    where: NotRequired[Cell]
    expected: Literal["greater", "less", "equal"]
    margin: NotRequired[Annotated[float, Meta(ge=0, le=LARGEST)]]
    ratio: NotRequired[Annotated[float, Meta(ge=1, le=LARGEST)]]
    effect: NotRequired[Effect]
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


class Tune(TypedDict):
    """The search of a study: beside these keys it has the tuned settings, each with its values."""

    trials: NotRequired[Positive]
    seeds: NotRequired[list[Count]]
    metric: NotRequired[str]


class SwitchForm(TypedDict):
    """A switch of an ablation: what the recipe sets, what the plain run has there, and its two arms beside these."""

    name: str
    on: Cell
    plain: Cell
    without: str
    only: str
    joined: str


class StudyForm(TypedDict):
    """A study in its protocol.json."""

    name: str
    question: str
    background: str
    base: NotRequired[Cell]
    when: NotRequired[dict[str, Cell]]
    axes: dict[str, list[Setting]]
    zip: NotRequired[list[list[str]]]
    exclude: NotRequired[list[Cell]]
    skip: NotRequired[Literal["without_effect", ""]]
    skipped: NotRequired[list[Cell]]
    cells: NotRequired[list[Cell]]
    recipe: NotRequired[Cell]
    switches: NotRequired[list[SwitchForm]]
    tune: NotRequired[Tune]
    seeds: list[Count]
    data_seeds: NotRequired[list[Count]]
    looks: NotRequired[list[Positive]]
    bounds: NotRequired[Bounds | Literal[""]]
    metric: str
    pairing: Literal["paired", "independent"]
    learned: NotRequired[Learned]
    effect: NotRequired[Effect | None]
    predictions: list[Prediction]
    reference: NotRequired[Reference]


class PlanForm(TypedDict):
    """When a study without `looks` is judged, because it was run with `seeds=auto`: after so many of these seeds or draws."""

    unit: Unit
    units: list[Count]
    looks: Sizes
    bounds: Bounds


class ListedRun(TypedDict):
    """A run that a protocol lists. If it is `untuned`, it has no settings yet, and its id is that of no run.

    The search of its cell is then `unfinished`, or `unusable`, because no trial has learned.
    """

    id: Id
    cell: Cell
    seed: Count
    data_seed: NotRequired[Count]
    unplanned: NotRequired[bool]
    untuned: NotRequired[Literal["unfinished", "unusable"]]


class TriedRun(TypedDict):
    """A run of the search that a protocol lists: the cell for which it tries the combination at this place in `trials`."""

    id: Id
    cell: Cell
    trial: Count
    seed: Count
    data_seed: NotRequired[Count]


class Choice(TypedDict):
    """The trial that the search has chosen for a cell, on one draw of the data if the study has several."""

    cell: Cell
    data_seed: NotRequired[Count]
    trial: Count


class SearchForm(TypedDict):
    """The search of a study with `tune`: its combinations, its runs, and what it has chosen so far."""

    metric: str
    seeds: list[Count]
    trials: list[Cell]
    runs: list[TriedRun]
    choices: list[Choice]


class Protocol(TypedDict):
    """protocol.json."""

    schema: NotRequired[Count]
    checksum: NotRequired[Sha256]
    study: StudyForm
    plan: NotRequired[PlanForm]
    changes: list[Change]
    command: str
    search: NotRequired[SearchForm]
    runs: list[ListedRun]


def check_protocol(protocol: dict[str, Any]) -> dict[str, Any]:
    """Check what the form cannot: that the runs and the choices of a search are of trials that it lists. Returns the protocol.

    Raises:
        FormError: If one is not.
    """
    if not (search := protocol.get("search")):
        return protocol
    if len({tuple(trial) for trial in search["trials"]}) > 1:
        raise FormError("protocol.json: search.trials are not all of the same settings")
    for name in ("runs", "choices"):
        for place, listed in enumerate(search[name]):
            if listed["trial"] >= len(search["trials"]):
                raise FormError(f"protocol.json: search.{name}[{place}].trial is not that of one of its trials")
    return protocol


def find_effect(prediction: Mapping[str, Any], study: Mapping[str, Any]) -> float | None:
    """The smallest difference of interest of a prediction: a size in the unit of its metric, or, with a ratio, a factor.

    It is the prediction's own `effect`; else, of `equal`, whose margin says what is of interest, no difference; else that of
    the study if the prediction is about the study's metric; else None.
    """
    if prediction.get("effect") is not None:
        return float(prediction["effect"])
    if prediction["expected"] == "equal":
        return 0.0 if prediction.get("ratio") is None else 1.0
    default = study.get("metric", "test/acc")
    own = study.get("effect") if (prediction.get("metric") or default) == default else None
    return None if own is None else float(own)
