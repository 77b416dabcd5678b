"""What can go wrong through no fault of the code. Imports nothing, so that a refusal answers before torch has loaded."""


class ConfigError(ValueError):
    """A config that cannot run as it was meant: the user's to mend. Exit code 2.

    Args:
        problems: One line each: config path, what was expected, what came, the nearest valid choice.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


class UnsupportedError(ConfigError):
    """A sound config that this machine cannot run, for want of a device or a format. Exit code 2; a sweep leaves it out."""


class DatasetError(RuntimeError):
    """Data that cannot be fetched or read. Exit code 7."""


class CheckpointError(RuntimeError):
    """A run that was cut off and whose saved states are all damaged, or what they hang on. Exit code 4.

    Args:
        problems: One line each.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))


class DiskError(RuntimeError):
    """A disk that is full or refuses to be written. Exit code 5; what was saved before is whole."""


class HeldError(RuntimeError):
    """A run that another process is working on. Exit code 3; a sweep passes it over."""
