"""Stage 0 to 2: measures one Python file by its syntax tree.

Cyclomatic complexity is radon's: one for the function, one more for each place where its path can split (branches,
loops, handlers, `and`/`or`, comprehensions, assertions, cases of `match`). The mccabe library was the other candidate:
it never looks inside `match` and `except*`, and keeps only the last of two functions of one name (a property's setter).
"""

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from radon.visitors import ComplexityVisitor


class DoesNotParse(Exception):
    """The file is not valid Python. The message is the parser's; this is a result, not a failure."""


@dataclass(frozen=True)
class Function:
    """One function: its dotted name within the file, the line of its `def`, its cyclomatic complexity (from 1)."""

    name: str
    line: int
    complexity: int


@dataclass(frozen=True)
class Measurement:
    """One file: its physical lines and all its functions, in the order of their lines."""

    lines: int
    functions: tuple[Function, ...]


def measure(source: bytes) -> Measurement:
    """Measures the text of one file, in the encoding that it declares. Raises DoesNotParse."""
    tree = parse(source)
    try:
        functions = tuple(sorted(_functions(tree), key=lambda function: function.line))
    except RecursionError:
        raise DoesNotParse("nested too deeply to be walked") from None
    return Measurement(lines=len(source.splitlines()), functions=functions)


def parse(source: bytes) -> ast.Module:
    """The syntax tree of one file. Raises DoesNotParse for each kind of parser error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an old file's "\d" would print a SyntaxWarning in the middle of the progress
        try:
            return ast.parse(source)
        except SyntaxError as error:
            raise DoesNotParse(f"{error.msg} (line {error.lineno})" if error.lineno else error.msg) from None
        except (ValueError, RecursionError, MemoryError) as error:  # null bytes; too deeply nested brackets
            raise DoesNotParse(str(error) or "nested too deeply to be parsed") from None


def _functions(node: ast.AST, prefix: str = "") -> Iterator[Function]:
    """All functions below a node, also in classes, other functions and `if` statements."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            # radon lists only functions at module level and in classes there, so it gets each function separately.
            [measured] = ComplexityVisitor.from_ast(child).functions
            yield Function(prefix + child.name, child.lineno, measured.complexity)
            yield from _functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case)):
            yield from _functions(child, prefix)
