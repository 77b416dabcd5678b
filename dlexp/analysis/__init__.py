"""From run folders to tables, intervals and verdicts. Imports no torch.

`load_runs`, `load_metrics`, `load_probes` read run folders; `analyse` aggregates and judges one study.
"""

from dlexp.analysis.cells import aggregate as aggregate
from dlexp.analysis.derive import smooth as smooth
from dlexp.analysis.derive import time_to_target as time_to_target
from dlexp.analysis.load import DamagedRunWarning as DamagedRunWarning
from dlexp.analysis.load import load_metrics as load_metrics
from dlexp.analysis.load import load_probes as load_probes
from dlexp.analysis.load import load_runs as load_runs
from dlexp.analysis.result import StudyResult as StudyResult
from dlexp.analysis.result import Verdict as Verdict
from dlexp.analysis.sheet import write_runs as write_runs
from dlexp.analysis.study import analyse as analyse
