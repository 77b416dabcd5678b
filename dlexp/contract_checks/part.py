"""What is checked: one option of a group, as its file gives it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dlexp.config.lab_options import READ_BY_THE_RUN
from dlexp.config.options import Traits, format_place, list_groups, option_file, option_keys, read_option, traits
from dlexp.config.ranges import Rule, option_ranges
from dlexp.config.values import Tree, leaves


@dataclass(frozen=True)
class Part:
    """One option of a group. It need not stand in conf/, so that a test can check one that it makes up.

    Args:
        group: Its group.
        option: Its name.
        keys: The content of its file, references left as text, `_target_` and `_partial_` included.
        traits: What it needs and provides.
        ranges: Config path → rule, for the keys that have a range in its file.
        is_listed: Whether `groups()` or `list_groups()` has it, so that a command can choose it.
    """

    group: str
    option: str
    keys: Tree
    traits: Traits = field(default_factory=Traits)
    ranges: Mapping[str, Rule] = field(default_factory=dict)
    is_listed: bool = False

    @property
    def file(self) -> str:
        """Its file, for messages."""
        unlisted = f"conf/{self.group}/{self.option}.yaml"
        return format_place(option_file(self.group, self.option)) if self.is_listed else unlisted

    @property
    def target(self) -> str:
        """What its file names as its factory, for messages."""
        return str(self.keys.get("_target_", f"{self.group}={self.option}"))

    @property
    def path(self) -> str:
        """The config path of its keys: `activation`, or `probe.grad_flow`."""
        return f"{self.group}.{self.option}" if self.group in list_groups() else self.group

    @property
    def choice(self) -> str:
        """The override that chooses it."""
        return f"{self.group}=[{self.option}]" if self.group in list_groups() else f"{self.group}={self.option}"

    @property
    def factory_keys(self) -> list[str]:
        """The keys that its factory receives."""
        others = READ_BY_THE_RUN.get(self.group, ())
        return [key for key in self.keys if not key.startswith("_") and key not in others]

    def defaults(self) -> Tree:
        """Config path → default of each of its keys, without `_target_` and its like."""
        known = option_keys(self.group, self.option) if self.is_listed else dict(leaves(self.keys, f"{self.path}."))
        return {path: default for path, default in known.items() if not path.rpartition(".")[2].startswith("_")}

    def is_nested(self, path: str) -> bool:
        """Whether a key belongs to another part inside this one, such as `model.dropout.p`."""
        name = path.removeprefix(f"{self.path}.").partition(".")[0]
        return isinstance(self.keys.get(name), dict) and "_target_" in self.keys[name]


def find_part(group: str, option: str) -> Part:
    """The option of a group as its file gives it."""
    return Part(group, option, read_option(group, option), traits(group, option), option_ranges(group, option), is_listed=True)
