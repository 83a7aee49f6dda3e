"""The two families of the 1986 paper: who married whom and had which children, and the rules of kinship."""

import dataclasses
import reprlib
from collections.abc import Callable, Set
from pathlib import Path
from typing import Literal

from backprop_bench.data.errors import InputError
from backprop_bench.data.files import read_unpacked

TREES_FOLDER = Path(__file__).parent / "trees"

_LINES = "men: NAME, NAME or women: NAME, NAME or HUSBAND = WIFE -> CHILD, CHILD"


@dataclasses.dataclass(frozen=True)
class Couple:
    """A husband, a wife and their children, if they have any."""

    husband: str
    wife: str
    children: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class FamilyTree:
    """People, and what makes them relatives.

    Attributes
    ----------
    name
        What the tree is called.
    men, women
        Names, each of one person only.
    couples
        Everybody is married once at most, and a child in one couple at most.
    """

    name: str
    men: tuple[str, ...] = ()
    women: tuple[str, ...] = ()
    couples: tuple[Couple, ...] = ()

    @property
    def people(self) -> tuple[str, ...]:
        """The men, then the women."""
        return self.men + self.women

    def relatives(self, person: str, relation: str) -> tuple[str, ...]:
        """Return who is, say, an aunt of this person, in the order of `people`; nobody may be.

        Raises
        ------
        InputError
            For a person who is not in the tree, or a relation that is not in :data:`RELATIONS`.
        """
        if person not in self.people:
            raise InputError(f"the tree {self.name} has no {person!r}; expected one of {', '.join(self.people)}")
        if relation not in _RULES:
            raise InputError(f"no relation is called {relation!r}; expected one of {', '.join(RELATIONS)}")
        kin, sex = _RULES[relation]
        relatives = kin(self, {person})
        return tuple(name for name in (self.men if sex == "men" else self.women) if name in relatives)


def _parents(tree: FamilyTree, people: Set[str]) -> set[str]:
    return {
        parent
        for couple in tree.couples
        if not people.isdisjoint(couple.children)
        for parent in (couple.husband, couple.wife)
    }


def _children(tree: FamilyTree, people: Set[str]) -> set[str]:
    return {
        child
        for couple in tree.couples
        if not people.isdisjoint((couple.husband, couple.wife))
        for child in couple.children
    }


def _spouses(tree: FamilyTree, people: Set[str]) -> set[str]:
    husbands = {couple.husband for couple in tree.couples if couple.wife in people}
    wives = {couple.wife for couple in tree.couples if couple.husband in people}
    return husbands | wives


def _siblings(tree: FamilyTree, people: Set[str]) -> set[str]:
    return {sibling for person in people for sibling in _children(tree, _parents(tree, {person})) if sibling != person}


def _uncles_and_aunts(tree: FamilyTree, people: Set[str]) -> set[str]:
    """Return the siblings of one's parents, and whom they married."""
    siblings = _siblings(tree, _parents(tree, people))
    return siblings | _spouses(tree, siblings)


def _nephews_and_nieces(tree: FamilyTree, people: Set[str]) -> set[str]:
    """Return the children of one's siblings, and of those of one's husband or wife."""
    return _children(tree, _siblings(tree, people | _spouses(tree, people)))


_RULES: dict[str, tuple[Callable[[FamilyTree, Set[str]], set[str]], Literal["men", "women"]]] = {
    "father": (_parents, "men"),
    "mother": (_parents, "women"),
    "husband": (_spouses, "men"),
    "wife": (_spouses, "women"),
    "son": (_children, "men"),
    "daughter": (_children, "women"),
    "uncle": (_uncles_and_aunts, "men"),
    "aunt": (_uncles_and_aunts, "women"),
    "brother": (_siblings, "men"),
    "sister": (_siblings, "women"),
    "nephew": (_nephews_and_nieces, "men"),
    "niece": (_nephews_and_nieces, "women"),
}

RELATIONS = tuple(_RULES)
"""The twelve relations of the paper, in its order."""


def load_family_trees() -> tuple[FamilyTree, FamilyTree]:
    """Return the English and the Italian tree of the paper.

    They have the same shape: who is in the same place among their `people` has the same relatives.
    """
    return read_family_tree(TREES_FOLDER / "english.txt"), read_family_tree(TREES_FOLDER / "italian.txt")


def read_family_tree(path: Path) -> FamilyTree:
    """Read a family tree from a UTF-8 text file, and call it by the file's name; see :func:`parse_family_tree`."""
    try:
        text = read_unpacked(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not part of any letter, expected UTF-8 text") from error
    return parse_family_tree(text, path.stem, str(path))


def parse_family_tree(text: str, name: str, where: str) -> FamilyTree:
    """Return the family tree that a text describes.

    Parameters
    ----------
    text
        Lines ``men: NAME, NAME`` and ``women: NAME, NAME``, which say who there is, then one line
        ``HUSBAND = WIFE -> CHILD, CHILD`` for every couple; one without children ends after the wife. What follows
        a ``#`` is a comment.
    name
        What to call the tree.
    where
        Where the text is from, for messages.

    Raises
    ------
    InputError
        If a line is anything else, or if no family can be as it says: a name that is nobody's or two people's, a
        husband who is a woman, a second marriage, a child of two fathers, somebody who descends from themselves.
    """
    tree = FamilyTree(name)
    for number, line in enumerate(text.splitlines(), 1):
        if content := line.partition("#")[0].strip():
            tree = _with_line(tree, content, f"{where}: line {number}")
    if not tree.people:
        raise InputError(f"{where}: there is nobody in it, expected lines {_LINES}")
    return tree


def _with_line(tree: FamilyTree, line: str, place: str) -> FamilyTree:
    """Return the tree with what one more line says."""
    head, colon, names = line.partition(":")
    if colon and head.strip() == "men":
        return dataclasses.replace(tree, men=tree.men + _new_people(tree, names, place))
    if colon and head.strip() == "women":
        return dataclasses.replace(tree, women=tree.women + _new_people(tree, names, place))
    husband, equals, rest = line.partition("=")
    if not equals:
        raise InputError(f"{place} is {reprlib.repr(line)}, expected {_LINES}")
    wife, arrow, children = rest.partition("->")
    couple = Couple(husband.strip(), wife.strip(), _split(children) if arrow else ())
    _check_names(tree, couple, place)
    _check_marriage(tree, couple, place)
    _check_children(tree, couple, place)
    return dataclasses.replace(tree, couples=(*tree.couples, couple))


def _split(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(","))


def _new_people(tree: FamilyTree, names: str, place: str) -> tuple[str, ...]:
    people = _split(names)
    for number, name in enumerate(people):
        if not name:
            raise InputError(f"{place} has an empty name, expected names with one comma between any two")
        if name in tree.people or name in people[:number]:
            raise InputError(f"{place} lists {name} again, expected every person once")
    return people


def _check_names(tree: FamilyTree, couple: Couple, place: str) -> None:
    for name in (couple.husband, couple.wife, *couple.children):
        if name not in tree.people:
            raise InputError(f"{place} names {name!r}, expected somebody listed after men: or women: above it")


def _check_marriage(tree: FamilyTree, couple: Couple, place: str) -> None:
    if couple.husband not in tree.men:
        raise InputError(f"{place} has {couple.husband} as the husband, expected one of the men")
    if couple.wife not in tree.women:
        raise InputError(f"{place} has {couple.wife} as the wife, expected one of the women")
    for person in (couple.husband, couple.wife):
        if earlier := _spouses(tree, {person}):
            raise InputError(f"{place} marries {person} again, expected only the marriage with {earlier.pop()}")


def _check_children(tree: FamilyTree, couple: Couple, place: str) -> None:
    older = {couple.husband, couple.wife} | _ancestors(tree, {couple.husband, couple.wife})
    for number, child in enumerate(couple.children):
        if child in older:
            raise InputError(f"{place} makes {child} their own ancestor, expected children who are no ancestors")
        if child in couple.children[:number]:
            raise InputError(f"{place} names the child {child} twice, expected every child once")
        if fathers := _parents(tree, {child}).intersection(tree.men):
            raise InputError(f"{place} gives {child} a second father, {couple.husband}, expected only {fathers.pop()}")


def _ancestors(tree: FamilyTree, people: Set[str]) -> set[str]:
    ancestors: set[str] = set()
    generation = _parents(tree, people)
    while generation:
        ancestors |= generation
        generation = _parents(tree, generation)
    return ancestors
