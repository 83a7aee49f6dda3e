import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import backprop_bench.data.csv_files
from backprop_bench.data import Dataset, InputError, load_dataset
from backprop_bench.data.csv_files import read_csv
from backprop_bench.data.csv_rows import read_layout, read_rows

ROWS = [[3, 0, 255, 7], [0, 1, 2, 3], [12, 9, 9, 9], [1, 250, 0, 0], [2, 4, 5, 6]]
TEXT = "".join(",".join(map(str, row)) + "\n" for row in ROWS)


def write_text(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read_table(path: Path) -> list[list[int]]:
    x, y = read_csv(path)
    assert x.dtype == np.uint8
    assert y.dtype == np.int64
    return np.column_stack([y, x]).tolist()  # type: ignore[no-any-return]


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_csv(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert "expected" in message
    return message.removeprefix(str(path))


VARIANTS = {
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
}


@pytest.mark.parametrize("chunk", [1, 8, 1000])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_way_of_writing_the_same_numbers_gives_the_same_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str, chunk: int
) -> None:
    monkeypatch.setattr(backprop_bench.data.csv_files, "_CELLS_PER_CHUNK", chunk)
    path = write_text(tmp_path / "a.csv", VARIANTS[variant])
    assert read_table(path) == ROWS
    packed = write_text(tmp_path / "a.csv.gz", gzip.compress(VARIANTS[variant].encode()))
    assert read_table(packed) == ROWS


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_exact_reader_agrees_with_the_fast_one(tmp_path: Path, variant: str) -> None:
    path = write_text(tmp_path / "a.csv", VARIANTS[variant])
    assert list(read_rows(path, read_layout(path), 0)) == ROWS
    assert list(read_rows(path, read_layout(path), 2)) == ROWS[2:]


BAD_CELLS = {
    "256": "'256'",
    "-1": "'-1'",
    "1.5": "'1.5'",
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
    "99999999999999999999999": "'99999999999999999999999'",
}


@pytest.mark.parametrize("chunk", [1, 8, 1000])
@pytest.mark.parametrize("cell", BAD_CELLS)
def test_a_bad_pixel_is_named_with_line_and_column(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cell: str, chunk: int
) -> None:
    monkeypatch.setattr(backprop_bench.data.csv_files, "_CELLS_PER_CHUNK", chunk)
    path = write_text(tmp_path / "a.csv", TEXT.replace("250", cell))
    message = refusal(path)
    assert f"line 4, column 2 is {BAD_CELLS[cell]}" in message
    assert "expected a pixel, a whole number from 0 to 255" in message


@pytest.mark.parametrize("cell", ["1000", "-1", "1.5", "seven", "", "nan"])
def test_a_bad_label_is_named_with_line_and_column(tmp_path: Path, cell: str) -> None:
    path = write_text(tmp_path / "a.csv", TEXT.replace("12,", f"{cell},"))
    message = refusal(path)
    assert "line 3, column 1 is" in message
    assert "expected a label, a whole number from 0 to 999" in message


def test_a_column_of_truth_values_is_refused(tmp_path: Path) -> None:
    assert "line 1, column 2 is 'True'" in refusal(write_text(tmp_path / "a.csv", "1,True,0\n0,False,0\n"))


def test_a_bad_label_in_the_first_line_is_no_header(tmp_path: Path) -> None:
    assert "line 1, column 1 is 'x'" in refusal(write_text(tmp_path / "a.csv", "x,0,0,7\n" + TEXT))
    assert "line 1, column 1 is empty" in refusal(write_text(tmp_path / "a.csv", ",a,b,c\n" + TEXT))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("label,a,b,c\n" + TEXT, 5),
        ("label,a,b,c\r\n" + TEXT.replace("\n", "\r\n"), 5),
        ("\n\nlabel,a,b,c\n" + TEXT, 7),
        (TEXT.replace("\n", "\n\n"), 7),
        (TEXT.replace("\n", "\r\n\r\n"), 7),
        (TEXT.replace("\n", "\r"), 4),
        ('"label","a\nb",c,d\n' + TEXT, 6),
        ('"3","0","255","7"\n' + TEXT, 5),
    ],
)
@pytest.mark.parametrize("cell", ["256", "x", "1.5"])
def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path, text: str, line: int, cell: str) -> None:
    path = write_text(tmp_path / "a.csv", text.replace("250", cell))
    assert f"line {line}, column 2 is '{cell}'" in refusal(path)


@pytest.mark.parametrize("chunk", [1, 8, 12, 1000])
@pytest.mark.parametrize("line", [2, 3, 4, 5])
@pytest.mark.parametrize(("row", "n_columns"), [("1,2,3", 3), ("1,2,3,4,5", 5), ("1", 1), ("1,2,3,4,", 5)])
def test_a_line_with_another_number_of_columns_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, line: int, row: str, n_columns: int
) -> None:
    monkeypatch.setattr(backprop_bench.data.csv_files, "_CELLS_PER_CHUNK", chunk)
    lines = TEXT.splitlines()
    lines[line - 1] = row
    message = refusal(write_text(tmp_path / "a.csv", "\n".join(lines)))
    assert f"line {line} has {n_columns} columns, expected 4, as in line 1" in message


def test_a_header_with_another_number_of_columns_is_refused(tmp_path: Path) -> None:
    message = refusal(write_text(tmp_path / "a.csv", "label,a,b\n" + TEXT))
    assert "line 2 has 4 columns, expected 3, as in line 1" in message


@pytest.mark.parametrize("text", ["1;2;3\n4;5;6\n", "1\n2\n", "label\n1\n"])
def test_a_file_without_commas_is_refused(tmp_path: Path, text: str) -> None:
    assert "line 1 has 1 column" in refusal(write_text(tmp_path / "a.csv", text))


def test_labels_in_another_column_are_refused(tmp_path: Path) -> None:
    assert "'class' in column 4" in refusal(write_text(tmp_path / "a.csv", "a,b,c,class\n1,2,3,4\n"))


@pytest.mark.parametrize("text", ["", "\n\n", "  \n"])
def test_an_empty_file_is_refused(tmp_path: Path, text: str) -> None:
    assert "is empty" in refusal(write_text(tmp_path / "a.csv", text))
    assert "is empty" in refusal(write_text(tmp_path / "a.csv.gz", gzip.compress(text.encode())))


@pytest.mark.parametrize("text", ["label,a,b", "label,a,b\n", "\nlabel,a,b\n\n"])
def test_a_file_with_a_header_only_is_refused(tmp_path: Path, text: str) -> None:
    assert "header only" in refusal(write_text(tmp_path / "a.csv", text))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (TEXT.encode().replace(b"250", b"\xff"), 4),
        (b"label,\xe4,b,c\n" + TEXT.encode(), 1),
        (TEXT.encode("utf-16"), 1),
    ],
)
def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path, content: bytes, line: int) -> None:
    message = refusal(write_text(tmp_path / "a.csv", content))
    assert f"line {line} has the byte 0x" in message
    assert "UTF-8" in message


def test_a_quote_that_is_never_closed_is_refused_where_it_opens(tmp_path: Path) -> None:
    assert "line 3" in refusal(write_text(tmp_path / "a.csv", TEXT.replace("12", '"12')))
    assert "line 3" in refusal(write_text(tmp_path / "a.csv", TEXT.replace("12", '"12') + TEXT * 20_000))


@pytest.mark.parametrize("keep", [5, 0.5, 0.95])
def test_a_truncated_gz_is_refused(tmp_path: Path, keep: float) -> None:
    rng = np.random.default_rng(0)
    text = "\n".join(",".join(map(str, row)) for row in rng.integers(0, 256, (2000, 20)))
    packed = gzip.compress(text.encode())
    path = write_text(tmp_path / "a.csv.gz", packed[: int(keep if keep >= 1 else keep * len(packed))])
    assert "ends too early" in refusal(path)


def test_a_file_that_is_no_gz_but_named_so_is_refused(tmp_path: Path) -> None:
    assert "gzip file is damaged" in refusal(write_text(tmp_path / "a.csv.gz", TEXT))


@given(
    rows=st.integers(1, 5).flatmap(
        lambda width: st.lists(
            st.tuples(st.integers(0, 999), *[st.integers(0, 255)] * width).map(list), min_size=1, max_size=8
        )
    ),
    header=st.booleans(),
    line_end=st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_any_table_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[int]], header: bool, line_end: str
) -> None:
    lines = [",".join(map(str, row)) for row in rows]
    if header:
        lines.insert(0, "label," + ",".join(f"pixel{column}" for column in range(len(rows[0]) - 1)))
    path = write_text(tmp_path_factory.mktemp("csv") / "a.csv", line_end.join(lines))
    assert read_table(path) == rows


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
def test_reading_needs_hardly_more_memory_than_the_arrays(tmp_path: Path) -> None:
    import tracemalloc

    n_rows, n_columns = 40_000, 785
    line = ("7," + ",".join(["0"] * (n_columns - 1)) + "\n").encode()
    path = write_text(tmp_path / "a.csv", line * n_rows)
    read_csv(write_text(tmp_path / "b.csv", line))  # imports pandas
    tracemalloc.start()
    x, y = read_csv(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    overhead = peak - x.nbytes - y.nbytes
    assert overhead < 100_000_000  # an int64 table of all rows would be 251 MB
