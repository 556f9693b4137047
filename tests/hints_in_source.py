"""The hints of errors, collected from the source: each as a text with `{}` where it is computed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "strmctl"
ERROR = re.compile(r"\w*Error|BadParameter")
MESSAGE_ONLY = ("click.UsageError", "click.BadParameter")  # their hint is click's
ADVICE = re.compile(r"`|(?<![\w-])--[a-z]")  # a command, an option, or what to write


def hints_with_advice() -> dict[str, set[str]]:
    """Hints that hold a command or an option -> the files that they stand in."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    source = _Source(trees.values())
    found: dict[str, set[str]] = {}
    for path, tree in trees.items():
        for hint in source.hints(tree):
            if ADVICE.search(hint):
                found.setdefault(hint, set()).add(str(path.relative_to(PACKAGE)))
    return found


class _Source:
    """All modules together: names of constants and functions mean the same in each."""

    def __init__(self, trees: Sequence[ast.Module]) -> None:
        self.trees = list(trees)
        nodes = [node for tree in self.trees for node in ast.walk(tree)]
        self.functions = {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}

    def hints(self, tree: ast.Module) -> Iterator[str]:
        """The texts of all hints of errors that are made in a module."""
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Attribute)
                and node.targets[0].attr == "hint"
            ):
                yield from self.texts(node.value, [tree])
            if isinstance(node, ast.Call) and ERROR.fullmatch(ast.unparse(node.func).rpartition(".")[2]):
                named = [keyword.value for keyword in node.keywords if keyword.arg == "hint"]
                hint = [*node.args[1:2], *named]
                if hint and ast.unparse(node.func) not in MESSAGE_ONLY:
                    inside = [one for one in functions if one.lineno <= node.lineno <= one.end_lineno]
                    yield from self.texts(hint[0], [*reversed(inside), tree])

    def texts(self, node: ast.expr, scopes: Sequence[ast.AST]) -> Iterator[str]:
        """What an expression can be; a name is what was assigned to it, and a call what its function returns."""
        if isinstance(node, ast.Constant):
            yield from [node.value] if isinstance(node.value, str) else []
        elif isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.BinOp):
            yield from (a + b for a in self.texts(node.left, scopes) for b in self.texts(node.right, scopes))
        elif isinstance(node, ast.IfExp):
            yield from (text for branch in (node.body, node.orelse) for text in self.texts(branch, scopes))
        elif isinstance(node, ast.BoolOp):
            yield from (text for value in node.values for text in self.texts(value, scopes))
        elif isinstance(node, ast.Name):
            for value, around in self._assigned(node.id, scopes):
                yield from self.texts(value, around)
        elif isinstance(node, ast.Call) and (function := self.functions.get(ast.unparse(node.func).split(".")[-1])):
            for inner in ast.walk(function):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    yield from self.texts(inner.value, [function])

    def _assigned(self, name: str, scopes: Sequence[ast.AST]) -> Iterator[tuple[ast.expr, Sequence[ast.AST]]]:
        for scope in (*scopes, *self.trees):
            nodes = scope.body if isinstance(scope, ast.Module) else ast.walk(scope)
            values = [
                node.value for node in nodes if isinstance(node, ast.Assign) and name in map(ast.unparse, node.targets)
            ]
            values = [value for value in values if name not in map(ast.unparse, ast.walk(value))]
            if values:
                yield from ((value, scopes) for value in values)
                return
