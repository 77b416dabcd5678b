"""What can be compared, in the order of the table."""

from dlexp.benchmark import airbench, lightning, loader, loop, next_run, process, settings, startup
from dlexp.benchmark.comparison import Comparison

COMPARISONS = (
    Comparison("loop", "What does our training loop cost beside one that is written out by hand?", 20, loop.cases),
    Comparison("lightning", "How much faster are small steps than under Lightning's Trainer?", 20, lightning.cases),
    Comparison(
        "loader", "How much faster is an epoch than with a DataLoader that changes one image at a time?", 8, loader.cases
    ),
    Comparison("bf16", "How much faster are bf16 and channels_last than fp32 on this CPU?", 20, settings.bf16),
    Comparison("startup", "How long until the first step, beyond the libraries that must be loaded?", 12, startup.cases),
    Comparison("next_run", "What does one more run of a sweep cost beside its training?", 12, next_run.cases),
    Comparison("process", "How much time does each setting of the process save (DLEXP_PROCESS)?", 12, process.cases),
    Comparison("gpu_best", "How much faster are the best settings than fp32 without any of them?", 20, settings.best),
    Comparison("gpu_graph", "How much faster are small steps as one CUDA graph?", 20, settings.graph),
    Comparison("gpu_loader", "The comparison `loader`, on a GPU", 12, settings.gpu_loader),
    Comparison("gpu_airbench", "How long to 94 % on CIFAR-10, beside airbench94?", 6, airbench.cases),
)
