"""Read run folders into tables, judge a study's predictions, and write its report. Loads no torch.

Begin with judge/analyse.py. A notebook needs only the names below; report/write.py writes the report.
"""

from dlexp.analysis.judge.analyse import analyse
from dlexp.analysis.judge.cells import aggregate
from dlexp.analysis.judge.curves import smooth, time_to_target
from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.read.folder import DamagedRunWarning
from dlexp.analysis.read.load import load_metrics, load_probes, load_runs
from dlexp.analysis.read.runs_csv import write_runs

__all__ = ["DamagedRunWarning", "StudyResult", "Verdict", "aggregate", "analyse", "load_metrics", "load_probes", "load_runs"]
__all__ += ["smooth", "time_to_target", "write_runs"]
