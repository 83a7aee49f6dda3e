"""CSV, however it is written: the same numbers, or the line and column of the first cell that is none."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import backprop_bench.data.formats.csv_read
from backprop_bench.data import Dataset, InputError, load_dataset
from backprop_bench.data.formats.columns import parts_of_tables
from backprop_bench.data.formats.csv_layout import read_layout
from backprop_bench.data.formats.csv_read import read_csv
from backprop_bench.data.formats.part import Part, Reading, Source

ROWS = [[3, 0, 255, 7], [0, 1, 2, 3], [12, 9, 9, 9], [1, 250, 0, 0], [2, 4, 5, 6]]
TEXT = "".join(",".join(map(str, row)) + "\n" for row in ROWS)
FIRST = Reading(label="first")


def write_text(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read_part(path: Path, reading: Reading = FIRST) -> Part:
    table = read_csv(Source(path, str(path), path.name), reading)
    return parts_of_tables([table], reading)[0]


def read_table(path: Path, reading: Reading = FIRST) -> list[list[Any]]:
    part = read_part(path, reading)
    assert part.labels is not None
    assert part.x.flags.c_contiguous
    return np.column_stack([part.labels, part.x]).tolist()  # type: ignore[no-any-return]


def refusal(path: Path, reading: Reading = FIRST) -> str:
    with pytest.raises(InputError) as caught:
        read_part(path, reading)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert "expected" in message
    return message.removeprefix(str(path))


VARIANTS: dict[str, str | bytes] = {
    "plain": TEXT,
    "no last line end": TEXT.rstrip(),
    "header": "label,p0,p1,p2\n" + TEXT,
    "numbered header": "label,0,1,2\n" + TEXT,
    "header from 1": "label,1,2,3\n" + TEXT,
    "grid header": "label,1x1,1x2,1x3\n" + TEXT,
    "quoted header": '"label","a ""b""","c,d",e\n' + TEXT,
    "blank quotes before header": '" \n "\nlabel,a,b,c\n' + TEXT,
    "header over two lines": '"label","a\nb",c,d\n' + TEXT,
    "blank lines": "\n\n" + TEXT.replace("\n", "\n\n  \n"),
    "blank line before header": "\nlabel,a,b,c\n\n" + TEXT,
    "CRLF": TEXT.replace("\n", "\r\n"),
    "CRLF and header": "label,a,b,c\r\n" + TEXT.replace("\n", "\r\n"),
    "CR": TEXT.replace("\n", "\r"),
    "quotes": "".join('"' + line.replace(",", '","') + '"\n' for line in TEXT.splitlines()),
    "spaces": TEXT.replace(",", " , "),
    "byte order mark": "\ufeff" + TEXT,
    "byte order mark and header": "\ufefflabel,a,b,c\n" + TEXT,
    "floats": "".join(",".join(f"{number:.18e}" for number in row) + "\n" for row in ROWS),
    "some floats": TEXT.replace("255", "255.0"),
    "signs": TEXT.replace("7", "+7").replace("250", "+250"),
    "semicolons": TEXT.replace(",", ";"),
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-16, big end first": TEXT.encode("utf-16-be"),
}


@pytest.mark.parametrize("piece", [1, 11, 64, 10_000])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_way_of_writing_the_same_numbers_gives_the_same_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str, piece: int
) -> None:
    text = VARIANTS[variant]
    if isinstance(text, bytes) and piece % 2:
        piece += 1  # a piece has whole letters of UTF-16 or not: decoded step by step in either case
    monkeypatch.setattr(backprop_bench.data.formats.csv_read, "_PIECE_BYTES", piece)
    path = write_text(tmp_path / "a.csv", text)
    part = read_part(path)
    assert part.x.dtype == np.uint8
    assert read_table(path) == ROWS
    packed = write_text(tmp_path / "a.csv.gz", gzip.compress(text if isinstance(text, bytes) else text.encode()))
    assert read_table(packed) == ROWS


@pytest.mark.parametrize("variant", VARIANTS)
def test_cell_by_cell_gives_what_arrow_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str) -> None:
    monkeypatch.setattr(backprop_bench.data.formats.csv_read._Reader, "_by_arrow", lambda *_: None)
    assert read_table(write_text(tmp_path / "a.csv", VARIANTS[variant])) == ROWS


@pytest.mark.parametrize("cell", ["256", "-1", "1.5", "1e3", "99999999999"])
def test_any_number_is_an_input(tmp_path: Path, cell: str) -> None:
    part = read_part(write_text(tmp_path / "a.csv", TEXT.replace("250", cell)))
    assert part.x.dtype == np.float32
    assert part.x[3].tolist() == [np.float32(cell), 0, 0]
    assert part.x[[0, 1, 2, 4]].tolist() == [row[1:] for number, row in enumerate(ROWS) if number != 3]


BAD_CELLS = {
    "x": "'x'",
    "": "empty",
    "  ": "empty",
    "nan": "'nan'",
    "NaN": "'NaN'",
    "NA": "'NA'",
    "inf": "'inf'",
    "1e999": "'1e999'",
    "0x1": "'0x1'",
    "1_0": "'1_0'",
    "True": "'True'",
    "٣": "'٣'",
}
WIDE = "".join(",".join(map(str, [*row, *range(8)])) + "\n" for row in ROWS)
"""Rows with columns that can be nothing but inputs."""


@pytest.mark.parametrize("piece", [1, 30, 10_000])
@pytest.mark.parametrize("cell", BAD_CELLS)
def test_a_bad_cell_is_named_with_line_and_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cell: str, piece: int
) -> None:
    monkeypatch.setattr(backprop_bench.data.formats.csv_read, "_PIECE_BYTES", piece)
    lines = WIDE.splitlines()
    lines[3] = lines[3].replace("250,0,0,0,", f"250,0,0,{cell},")
    message = refusal(write_text(tmp_path / "a.csv", "\n".join(lines)))
    assert f"line 4, column 5 is {BAD_CELLS[cell]}, expected a number" in message


@pytest.mark.parametrize("column", range(1, 12))
@pytest.mark.parametrize("names", [None, "label,a,b,c,d,e,f,g,h,i,j,k", "a,b,c,d,e,f,g,h,i,j,k,class"])
def test_a_word_in_any_column_of_inputs_is_named_with_its_line(tmp_path: Path, column: int, names: str | None) -> None:
    lines = WIDE.splitlines()
    cells = lines[2].split(",")
    if names is not None and names.endswith("class"):
        column -= 1
    cells[column] = "x"
    lines[2] = ",".join(cells)
    label = Reading(label="last" if names is not None and names.endswith("class") else "first")
    message = refusal(write_text(tmp_path / "a.csv", "\n".join([names, *lines] if names else lines)), label)
    assert f"line {4 if names else 3}, column" in message
    assert f"column {column + 1}" in message or f"column {names.split(',')[column]!r}" in message  # type: ignore[union-attr]
    assert "is 'x', expected a number" in message


@pytest.mark.parametrize("cell", ["", " "])
def test_an_empty_label_is_named_with_its_line(tmp_path: Path, cell: str) -> None:
    message = refusal(write_text(tmp_path / "a.csv", TEXT.replace("12,", f"{cell},")))
    assert "line 3, column 1 is empty, expected a label or a number" in message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("label,a,b,c,d\n" + TEXT.replace("\n", ",1\n"), 5),
        ("label,a,b,c,d\r\n" + TEXT.replace("\n", ",1\r\n"), 5),
        ("\n\nlabel,a,b,c,d\n" + TEXT.replace("\n", ",1\n"), 7),
        (TEXT.replace("\n", ",1\n\n"), 7),
        (TEXT.replace("\n", ",1\r\n\r\n"), 7),
        (TEXT.replace("\n", ",1\r"), 4),
        ('"label","a\nb",c,d,e\n' + TEXT.replace("\n", ",1\n"), 6),
        ('# made up\n"3","0","255","7","1"\n' + TEXT.replace("\n", ",1\n"), 6),
    ],
)
def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path, text: str, line: int) -> None:
    path = write_text(tmp_path / "a.csv", text.replace("250,0,", "250,x,"))
    assert f"line {line}, column 3" in refusal(path)


@pytest.mark.parametrize("piece", [1, 8, 12, 1000])
@pytest.mark.parametrize("line", [2, 3, 4, 5])
@pytest.mark.parametrize(("row", "n_columns"), [("1,2,3", 3), ("1,2,3,4,5", 5), ("1", 1), ("1,2,3,4,", 5)])
def test_a_line_with_another_number_of_columns_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, line: int, row: str, n_columns: int
) -> None:
    monkeypatch.setattr(backprop_bench.data.formats.csv_read, "_PIECE_BYTES", piece)
    lines = TEXT.splitlines()
    lines[line - 1] = row
    message = refusal(write_text(tmp_path / "a.csv", "\n".join(lines)))
    assert f"line {line} has {n_columns} columns, expected 4, as in line 1" in message


def test_a_header_with_another_number_of_columns_is_refused(tmp_path: Path) -> None:
    message = refusal(write_text(tmp_path / "a.csv", "label,a,b\n" + TEXT))
    assert "line 2 has 4 columns, expected 3, as in line 1" in message


@pytest.mark.parametrize("text", ["1\n2\n", "label\n1\n"])
def test_a_file_with_one_column_is_refused(tmp_path: Path, text: str) -> None:
    assert "line 1 has 1 column" in refusal(write_text(tmp_path / "a.csv", text))


@pytest.mark.parametrize("text", ["", "\n\n", "  \n", "# nothing\n"])
def test_an_empty_file_is_refused(tmp_path: Path, text: str) -> None:
    assert "is empty" in refusal(write_text(tmp_path / "a.csv", text))


@pytest.mark.parametrize("text", ["label,a,b", "label,a,b\n", "\nlabel,a,b\n\n"])
def test_a_file_with_a_header_only_is_refused(tmp_path: Path, text: str) -> None:
    assert "header only" in refusal(write_text(tmp_path / "a.csv", text))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (TEXT.encode().replace(b"250", b"\xff"), 4),
        (b"label,\xe4,b,c\n" + TEXT.encode(), 1),
        (TEXT.encode() * 200 + b"3,0,\xff,7\n", 1001),
    ],
)
def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path, content: bytes, line: int) -> None:
    message = refusal(write_text(tmp_path / "a.csv", content))
    assert f"line {line} has the byte 0x" in message
    assert "UTF-8" in message


def test_half_a_letter_of_utf16_is_refused(tmp_path: Path) -> None:
    assert "expected UTF-16 to its end" in refusal(write_text(tmp_path / "a.csv", TEXT.encode("utf-16")[:-1]))


def test_a_quote_that_is_never_closed_is_refused_where_it_opens(tmp_path: Path) -> None:
    for text in (TEXT.replace("12", '"12'), TEXT.replace("12", '"12') + TEXT * 20_000):
        assert "line 3" in refusal(write_text(tmp_path / "a.csv", text))


@pytest.mark.parametrize("keep", [0.5, 0.95])
def test_a_truncated_gz_is_refused(tmp_path: Path, keep: float) -> None:
    rng = np.random.default_rng(0)
    text = "\n".join(",".join(map(str, row)) for row in rng.integers(0, 256, (2000, 20)))
    packed = gzip.compress(text.encode())
    assert "ends too early" in refusal(write_text(tmp_path / "a.csv.gz", packed[: int(keep * len(packed))]))


@pytest.mark.parametrize(
    ("label", "column"), [("first", 0), ("last", 3), ("2", 1), ("c", 2), ("9", None), ("none", None), ("0", None)]
)
def test_the_label_is_the_column_that_is_given(tmp_path: Path, label: str, column: int | None) -> None:
    path = write_text(tmp_path / "a.csv", "a,b,c,d\n" + TEXT)
    reading = Reading(label=label)
    if column is None:
        with pytest.raises(
            InputError, match=f"--label is '{label}', which is no column of .*; expected first, last, one of 'a'"
        ):
            read_part(path, reading)
    else:
        part = read_part(path, reading)
        assert part.labels is not None
        assert part.labels.tolist() == [row[column] for row in ROWS]
        assert part.x.tolist() == [[value for at, value in enumerate(row) if at != column] for row in ROWS]


def column(values: Any) -> list[str]:
    return [str(value) for value in values]


RNG = np.random.default_rng(5)
N = 300
COLUMNS = {
    "digits": column(RNG.integers(0, 10, N)),
    "skewed": column(RNG.choice(10, N, p=[0.5, 0.42, *[0.01] * 8])),
    "signs": column(RNG.choice([-1, 1], N)),
    "pixels": column(np.where(RNG.random(N) < 0.7, 0, RNG.integers(0, 256, N))),
    "floats": column(RNG.random(N).round(4)),
    "numbers of persons": column(RNG.permutation(10**6)[:N]),
    "zeros": column(np.zeros(N, int)),
}


@pytest.mark.parametrize(
    ("first", "last", "place"),
    [
        ("digits", "pixels", "first"),
        ("pixels", "digits", "last"),
        ("digits", "floats", "first"),
        ("floats", "skewed", "last"),
        ("zeros", "digits", "last"),
        ("signs", "floats", "first"),
        ("digits", "numbers of persons", "first"),
        ("digits", "skewed", None),
        ("skewed", "digits", None),
        ("digits", "digits", None),
        ("pixels", "pixels", None),
        ("floats", "floats", "neither"),
        ("zeros", "numbers of persons", "neither"),
    ],
)
def test_without_names_the_label_is_at_the_end_that_looks_like_labels(
    tmp_path: Path, first: str, last: str, place: str | None
) -> None:
    between = [column(RNG.integers(0, 256, N)) for _ in range(5)]
    lines = [",".join(row) for row in zip(COLUMNS[first], *between, COLUMNS[last], strict=True)]
    path = write_text(tmp_path / "a.csv", "\n".join(lines))
    if place is None:
        assert "both the first and the last column look like labels" in refusal(path, Reading())
        return
    part = read_part(path, Reading())
    if place == "neither":
        assert part.labels is None
        return
    assert part.labels is not None
    assert column(part.labels) == COLUMNS[first if place == "first" else last]
    assert f"({place})" in part.notes[0]


def test_a_column_that_differs_in_every_row_is_pointed_out(tmp_path: Path) -> None:
    words = ["m" if value == "1" else "b" for value in COLUMNS["signs"]]
    lines = [",".join(row) for row in zip(COLUMNS["numbers of persons"], words, COLUMNS["floats"], strict=True)]
    part = read_part(write_text(tmp_path / "wdbc.data", "\n".join(lines)), Reading())
    assert part.notes == (
        "label column 2 (the only one with words)",
        "column 1 is different in every row: if it numbers them, take it out",
    )
    assert part.x.shape == (N, 2)


def test_the_layout_says_where_the_rows_begin(tmp_path: Path) -> None:
    text = '# made up\nsep=;\n"label";"a\nb";c\n1;2;3\n'
    layout, n_bytes = read_layout(write_text(tmp_path / "a.csv", text), "a.csv")
    assert (layout.delimiter, layout.names, layout.n_columns) == (";", ("label", "a\nb", "c"), 3)
    assert (layout.line, layout.n_lines) == (3, 4)
    assert text[n_bytes:] == "1;2;3\n"


@given(
    rows=st.integers(1, 5).flatmap(
        lambda width: st.lists(
            st.tuples(st.integers(0, 999), *[st.integers(0, 255)] * width).map(list), min_size=1, max_size=8
        )
    ),
    line_end=st.sampled_from(["\n", "\r\n", "\n\n"]),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
)
def test_any_table_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[int]], line_end: str, delimiter: str
) -> None:
    lines = [delimiter.join(map(str, row)) for row in rows]
    lines.insert(0, delimiter.join(["label", *(f"pixel{column}" for column in range(len(rows[0]) - 1))]))
    path = write_text(tmp_path_factory.mktemp("csv") / "a.csv", line_end.join(lines))
    assert read_table(path, Reading()) == rows


@pytest.mark.slow
def test_mnist_as_csv_equals_mnist_as_idx(tmp_path: Path, mnist: Dataset) -> None:
    part = mnist.subset(2000, 500)
    for name, x, y in (("train.csv", part.x_train, part.y_train), ("test.csv", part.x_test, part.y_test)):
        np.savetxt(tmp_path / name, np.column_stack([y, x]), fmt="%d", delimiter=",")
    name = f"{tmp_path / 'train.csv'},{tmp_path / 'test.csv'}"
    dataset = load_dataset(name)
    assert dataset.name == name
    for field in ("x_train", "t_train", "y_train", "x_test", "t_test", "y_test"):
        assert np.array_equal(getattr(dataset, field), getattr(part, field))
        assert getattr(dataset, field).dtype == getattr(part, field).dtype


@pytest.mark.slow
def test_one_bad_cell_in_a_million_rows_is_named(tmp_path: Path) -> None:
    lines = ["label,a,b,c,d", *["7,10,20,30,40"] * 1_000_000]
    lines[987_654] = "7,10,20,3O,40"
    message = refusal(write_text(tmp_path / "a.csv", "\n".join(lines)), Reading())
    assert "line 987655, column 4 (c) is '3O', expected a number" in message


@pytest.mark.slow
def test_reading_needs_hardly_more_memory_than_the_arrays(tmp_path: Path) -> None:
    """The peak of a process that reads, above what it has after its imports, by the kernel's count."""
    import subprocess
    import sys

    n_rows, n_columns = 100_000, 785
    line = ("7," + ",".join(["10"] * (n_columns - 1)) + "\n").encode()
    path = write_text(tmp_path / "a.csv", line * n_rows)
    small = write_text(tmp_path / "b.csv", line * 50)
    code = f"""
import resource
from pathlib import Path
from backprop_bench.data.formats.csv_read import read_csv
from backprop_bench.data.formats.part import Reading, Source
from backprop_bench.data.formats.columns import parts_of_tables
FIRST = Reading(label="first")
def read(path):
    return parts_of_tables([read_csv(Source(Path(path), path, path), FIRST)], FIRST)[0]
read({str(small)!r})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
part = read({str(path)!r})
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / (part.x.nbytes + part.labels.nbytes))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(ran.stdout) < 1.6  # 300,000 rows need 1.25 at most; a second copy of 100,000 would make it 2
