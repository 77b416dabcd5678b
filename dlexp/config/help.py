"""The text of `dlexp train --help`: one screen, built from the files in conf/."""

from textwrap import wrap

from dlexp.config.entry import show_command
from dlexp.config.options import current_lab, default_choices, groups, in_lab, list_groups, options_in, scalars
from dlexp.config.values import format_value, leaves

WIDTH = 100

EXAMPLES = """\
  {train} activation=relu depth=8 'augment=[crop,flip]'
  {train} -m norm=bn,gn batch_size=2,4,8,16,32,64,128
  {train} -m 'optimizer.lr=log(1e-4,1,5)' depth=2,4 width=32,16 'zip=[depth,width]'"""


def help_text() -> str:
    """Usage, groups with their options, plain keys with their defaults, examples and exit codes."""
    train, plan, lines = show_command("train"), show_command("plan"), {}
    for group, default in default_choices().items():
        lines[group] = " ".join(f"*{name}" if name == default else name for name in groups()[group])
    for group, options in list_groups().items():
        lines[group] = f"{' '.join(options)} (a list)"
    plain = [f"{path}={value if isinstance(value, str) else format_value(value)}" for path, value in leaves(scalars())]
    return "\n".join(
        [
            "Train what a config says, and leave a record in outputs/.",
            "",
            f"  {train} group=option group.key=value key=value     one run",
            f"  {train} -m key=1,2,3 group=a,b                     a sweep: each combination once",
            f"  {train} study=name                                 a study ({plan} lists them)",
            "",
            "Groups and their options (* the default); the keys of an option stand in conf/<group>/<option>.yaml",
            *(line for group, names in lines.items() for line in _block(f"{group:11}", names)),
            "",
            "Keys and their defaults, explained in conf/config.yaml",
            *_block("", " ".join(plain)),
            "",
            *_list_lab(),
            "Examples",
            EXAMPLES.format(train=train),
            "",
            f"See a config without running it: {train} ... --cfg job --resolve",
            "Exit codes: 0 done, 1 failed, 2 refused, 3 held, 6 diverged, 7 no data, 8 no memory, 75 interrupted",
        ]
    )


def _list_lab() -> list[str]:
    """The options of the lab in use, and its studies."""
    lab, lines = current_lab(), []
    for group in (*groups(), *list_groups(), "study"):
        if names := [name for name in options_in(group) if in_lab(group, name)]:
            lines += _block(f"{group:11}", " ".join(names))
    return [f"Options of the lab {lab.folder}", *(lines or ["  none"]), ""] if lab else []


def _block(name: str, words: str) -> list[str]:
    indent = " " * (2 + len(name))
    return wrap(words, WIDTH, initial_indent=f"  {name}", subsequent_indent=indent, break_on_hyphens=False)
