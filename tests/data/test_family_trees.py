from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backprop_bench.data import RELATIONS, FamilyTree, InputError, load_family_trees
from backprop_bench.data.family_trees import TREES_FOLDER, parse_family_tree, read_family_tree

ENGLISH, ITALIAN = load_family_trees()
ENGLISH_TEXT = (TREES_FOLDER / "english.txt").read_text(encoding="utf-8")

MATCHING = {
    "Christopher": "Roberto",
    "Penelope": "Maria",
    "Andrew": "Pierro",
    "Christine": "Francesca",
    "Arthur": "Emilio",
    "Margaret": "Gina",
    "Victoria": "Lucia",
    "James": "Marco",
    "Jennifer": "Angela",
    "Charles": "Tomaso",
    "Colin": "Alfonso",
    "Charlotte": "Sophia",
}

# Read off the figure by eye, not by the rules.
RELATIVES: dict[tuple[str, str], set[str]] = {
    ("Colin", "father"): {"James"},
    ("Colin", "mother"): {"Victoria"},
    ("Colin", "sister"): {"Charlotte"},
    ("Colin", "brother"): set(),
    ("Colin", "aunt"): {"Margaret", "Jennifer"},
    ("Colin", "uncle"): {"Arthur", "Charles"},
    ("Colin", "wife"): set(),
    ("Colin", "nephew"): set(),
    ("Charlotte", "brother"): {"Colin"},
    ("Charlotte", "sister"): set(),
    ("Margaret", "husband"): {"Arthur"},
    ("Margaret", "nephew"): {"Colin"},
    ("Margaret", "niece"): {"Charlotte"},
    ("Margaret", "mother"): set(),
    ("Charles", "niece"): {"Charlotte"},
    ("Jennifer", "brother"): {"James"},
    ("James", "nephew"): set(),
    ("James", "daughter"): {"Charlotte"},
    ("Christopher", "son"): {"Arthur"},
    ("Christopher", "daughter"): {"Victoria"},
    ("Penelope", "son"): {"Arthur"},
    ("Andrew", "wife"): {"Christine"},
}

INVERSES = [
    ({"father", "mother"}, {"son", "daughter"}),
    ({"husband"}, {"wife"}),
    ({"brother", "sister"}, {"brother", "sister"}),
    ({"uncle", "aunt"}, {"nephew", "niece"}),
]


def pairs(tree: FamilyTree, relations: set[str]) -> set[tuple[str, str]]:
    """Return everyone with each of their relatives of these kinds."""
    return {
        (person, relative)
        for person in tree.people
        for relation in relations
        for relative in tree.relatives(person, relation)
    }


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_family_tree(text, "broken", "broken.txt")
    message = str(caught.value)
    assert message.startswith("broken.txt: ")
    assert "expected" in message
    assert "\n" not in message
    return message


def test_there_are_24_people_of_24_names() -> None:
    assert len({*ENGLISH.people, *ITALIAN.people}) == len(ENGLISH.people + ITALIAN.people) == 24
    for tree in (ENGLISH, ITALIAN):
        assert (len(tree.men), len(tree.women)) == (6, 6)


def test_there_are_104_questions_with_112_answers_in_twelve_relations() -> None:
    assert len(RELATIONS) == 12
    answers = [
        tree.relatives(person, relation)
        for tree in (ENGLISH, ITALIAN)
        for person in tree.people
        for relation in RELATIONS
    ]
    assert sum(len(right) > 0 for right in answers) == 104
    assert sum(len(right) for right in answers) == 112


@pytest.mark.parametrize(("question", "expected"), RELATIVES.items())
def test_relatives_are_those_that_one_sees_in_the_figure(question: tuple[str, str], expected: set[str]) -> None:
    relatives = ENGLISH.relatives(*question)
    assert len(relatives) == len(expected)
    assert set(relatives) == expected


@pytest.mark.parametrize("relation", RELATIONS)
def test_the_trees_are_isomorphic_in_every_relation(relation: str) -> None:
    assert set(MATCHING) == set(ENGLISH.people)
    matched = {(MATCHING[person], MATCHING[relative]) for person, relative in pairs(ENGLISH, {relation})}
    assert matched == pairs(ITALIAN, {relation})


def test_people_in_the_same_place_match() -> None:
    assert dict(zip(ENGLISH.people, ITALIAN.people, strict=True)) == MATCHING


@pytest.mark.parametrize("tree", [ENGLISH, ITALIAN], ids=["english", "italian"])
def test_nobody_is_a_relative_of_themselves_and_relatives_have_the_right_sex(tree: FamilyTree) -> None:
    for relation in RELATIONS:
        male = relation in {"father", "husband", "son", "uncle", "brother", "nephew"}
        for person, relative in pairs(tree, {relation}):
            assert person != relative
            assert relative in (tree.men if male else tree.women)


@pytest.mark.parametrize(("relations", "inverse"), INVERSES)
def test_relations_come_in_pairs_that_mirror_each_other(relations: set[str], inverse: set[str]) -> None:
    for tree in (ENGLISH, ITALIAN):
        assert {(b, a) for a, b in pairs(tree, relations)} == pairs(tree, inverse)


@given(couples=st.permutations([line for line in ENGLISH_TEXT.splitlines() if "=" in line and "#" not in line]))
def test_couples_may_come_in_any_order(couples: list[str]) -> None:
    names = [line for line in ENGLISH_TEXT.splitlines() if line.startswith(("men:", "women:"))]
    tree = parse_family_tree("\n".join([*names, *couples]), "english", "english.txt")
    for relation in RELATIONS:
        assert pairs(tree, {relation}) == pairs(ENGLISH, {relation})


def test_names_of_people_may_be_spread_over_lines_and_couples_need_no_children() -> None:
    tree = parse_family_tree("men: Tom\n\nwomen: Ann # his wife\nmen: Bob, Joe\nTom=Ann->Joe,Bob\n", "small", "small")
    assert tree.people == ("Tom", "Bob", "Joe", "Ann")
    assert tree.relatives("Tom", "son") == ("Bob", "Joe")
    assert tree.relatives("Bob", "brother") == ("Joe",)
    assert parse_family_tree("men: Tom\nwomen: Ann\nTom = Ann", "small", "small").relatives("Ann", "son") == ()


@pytest.mark.parametrize(
    ("line", "instead", "message"),
    [
        ("Arthur = Margaret", "Arthur = Margaret -> Colin", "line 10 gives Colin a second father, Arthur, .* James$"),
        ("Arthur = Margaret", "Colin = Margaret -> Christopher", "line 10 makes Christopher their own ancestor"),
        ("Arthur = Margaret", "Arthur = Margaret -> Arthur", "line 10 makes Arthur their own ancestor"),
        ("Arthur = Margaret", "Arthur = Margret", "line 10 names 'Margret', expected somebody listed"),
        ("Arthur = Margaret", "Arthur = Margaret -> Gina", "line 10 names 'Gina', expected somebody listed"),
        ("Arthur = Margaret", "Arthur = Margaret ->", "line 10 names '', expected somebody listed"),
        ("Charles = Jennifer", "Jennifer = Charles", "line 11 has Jennifer as the husband, expected one of the men"),
        ("Charles = Jennifer", "Charles = Colin", "line 11 has Colin as the wife, expected one of the women"),
        ("Charles = Jennifer", "Charles = Margaret", "line 11 marries Margaret again, .* with Arthur$"),
        ("Charles = Jennifer", "Arthur = Jennifer", "line 11 marries Arthur again, .* with Margaret$"),
        ("Charles = Jennifer", "Charles and Jennifer", "line 11 is 'Charles and Jennifer', expected men: NAME, NAME"),
        ("-> Colin, Charlotte", "-> Colin, Colin", "line 9 names the child Colin twice"),
        ("Charles, Colin", "Charles, James", "line 4 lists James again"),
        ("Charles, Colin", "Charles,, Colin", "line 4 has an empty name"),
        ("Margaret, Charlotte", "Margaret, Colin", "line 5 lists Colin again"),
    ],
)
def test_what_no_family_can_be_is_refused_with_its_line(line: str, instead: str, message: str) -> None:
    assert ENGLISH_TEXT.count(line) == 1
    with pytest.raises(InputError, match=message):
        parse_family_tree(ENGLISH_TEXT.replace(line, instead), "english", "english.txt")
    refusal(ENGLISH_TEXT.replace(line, instead))


def test_who_descends_from_themselves_over_generations_is_found_in_any_order() -> None:
    names = "men: A, B, C\nwomen: X, Y, Z\n"
    lines = ["A = X -> B", "B = Y -> C", "C = Z -> A"]
    for first in range(3):
        turned = lines[first:] + lines[:first]
        assert f"line 5 makes {turned[-1][-1]} their own ancestor" in refusal(names + "\n".join(turned))


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment"])
def test_a_tree_of_nobody_is_refused(text: str) -> None:
    assert "nobody" in refusal(text)


def test_a_tree_is_called_by_the_name_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "ours.txt"
    path.write_bytes(b"\xef\xbb\xbf" + ENGLISH_TEXT.replace("Colin", "Zoë").replace("\n", "\r\n").encode())
    tree = read_family_tree(path)
    assert tree.name == "ours"
    assert tree.relatives("Charlotte", "brother") == ("Zoë",)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ours.txt"
    with pytest.raises(InputError, match=r"ours\.txt: there is no such file, expected one"):
        read_family_tree(path)
    path.write_bytes(b"men: Zo\xeb")
    with pytest.raises(InputError, match=r"ours\.txt: byte 7 is not part of any letter, expected UTF-8 text"):
        read_family_tree(path)


def test_who_or_what_is_unknown_is_answered_with_what_is_known() -> None:
    with pytest.raises(InputError, match=r"the tree english has no 'Gina'; expected one of Christopher, .*Charlotte$"):
        ENGLISH.relatives("Gina", "aunt")
    with pytest.raises(InputError, match=r"no relation is called 'cousin'; expected one of father, .*niece$"):
        ENGLISH.relatives("Colin", "cousin")
