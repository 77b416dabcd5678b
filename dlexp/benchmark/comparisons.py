"""All comparisons, in the order of the table."""

from dlexp.benchmark import airbench, lightning, loader, loop, next_run, process, settings, startup, sweep
from dlexp.benchmark.comparison import Comparison

COMPARISONS = (
    Comparison("loop", "How much slower is our training loop than one written by hand?", 20, loop.cases),
    Comparison("lightning", "How much faster are small training steps than with Lightning's Trainer?", 20, lightning.cases),
    Comparison("loader", "How much faster is an epoch than with a DataLoader, one image at a time?", 8, loader.cases),
    Comparison("bf16", "How much faster are bf16 and channels_last than fp32 on this CPU?", 20, settings.bf16),
    Comparison("startup", "How long until the first step of a command, beyond importing its libraries?", 12, startup.cases),
    Comparison("next_run", "How long does each run of a sweep take beyond its training and evaluation?", 12, next_run.cases),
    Comparison("sweep", "How much faster is a sweep with two jobs than with one, and than with joblib?", 8, sweep.cases),
    Comparison("process", "How much time does each setting of dlexp/machine/process.py save?", 12, process.cases),
    Comparison("gpu_best", "How much faster are the fastest settings than plain fp32 on this GPU?", 20, settings.best),
    Comparison("gpu_graph", "How much faster are small training steps as one CUDA graph?", 20, settings.graph),
    Comparison("gpu_loader", "How much faster is an epoch than with a DataLoader, on a GPU?", 12, settings.gpu_loader),
    Comparison("gpu_airbench", "How long does it take to reach 94 % on CIFAR-10, compared with airbench94?", 6, airbench.cases),
)
