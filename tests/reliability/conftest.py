"""A table of faults: a test adds to it by `record_property(row, [faults, violations])`."""

import re
from collections import defaultdict


def pytest_terminal_summary(terminalreporter):
    """Print the fault table."""
    counted = defaultdict(lambda: [0, 0, 0.0])
    for reports in terminalreporter.stats.values():
        for report in reports:
            for row, numbers in getattr(report, "user_properties", ()):
                if re.fullmatch(r"R\d\d", row) and report.when == "call":
                    counted[row] = [sum(pair) for pair in zip(counted[row], [*numbers, report.duration], strict=True)]
    if counted:
        terminalreporter.section("faults and violations")
        for row, (faults, violations, seconds) in sorted(counted.items()):
            terminalreporter.line(f"{row}  {faults:5} faults  {violations:3} violations  {seconds:7.1f} s")
