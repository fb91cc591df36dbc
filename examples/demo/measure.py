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
    """Not Python, as this interpreter reads it. The message is the parser's; it is a result, not a failure."""


@dataclass(frozen=True)
class Function:
    """One function: its dotted name within the file, the line of its `def`, its cyclomatic complexity (from 1)."""

    name: str
    line: int
    complexity: int


@dataclass(frozen=True)
class Measurement:
    """One file: its physical lines and every function in it, in the order of their lines."""

    lines: int
    functions: tuple[Function, ...]


def measure(source: bytes) -> Measurement:
    """Measures the text of one file, in whatever encoding it declares. Raises DoesNotParse."""
    tree = parse(source)
    try:
        functions = tuple(sorted(_functions(tree), key=lambda function: function.line))
    except RecursionError:
        raise DoesNotParse("nested too deeply to be walked") from None
    return Measurement(lines=len(source.splitlines()), functions=functions)


def parse(source: bytes) -> ast.Module:
    """The syntax tree of one file. Raises DoesNotParse, also for the odd ways in which the parser gives up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an old file's "\d" would print a SyntaxWarning in the middle of the progress
        try:
            return ast.parse(source)
        except SyntaxError as error:
            raise DoesNotParse(f"{error.msg} (line {error.lineno})" if error.lineno else error.msg) from None
        except (ValueError, RecursionError, MemoryError) as error:  # null bytes; brackets nested without end
            raise DoesNotParse(str(error) or "nested too deeply to be parsed") from None


def _functions(node: ast.AST, prefix: str = "") -> Iterator[Function]:
    """Every function below a node, wherever it stands: in a class, in another function, in an `if`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            # radon by itself lists only functions at the top and in classes at the top, so each is shown to it alone.
            [measured] = ComplexityVisitor.from_ast(child).functions
            yield Function(prefix + child.name, child.lineno, measured.complexity)
            yield from _functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, (ast.stmt, ast.ExceptHandler, ast.match_case)):
            yield from _functions(child, prefix)
