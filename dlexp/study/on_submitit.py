"""Submit tasks with submitit: as a job array of SLURM, or as processes on this machine. The command does not wait for them."""

import shutil
from typing import Any, NamedTuple

from dlexp.config.launcher import Launcher
from dlexp.config.values import make_printable
from dlexp.errors import ConfigError
from dlexp.run.record import disk
from dlexp.study.forks import importing_safely
from dlexp.study.launch import Tasks
from dlexp.study.task import SubmititTask


class Submitted(NamedTuple):
    """What was submitted: its name, the log of a task, and the command that cancels it."""

    name: str
    log: str
    cancel: str


def submit(launcher: Launcher, tasks: Tasks) -> Submitted:
    """Submit tasks, and return at once.

    Raises:
        ConfigError: If this machine is not part of a cluster with SLURM, or if SLURM refuses the job.
        DiskError: If the folder of the logs cannot be written.
    """
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    cluster = launcher.settings["cluster"]
    if cluster == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
        raise ConfigError(
            "launcher.cluster=slurm: this machine has no sbatch and srun: start the command where jobs are submitted, or set "
            "launcher.cluster=local to try it here."
        )
    make = submitit.SlurmExecutor if cluster == "slurm" else submitit.LocalExecutor
    with disk.writing(tasks.logs), importing_safely():
        executor = make(tasks.logs, max_num_timeout=launcher.settings["requeues"])
        executor.update_parameters(**list_parameters(launcher))
        try:
            jobs = executor.submit_array([SubmititTask(tasks.command, tasks.folder)] * tasks.number)
        except (FailedJobError, FailedSubmissionError) as error:
            raise ConfigError(f"{launcher.choice}: SLURM refuses the job: {make_printable(str(error))}") from error
    identities = [str(job.job_id) for job in jobs]
    if cluster == "slurm":
        name = identities[0].partition("_")[0]
        return Submitted(f"job {name}", f"{name}_*_log.out", f"scancel {name}")
    return Submitted(f"processes {' '.join(identities)}", "*_log.out", f"kill {' '.join(identities)}")


def list_parameters(launcher: Launcher) -> dict[str, Any]:
    """The parameters of submitit's executor for a task."""
    settings = launcher.settings
    if settings["cluster"] == "local":
        return {"timeout_min": settings["minutes"], "gpus_per_node": settings["gpus"], "signal_delay_s": settings["signal"]}
    memory = settings["memory"]
    given = {
        **{key: settings[key] for key in ("partition", "account", "qos", "constraint")},
        "cpus_per_task": settings["cpus"],
        "mem": f"{round(memory * 1024)}M" if memory else None,
        "gpus_per_node": settings["gpus"] or None,
    }
    return {
        "job_name": "dlexp",
        "time": settings["minutes"],
        "signal_delay_s": settings["signal"],
        "additional_parameters": {"requeue": True},  # SLURM puts back what it preempts
        **{key: value for key, value in given.items() if value is not None},
    }
