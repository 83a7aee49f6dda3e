"""`Edit`: a change of the source that applies exactly or not at all. `Mutation`: edits with a name."""

import ast
import copy
import dataclasses
import textwrap
from typing import Literal

Kind = Literal["mistake", "harmless", "unseen"]


class StaleEditError(Exception):
    """An edit does not find the code that it replaces: the source has changed, and the edit must change, too."""


@dataclasses.dataclass(frozen=True)
class Edit:
    """Replaces code by other code.

    Code is compared by its syntax tree, so that neither comments nor line breaks nor brackets without effect matter.

    Attributes
    ----------
    module
        Name of the module that is changed.
    old, new
        Both an expression, or both one statement or more.
    count
        How often the old code must occur.
    """

    module: str
    old: str
    new: str
    count: int = 1


@dataclasses.dataclass(frozen=True)
class Mutation:
    """A change of the NumPy version.

    Attributes
    ----------
    name
        What is different, in one sentence.
    edits
        The change of the source.
    recipes
        Names of the recipes that it is tried on, see :mod:`backprop_bench.bench.mutation.recipes`.
    hint
        The question to somebody whose network differs in this way. Of ``unseen``, the reason; of ``harmless``, empty.
    kind
        ``mistake``: verification must catch it. ``harmless``: it only rounds differently and must not be caught.
        ``unseen``: it is wrong, and verification is known to miss it.
    """

    name: str
    edits: tuple[Edit, ...]
    recipes: tuple[str, ...]
    hint: str = ""
    kind: Kind = "mistake"

    @property
    def changes_data(self) -> bool:
        """Whether it changes the data preparation rather than the network."""
        return any(edit.module.startswith("backprop_bench.data.") for edit in self.edits)


def apply_edit(tree: ast.Module, edit: Edit) -> ast.Module:
    """Apply the edit to a syntax tree, in place, and return it; raises `StaleEditError` unless it applies exactly."""
    old, new = (ast.parse(textwrap.dedent(text).strip()).body for text in (edit.old, edit.new))
    replacer = _Replacer(old, new)
    replacer.visit(tree)
    if replacer.count != edit.count:
        raise StaleEditError(f"{edit.module} has {replacer.count} times, expected {edit.count}: {edit.old.strip()}")
    return ast.fix_missing_locations(tree)


class _Replacer(ast.NodeTransformer):
    """Replaces an expression, or statements that follow each other, and counts how often."""

    def __init__(self, old: list[ast.stmt], new: list[ast.stmt]) -> None:
        self.count = 0
        self.old, self.new = [ast.dump(statement) for statement in old], new
        self.first: type[ast.AST] = type(old[0])  # looked at first, for a dump takes long
        self.expressions: tuple[str, ast.expr] | None = None
        if len(old) == len(new) == 1 and isinstance(old[0], ast.Expr) and isinstance(new[0], ast.Expr):
            self.expressions = ast.dump(old[0].value), new[0].value
            self.first = type(old[0].value)

    def visit(self, node: ast.AST) -> ast.AST:
        if self.expressions is None:
            super().generic_visit(node)
            self._replace_statements(node)
            return node
        if type(node) is self.first and ast.dump(node) == self.expressions[0]:
            self.count += 1
            return copy.deepcopy(self.expressions[1])
        return super().generic_visit(node)

    def _replace_statements(self, node: ast.AST) -> None:
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if isinstance(statements, list):
                setattr(node, field, self._replaced(statements))

    def _replaced(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        width = len(self.old)
        result: list[ast.stmt] = []
        place = 0
        while place < len(statements):
            here = statements[place : place + width]
            if type(here[0]) is self.first and list(map(ast.dump, here)) == self.old:
                self.count += 1
                result += copy.deepcopy(self.new)
                place += width
            else:
                result.append(statements[place])
                place += 1
        return result
