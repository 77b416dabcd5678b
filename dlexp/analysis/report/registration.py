"""Say in a report whether its study was registered before the first run, and whether it has changed since."""

from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.text import Text
from dlexp.run.record.registrations import SHOWN_DIGITS, Registration, show_date


def list_notes(result: StudyResult, text: Text) -> list[str]:
    """When a study was registered, or that its predictions were not."""
    standing = result.registration
    if standing.state == "none" and result.verdicts:
        return [text("registered_none")]
    if standing.state not in ("before", "after") or standing.registration is None:
        return []
    notes = [text(f"registered_{standing.state}", _describe(standing.registration, text))]
    return notes + ([text("registered_others", dates=", ".join(map(show_date, standing.others)))] if standing.others else [])


def list_warnings(result: StudyResult, text: Text) -> list[str]:
    """That a study has changed since it was registered, or that its registrations cannot be read."""
    standing = result.registration
    if standing.state == "damaged":
        return [text("registered_damaged", problem=standing.problem)]
    if standing.state != "changed" or standing.registration is None:
        return []
    keys = ", ".join(standing.differs)
    return [text("registered_changed", _describe(standing.registration, text), keys=keys)]


def _describe(registration: Registration, text: Text) -> dict[str, str]:
    """Date and origin of a registration: the first digits of its hash, and the commit where it is known."""
    origin = f"sha256 {registration['hash'][:SHOWN_DIGITS]}"
    if commit := registration["git_commit"]:
        digits, dash, dirty = commit.partition("-")
        origin += f", {text('commit')} {digits[:SHOWN_DIGITS]}{dash}{dirty}"
    return {"date": show_date(registration["date"]), "origin": origin}
