"""Whether a run fits this machine: its memory on its device, and the batch size that would still fit."""

from dataclasses import asdict, dataclass

from dlexp.doctor.findings import Finding, Section, in_bytes, problem
from dlexp.run.setup.footprint import MAX_MEMORY_SHARE, Footprint


@dataclass(frozen=True)
class Fit:
    """One run on its device.

    Args:
        title: What it is called.
        device: `cpu` or `cuda`.
        hardware, precision: What was asked for, such as `auto`.
        format: The number format that it computes in.
        input_shape: Of one example.
        num_examples: To train on.
        data_is_there: Whether they are; else they are known by their published number and shape.
        asked: What `batch_size` was asked for.
        batch_size: Examples of a full batch.
        free: Bytes free on the device.
        footprint: What it takes.
    """

    title: str
    device: str
    hardware: str
    precision: str
    format: str
    input_shape: tuple[int, ...]
    num_examples: int
    data_is_there: bool
    asked: int | str
    batch_size: int
    free: int
    footprint: Footprint

    @property
    def full_batch(self) -> int:
        """Examples of its largest batch."""
        return min(self.batch_size, self.num_examples)

    @property
    def needed(self) -> int:
        """Bytes that the run takes."""
        return self.footprint.needed(self.full_batch)

    @property
    def largest_batch(self) -> int:
        """The largest power of two that fits."""
        return self.footprint.largest_batch(self.free)


def judge(fit: Fit) -> list[Finding]:
    """Whether the batch fits, and what would."""
    allowed = int(MAX_MEMORY_SHARE * fit.free)
    if fit.needed <= allowed:
        return []
    share = f"{MAX_MEMORY_SHARE:.0%}".replace("%", " %")
    there = f"{in_bytes(allowed)} may be used ({share} of the {in_bytes(fit.free)} that are free)"
    wants = f"batch_size={fit.batch_size} takes about {in_bytes(fit.needed)}, and {there}"
    if fit.largest_batch:
        return [problem(f"{wants}: batch_size={fit.largest_batch} fits.")]
    return [problem(f"{wants}: no batch fits, lower depth or width.")]


def section(fit: Fit) -> Section:
    """The run. Its memory is an estimate."""
    takes = fit.footprint
    largest = f"{fit.largest_batch:,} examples"
    if fit.largest_batch >= fit.num_examples:
        largest = "all training examples at once"
    fixed = takes.weights + takes.gradients + takes.optimizer_state
    batch = f"batch_size={fit.batch_size}{_resolved('batch_size', fit.asked, fit.batch_size)}"
    shape = "x".join(map(str, fit.input_shape))
    lines = [
        ("config", fit.title),
        ("device", f"{fit.device}{_resolved('hardware', fit.hardware, fit.device)}"),
        ("precision", f"{fit.format}{_resolved('precision', fit.precision, fit.format)}"),
        ("data", f"{fit.num_examples:,} training examples of {shape}{'' if fit.data_is_there else ', as published'}"),
        ("parameters", f"{takes.num_parameters:,}; {in_bytes(fixed)} with their gradients and the optimizer's state"),
        ("activations", f"{in_bytes(takes.saved)} an example"),
        ("memory", f"about {in_bytes(fit.needed)} at {batch}, of {in_bytes(fit.free)} free"),
        ("largest batch", f"{largest}, with a margin of {1 - MAX_MEMORY_SHARE:.0%}".replace("%", " %")),
    ]
    facts = asdict(fit) | {"needed": fit.needed, "largest_batch": fit.largest_batch}
    return Section("run", facts, lines, judge(fit))


def left_out(title: str, why: list[str], *, is_told: bool) -> Section:
    """A run that cannot be measured.

    Args:
        title: What it is called.
        why: One line each.
        is_told: Whether another section has the finding already.
    """
    lines = [("config", title), *(("not measured", reason) for reason in why)]
    return Section("run", {"title": title, "not_measured": why}, lines, [] if is_told else [problem(reason) for reason in why])


def _resolved(name: str, asked: int | str, got: int | str) -> str:
    return "" if asked == got else f" ({name}={asked})"
