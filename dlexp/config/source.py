"""What a module's source says: a hash that comments do not change, and the modules it imports. Text only; nothing is imported.

The hash is of the syntax tree, and the same under every version of Python that can read the file. `ast.dump` is not: newer
versions have further fields (`type_params`) and cut strings with `{…}` differently.
"""

import ast
import hashlib
import warnings
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

# Fields without a meaning of their own: `ctx` follows from the place of a name, and comments are comments.
IGNORED_FIELDS = {"ctx", "type_comment", "type_ignores"}
SPECIAL_FIELDS = {*IGNORED_FIELDS, "body", "values", "format_spec"}  # see _normalize
WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")  # the fields of a statement that hold statements
UNREADABLE = (
    SyntaxError,
    ValueError,
    RecursionError,
    MemoryError,
)  # ast.parse of a file that is not Python, or nested too deeply


class Import(NamedTuple):
    """One name that a module imports: `from ..loss import focal` is ("loss", "focal", 2), `import a.b` is ("a.b", "", 0)."""

    module: str
    name: str
    level: int


class Source(NamedTuple):
    """What a file says.

    Args:
        digest: The sha256 of its syntax tree; of its bytes if it cannot be parsed.
        imports: In no particular order; none if it cannot be parsed.
    """

    digest: str
    imports: frozenset[Import]


_sources: dict[tuple[str, int, int, int], Source] = {}  # by path, size, time of change and inode


def parse_source(content: bytes) -> Source:
    """The hash and the imports of a module with this content."""
    try:
        with warnings.catch_warnings():  # such as that of an unknown escape in a string
            warnings.simplefilter("ignore")
            tree = ast.parse(content)
    except UNREADABLE:
        return Source(hashlib.sha256(content).hexdigest(), frozenset())
    return Source(hashlib.sha256(_encode(tree)).hexdigest(), frozenset(_list_imports(tree)))


def hash_source(path: Path) -> str:
    """The sha256 of a module's syntax tree, without comments, docstrings, blank space and line numbers.

    It is equal under Python 3.11, 3.12 and 3.13. Of a file that cannot be parsed, or that is nested too deeply for Python's
    parser, the bytes are hashed, so that every change is a change.

    Raises:
        OSError: If the file cannot be read.
    """
    return _read(path).digest


def find_imports(path: Path, package: str) -> frozenset[str]:
    """The dotted names that a module imports, anywhere in it: `import a.b` and `from a import b` are both `a.b`.

    `from a import *` is `a.*`. Blocks under `if TYPE_CHECKING:` are left out, because they are never executed. An import by a
    call, such as `importlib.import_module`, is not found.

    Args:
        path: The file.
        package: The package that its relative imports are relative to: `dlexp.run` for dlexp/run/trainer.py, and for
            dlexp/run/__init__.py too.
    """
    above = package.split(".")
    names = set()
    for item in _read(path).imports:
        if item.level <= len(above):  # else it leaves the package, and Python refuses it
            base = above[: len(above) - item.level + 1] if item.level else []
            names.add(".".join(filter(None, [*base, item.module, item.name])))
    return frozenset(names)


def reachable(modules: Iterable[str], package_name: str, folder: Path, excluded: Collection[str] = ()) -> dict[str, Path]:
    """The modules of one package that are executed when some modules are imported: name → file, sorted by name.

    The packages around a module count as well, because Python executes their `__init__.py` first.

    Args:
        modules: Dotted names of modules, or of something defined in one. Names of other packages are passed over.
        package_name: Name of the package, which may be one that only exists in memory.
        folder: The folder with its modules.
        excluded: Names of modules or packages that are left out, with what only they import.
    """
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        for name, path in _locate(waiting.pop(), package_name, folder):
            if name not in found and not is_below(name, excluded):
                found[name] = path
                waiting += find_imports(path, name if path.name == "__init__.py" else name.rpartition(".")[0])
    return dict(sorted(found.items()))


def is_below(name: str, prefixes: Iterable[str]) -> bool:
    """Whether a dotted name is one of these, or lies below one."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def _locate(name: str, package_name: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """The modules that an import of a dotted name executes: the packages on its way and itself, as far as they exist."""
    if not is_below(name, [package_name]):
        return
    path, words = folder, [word for word in name[len(package_name) :].split(".") if word]
    for position in range(len(words) + 1):
        reached = ".".join([package_name, *words[:position]])
        if position and words[position - 1] == "*":
            yield from _locate_all(reached.removesuffix(".*"), path)
            return
        path = path / words[position - 1] if position else path
        if (package := path / "__init__.py").is_file():
            yield reached, package
        elif position and (module := path.with_name(f"{path.name}.py")).is_file():
            yield reached, module
        if not path.is_dir():
            return


def _locate_all(package: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """All modules directly in a package: `__all__` may name each of them, and `import *` would import it."""
    for path in sorted(folder.glob("*.py")):
        if path.stem != "__init__":
            yield f"{package}.{path.stem}", path
    for path in sorted(folder.glob("*/__init__.py")):
        yield f"{package}.{path.parent.name}", path


def _read(path: Path) -> Source:
    """Parse a file, or recall what it was when this process read it."""
    status = path.stat()
    key = str(path), status.st_size, status.st_mtime_ns, status.st_ino
    if key not in _sources:
        _sources[key] = parse_source(path.read_bytes())
    return _sources[key]


def _list_imports(tree: ast.Module) -> Iterator[Import]:
    waiting: list[Any] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, "", 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (Import(node.module or "", alias.name, node.level) for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in (getattr(node.test, "id", ""), getattr(node.test, "attr", "")):
            waiting += node.orelse
        else:
            waiting += [inner for block in BLOCKS for inner in getattr(node, block, ())]


def _encode(tree: ast.Module) -> bytes:
    """The tree as bytes from which it could be rebuilt, so that two trees with the same bytes are equal.

    Empty fields are left out, as versions of Python differ in the empty fields that they have. A loop instead of a recursion,
    because a sum of a thousand terms is a tree of that depth.
    """
    encoded: list[bytes] = []
    waiting: list[Any] = [tree]  # nodes, and bytes as they are to be written
    while waiting:
        item = waiting.pop()
        if type(item) is bytes:
            encoded.append(item)
        elif type(item) is ast.Name:  # names and constants are half of all nodes
            encoded.append(item.id.encode())
        elif type(item) is ast.Constant:
            encoded.append(_encode_value(item.value))
        else:
            encoded.append(type(item).__name__.encode())
            waiting += reversed(_encode_fields(item))
    return b" ".join(encoded)


def _encode_fields(node: ast.AST) -> list[ast.AST | bytes]:
    """The names and values of a node's fields, and a closing bracket."""
    pieces: list[ast.AST | bytes] = [b"("]
    for name in node._fields:
        value = getattr(node, name, None)
        if name in SPECIAL_FIELDS:
            value = _normalize(node, name, value)
        if value is None or value == []:
            continue
        pieces.append(name.encode())
        if type(value) is list:
            pieces += [item if isinstance(item, ast.AST) else _encode_value(item) for item in value]
            pieces.append(b"]")
        else:
            pieces.append(value if isinstance(value, ast.AST) else _encode_value(value))
    pieces.append(b")")
    return pieces


def _normalize(node: ast.AST, name: str, value: Any) -> Any:
    """The value of a field without what has no meaning; None if nothing is left."""
    if name == "body" and isinstance(node, WITH_DOCSTRING):
        return value if ast.get_docstring(node, clean=False) is None else value[1:]
    if name == "values" and isinstance(node, ast.JoinedStr):
        return list(_merge_text(value))
    if name == "format_spec" and value is not None:
        return value if list(_merge_text(value.values)) else None
    return None if name in IGNORED_FIELDS else value


def _encode_value(value: Any) -> bytes:
    """A constant or a name, with its type and length in front."""
    if isinstance(value, str):  # repr depends on the version's table of printable characters
        text = value.encode("utf-8", "surrogatepass")
    elif isinstance(value, int) and not isinstance(value, bool):
        text = hex(value).encode()  # repr refuses large ones
    else:
        text = value if isinstance(value, bytes) else repr(value).encode()
    return b"%s:%d:%s" % (type(value).__name__.encode(), len(text), text)


def _merge_text(values: list[ast.expr]) -> Iterator[ast.expr]:
    """The pieces of a string with `{…}`, each stretch of text as one piece: versions of Python cut it differently."""
    text = ""
    for value in values:
        if isinstance(value, ast.Constant):
            text += str(value.value)
            continue
        if text:
            yield ast.Constant(text)
        text = ""
        yield value
    if text:
        yield ast.Constant(text)
