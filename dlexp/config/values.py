"""Trees of values, as YAML gives them: the references in them, and their form in a message."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

Tree = dict[str, Any]

REFERENCE = re.compile(r"\$\{([A-Za-z]\w*(?:\.\w+)*)\}")  # ${depth}, ${optimizer.lr}; not ${oc.env:HOME}


def leaves(tree: Tree, above: str = "") -> Iterator[tuple[str, Any]]:
    """Each path below `tree` that holds a value, with the value; lists and empty maps are values."""
    for name, node in tree.items():
        path = f"{above}{name}"
        if isinstance(node, dict) and node:
            yield from leaves(node, f"{path}.")
        else:
            yield path, node


def copy_tree(node: Any) -> Any:
    """A copy of a value of a config in which lists and maps are new ones."""
    if isinstance(node, dict):
        return {key: copy_tree(item) for key, item in node.items()}
    return [copy_tree(item) for item in node] if isinstance(node, list) else node


def value_at(tree: Tree, path: str) -> Any:
    """The value at a path such as `optimizer.lr`."""
    node: Any = tree
    for name in path.split("."):
        node = node[name]
    return node


def resolve(node: Any, tree: Tree, above: tuple[str, ...] = ()) -> Any:
    """A copy of `node` in which each reference is replaced by the value that it refers to.

    Args:
        node: A value of a config.
        tree: The whole config.
        above: The references that lead to this value.

    Raises:
        LookupError: If a reference leads nowhere, or to itself.
    """
    if isinstance(node, dict):
        return {key: resolve(item, tree, above) for key, item in node.items()}
    if isinstance(node, list):
        return [resolve(item, tree, above) for item in node]
    if not isinstance(node, str):
        return node
    path = find_reference(node)
    if path is None:
        return REFERENCE.sub(lambda match: str(resolve(match[0], tree, above)), node)
    if path in above:
        raise LookupError(f"{path} refers to itself")
    return resolve(value_at(tree, path), tree, (*above, path))


def find_reference(value: object) -> str | None:
    """The path that a value refers to if it is a single reference, else None: "norm" for "${norm}"."""
    match = REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match else None


def find_references(node: object) -> set[str]:
    """All paths that a text below `node` refers to: {"data_dir"} for "${data_dir}/.cache"."""
    return {name for text in _keys_and_values(node)[1] if isinstance(text, str) for name in REFERENCE.findall(text)}


def find_targets(node: Any) -> Iterator[str]:
    """Each `_target_` in a config, at any depth."""
    if isinstance(node, dict):
        for key, item in node.items():
            if key == "_target_":
                yield str(item)
            else:
                yield from find_targets(item)
    elif isinstance(node, list):
        for item in node:
            yield from find_targets(item)


def find_private_keys(node: Any) -> Iterator[str]:
    """The keys in a value that begin with an underscore: `_target_`, and what else Hydra's `instantiate` would obey."""
    return (str(key) for key in _keys_and_values(node)[0] if str(key).startswith("_"))


def find_resolver_calls(node: Any) -> Iterator[str]:
    """The interpolations in a value that are more than a reference, such as `${oc.env:HOME}`."""
    texts = (str(item) for items in _keys_and_values(node) for item in items)
    return (call for text in texts for call in re.findall(r"\$\{[^}]*\}?", text) if not REFERENCE.fullmatch(call))


def _keys_and_values(node: Any) -> tuple[list[Any], list[Any]]:
    """The keys and the values at any depth of lists and maps."""
    keys: list[Any] = []
    values: list[Any] = []
    rest = [node]
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            keys += item
            rest += item.values()
        elif isinstance(item, list):
            rest += item
        else:
            values.append(item)
    return keys, values


def format_value(value: object) -> str:
    """Format a value for a message: as it is typed, on one line, at most 80 characters."""
    words = {None: "null", True: "true", False: "false"}
    text = words[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def join_first(items: Iterable[object], limit: int = 10) -> str:
    """Join the first items of a list for a message, and say how many more there are: `a, b, c and 4 more`."""
    texts = [str(item) for item in items]
    more = f" and {len(texts) - limit} more" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + more


def make_printable(text: str) -> str:
    """Make untrusted text fit for a message: without control characters, at most 120 characters."""
    text = "".join(letter if letter.isprintable() else "?" for letter in text[:121])
    return text if len(text) <= 120 else f"{text[:117]}..."


def show_path(path: str) -> str:
    """The same for a path: of a long one the end is shown, which holds the file's name."""
    return make_printable(path if len(path) <= 120 else f"...{path[-117:]}")
