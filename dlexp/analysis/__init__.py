"""From run folders to tables, intervals and verdicts. Imports no torch.

`load_runs`, `load_metrics`, `load_probes` read run folders; `analyse` aggregates and judges one study.
"""

from dlexp.analysis.judge.analyse import analyse as analyse
from dlexp.analysis.judge.cells import aggregate as aggregate
from dlexp.analysis.judge.curves import smooth as smooth
from dlexp.analysis.judge.curves import time_to_target as time_to_target
from dlexp.analysis.judge.result import StudyResult as StudyResult
from dlexp.analysis.judge.result import Verdict as Verdict
from dlexp.analysis.read.load import DamagedRunWarning as DamagedRunWarning
from dlexp.analysis.read.load import load_metrics as load_metrics
from dlexp.analysis.read.load import load_probes as load_probes
from dlexp.analysis.read.load import load_runs as load_runs
from dlexp.analysis.read.runs_csv import write_runs as write_runs
