"""Files that would fill the memory, hide something, or are not what they seem: one clear sentence each."""

import contextlib
import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

import backprop_bench.data.files
import backprop_bench.data.formats.read
from backprop_bench.data import InputError, load_dataset
from tests.data.kinds import KINDS, Kind

READ_FROM_A_FILE = [
    kind for kind in KINDS if not kind.refused and kind.name in ("label first, by name", "`.npz` of Keras")
]


def refusal(given: str) -> str:
    with pytest.raises(InputError) as caught:
        load_dataset(given)
    message = str(caught.value)
    assert "\n" not in message
    assert "expected" in message
    return message


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backprop_bench.data.files, "BOMB_BYTES", 1 << 20)


@pytest.mark.usefixtures("small_limits")
def test_a_bomb_of_zeros_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "train.csv.gz"
    path.write_bytes(gzip.compress(b"0," * (4 << 20)))
    assert "bytes and unpacks to more than 0.0 GB" in refusal(str(path))
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("train.csv", b"0," * (4 << 20))
    assert "bytes and unpacks to 0.0 GB, expected data" in refusal(str(archive))
    packed = tmp_path / "a.tar.gz"
    with tarfile.open(packed, "w:gz") as tarred:
        info = tarfile.TarInfo("train.csv")
        info.size = 8 << 20
        tarred.addfile(info, io.BytesIO(b"0," * (4 << 20)))
    assert "bytes and unpacks to 0.0 GB, expected data" in refusal(str(packed))


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backprop_bench.data.formats.csv_layout._SAMPLE_BYTES", 1 << 20)
    path = tmp_path / "a.csv"
    path.write_bytes(b"0," * (1 << 20))
    assert "line 1 is longer than 64 MB" in refusal(str(path))


def test_an_archive_writes_nothing_outside_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tarred:
        info = tarfile.TarInfo("../../escaped.csv")
        info.size = 4
        tarred.addfile(info, io.BytesIO(b"1,2\n"))
    assert "the tar archive is damaged, cut off or protected" in refusal(str(path))
    assert not list(tmp_path.parent.rglob("escaped.csv"))


def test_an_archive_that_is_protected_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("train.csv", "label,a\n1,2\n")
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flag of encryption, where the member begins
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert "damaged, cut off or protected" in refusal(str(path))


@pytest.mark.parametrize("kind", READ_FROM_A_FILE, ids=lambda kind: kind.name)
def test_a_file_that_is_cut_off_anywhere_is_refused_or_read_as_far_as_it_goes(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / kind.make(tmp_path)
    content = path.read_bytes()
    for length in range(0, len(content), max(1, len(content) // 60)):
        path.write_bytes(content[:length])
        with contextlib.suppress(InputError):  # anything else is a fault
            load_dataset(path.name)


def test_a_folder_that_cannot_be_used_says_which_file_is_at_fault(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("label,a\n" + "".join(f"{row % 2},{row}\n" for row in range(40)))
    (tmp_path / "test.csv").write_text("<html>")
    assert f"{tmp_path / 'test.csv'}: is a web page" in refusal(str(tmp_path))


def test_what_is_surely_no_data_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("label,a\n" + "".join(f"{row % 2},{row}\n" for row in range(40)))
    for name in ("README.md", "LICENSE", "notes.txt", ".DS_Store", "__MACOSX/train.csv", "sample_submission.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert len(load_dataset(tmp_path).y_train) == 35


def test_files_of_different_kinds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("label,a\n1,2\n0,3\n")
    (tmp_path / "b.arff").write_text("@relation x\n@attribute a real\n@attribute class {0,1}\n@data\n1,0\n")
    assert "are of different kinds, expected files of one" in refusal(f"{tmp_path / 'a.csv'},{tmp_path / 'b.arff'}")


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    assert "is neither a dataset nor a file" in refusal(str(tmp_path / "gone.csv"))
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "cannot be read (Too many levels of symbolic links)" in refusal(str(tmp_path / "loop"))
