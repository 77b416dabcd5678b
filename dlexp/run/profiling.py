"""Record the operations of a few training steps: `profile=true`."""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from rich.table import Table
from torch.autograd.profiler_util import EventList
from torch.profiler import ProfilerActivity, profile, schedule

from dlexp.machine.files import write_whole

NUM_SKIPPED = 4  # steps before the recording, in which the device warms up
MAX_RECORDED = 20  # recorded steps; their trace takes a few megabytes
FILE = "trace.json.gz"
NUM_SHOWN = 10  # most expensive operations


class Profile:
    """Records the steps after the first few of a run; `step` is called after each.

    Args:
        folder: The folder for the trace, which ui.perfetto.dev and chrome://tracing can show.
        device: Operations are ordered by their time on this device.
        num_steps: Steps of the whole run; a short run skips fewer.
    """

    def __init__(self, folder: Path, device: torch.device, num_steps: int) -> None:
        self.path, self.on_gpu, self.recorded = folder / FILE, device.type == "cuda", False
        warnings.filterwarnings("ignore", message="Profiler won't be using warmup")  # a run of one step has none
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self.on_gpu else [])]
        skipped = min(NUM_SKIPPED, num_steps - 1)
        order = schedule(wait=0, warmup=skipped, active=min(MAX_RECORDED, num_steps - skipped), repeat=1)
        self.profiler = profile(activities=activities, schedule=order, on_trace_ready=self._ready)
        self.profiler.start()

    def step(self) -> None:
        """Mark the end of a training step."""
        if not self.recorded:
            self.profiler.step()

    def finish(self) -> Table | None:
        """Write the trace, and return the most expensive operations; None if the run ended before a step was recorded."""
        if not self.recorded:
            self.profiler.stop()
        if not self.recorded:
            return None
        with TemporaryDirectory() as folder:  # the profiler itself would follow a link
            self.profiler.export_chrome_trace(f"{folder}/{FILE}")
            write_whole(self.path, Path(folder, FILE).read_bytes())
        return build_table(self.profiler.key_averages(), on_gpu=self.on_gpu)

    def _ready(self, _: profile) -> None:
        self.recorded = True


def build_table(events: EventList, *, on_gpu: bool) -> Table:
    """The operations that take the most time, without the time of the operations that they call."""
    times = {event.key: event.self_device_time_total if on_gpu else event.self_cpu_time_total for event in events}
    counts = {event.key: event.count for event in events}
    total = sum(times.values()) or 1.0
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("operation")
    for column in ("calls", "own time (ms)", "share"):
        table.add_column(column, justify="right")
    for key in sorted(times, key=lambda key: -times[key])[:NUM_SHOWN]:
        name = "Python, between the operations" if key == "ProfilerStep*" else key
        table.add_row(name, str(counts[key]), f"{times[key] / 1000:.2f}", f"{100 * times[key] / total:.1f} %")
    return table
