"""Whether a run fits into the memory of its device, and the largest batch size that does."""

from dataclasses import asdict, dataclass

from dlexp.doctor.findings import Finding, Section, format_bytes, problem
from dlexp.run.setup.footprint import MAX_MEMORY_SHARE, Footprint


@dataclass(frozen=True)
class Fit:
    """One run on its device.

    Args:
        title: The run's name.
        device: `cpu` or `cuda`.
        hardware, precision: The chosen options, such as `auto`.
        format: The number format in which it computes.
        input_shape: Shape of one example.
        num_examples: Training examples.
        data_is_there: Whether the data was read; otherwise its size and shape are the published ones.
        asked: `batch_size` as the user set it, such as `auto`.
        batch_size: Examples of a full batch.
        free: Bytes free on the device.
        footprint: Estimate of the memory that the run needs.
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
        """Bytes that the run needs."""
        return self.footprint.needed(self.full_batch)

    @property
    def largest_batch(self) -> int:
        """The largest power of two that fits."""
        return self.footprint.largest_batch(self.free)


def judge(fit: Fit) -> list[Finding]:
    """Whether the batch fits, and which one would."""
    allowed = int(MAX_MEMORY_SHARE * fit.free)
    if fit.needed <= allowed:
        return []
    fix = f"batch_size={fit.largest_batch} fits" if fit.largest_batch else "no batch fits, so use a smaller depth or width"
    return [
        problem(
            f"batch_size={fit.batch_size} needs about {format_bytes(fit.needed)}, and a run may use {format_bytes(allowed)}, "
            f"{100 * MAX_MEMORY_SHARE:.0f} % of the {format_bytes(fit.free)} that are free: {fix}."
        )
    ]


def build_section(fit: Fit) -> Section:
    """The section on the run. Its memory is an estimate."""
    takes = fit.footprint
    is_whole = fit.largest_batch >= fit.num_examples
    largest = "all training examples at once" if is_whole else f"{fit.largest_batch:,} examples"
    fixed = takes.weights + takes.gradients + takes.optimizer_state
    batch = f"batch_size={fit.batch_size}{_format_choice('batch_size', fit.asked, fit.batch_size)}"
    shape = "x".join(map(str, fit.input_shape))
    lines = [
        ("config", fit.title),
        ("device", f"{fit.device}{_format_choice('hardware', fit.hardware, fit.device)}"),
        ("precision", f"{fit.format}{_format_choice('precision', fit.precision, fit.format)}"),
        ("data", f"{fit.num_examples:,} training examples of {shape}{'' if fit.data_is_there else ', as published'}"),
        ("parameters", f"{takes.num_parameters:,}; {format_bytes(fixed)} with gradients and optimizer state"),
        ("activations", f"{format_bytes(takes.saved)} per example"),
        ("memory", f"about {format_bytes(fit.needed)} at {batch}, of {format_bytes(fit.free)} free"),
        ("largest batch", f"{largest}, with {100 - 100 * MAX_MEMORY_SHARE:.0f} % of the free memory left as a margin"),
    ]
    facts = asdict(fit) | {"needed": fit.needed, "largest_batch": fit.largest_batch}
    return Section("run", facts, lines, judge(fit))


def build_unmeasured_section(title: str, reasons: list[str], findings: list[Finding]) -> Section:
    """The section on a run that cannot be measured, for these reasons."""
    lines = [("config", title), *(("not measured", reason) for reason in reasons)]
    return Section("run", {"title": title, "not_measured": reasons}, lines, findings)


def _format_choice(name: str, asked: int | str, got: int | str) -> str:
    return "" if asked == got else f" ({name}={asked})"
