"""Files are whole or absent, digests follow content, broken files are named."""

import hashlib
import json
import os

import pytest

from stethoscope.runtime.files import (
    MANIFEST,
    atomic_folder,
    atomic_path,
    folder_digest,
    folder_digests,
    read_json,
    read_jsonl,
    sha256_bytes,
    sha256_file,
    write_json,
    write_jsonl,
    write_text,
)


def test_sha256_is_that_of_the_standard_example(tmp_path):
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180, "abc"
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_bytes(b"abc") == sha256_file(tmp_path / "abc") == known


def test_a_file_appears_under_its_name_only_when_it_is_whole(tmp_path):
    target = tmp_path / "new" / "table.tsv"
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
        temporary.write_text("whole")
    assert target.read_text() == "whole"
    assert os.listdir(target.parent) == ["table.tsv"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "table.tsv"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="stop"), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("stop")
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.tsv"]


def test_a_block_that_writes_nothing_is_an_error_and_leaves_the_old_file(tmp_path):
    target = tmp_path / "table.tsv"
    target.write_text("old")
    with pytest.raises(OSError), atomic_path(target):
        pass
    assert target.read_text() == "old"


def test_a_folder_is_replaced_as_a_whole_with_a_manifest_of_its_files(tmp_path):
    target = tmp_path / "model"
    (target / "deep").mkdir(parents=True)
    (target / "deep" / "stale.txt").write_text("stale")
    with atomic_folder(target) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "b.txt").write_bytes(b"b")
        (folder / "a.txt").write_bytes(b"a")
        assert (target / "deep" / "stale.txt").exists()
    expected = {
        "a.txt": hashlib.sha256(b"a").hexdigest(),
        "sub/b.txt": hashlib.sha256(b"b").hexdigest(),
    }
    assert json.loads((target / MANIFEST).read_text()) == {"files": expected}
    assert folder_digests(target) == expected
    assert sorted(path.name for path in target.iterdir()) == ["a.txt", MANIFEST, "sub"]
    assert os.listdir(tmp_path) == ["model"]


def test_a_failed_folder_leaves_the_old_one_and_nothing_else(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old.txt").write_text("old")
    with pytest.raises(RuntimeError, match="stop"), atomic_folder(target) as folder:
        (folder / "new.txt").write_text("half")
        raise RuntimeError("stop")
    assert [path.name for path in target.iterdir()] == ["old.txt"]
    assert os.listdir(tmp_path) == ["model"]


def test_the_digest_of_a_folder_changes_with_content_and_names_but_not_with_times(tmp_path):
    def digest(name: str, files: dict[str, str]) -> str:
        with atomic_folder(tmp_path / name) as folder:
            for file, text in files.items():
                (folder / file).write_text(text)
        return folder_digest(tmp_path / name / MANIFEST)

    one = digest("one", {"a": "1", "b": "2"})
    os.utime(tmp_path / "one" / "a", (0, 0))
    assert folder_digest(tmp_path / "one" / MANIFEST) == one
    assert digest("two", {"b": "2", "a": "1"}) == one
    assert digest("three", {"a": "1", "b": "3"}) != one
    assert digest("four", {"a": "1", "c": "2"}) != one


def test_json_is_written_with_sorted_keys_so_that_equal_content_is_equal_bytes(tmp_path):
    write_json(tmp_path / "one", {"b": 1, "a": {"d": "é", "c": 2}})
    write_json(tmp_path / "two", {"a": {"c": 2, "d": "é"}, "b": 1})
    text = (tmp_path / "one").read_text(encoding="utf-8")
    assert text == (tmp_path / "two").read_text(encoding="utf-8")
    assert text == '{\n  "a": {\n    "c": 2,\n    "d": "é"\n  },\n  "b": 1\n}\n'


def test_nan_is_refused_since_it_is_not_json(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    with pytest.raises(ValueError):
        write_jsonl(tmp_path / "x.jsonl", [{"a": float("nan")}])
    assert os.listdir(tmp_path) == []


def test_broken_json_is_one_line_that_names_the_file(tmp_path):
    for content in (b'{"a": ', b"\xff\xfe"):
        (tmp_path / "x.json").write_bytes(content)
        with pytest.raises(ValueError, match=r"x\.json: not a JSON file") as error:
            read_json(tmp_path / "x.json")
        assert "\n" not in str(error.value)


def test_json_lines_come_back_as_they_were_written(tmp_path):
    rows = [{"b": "line\u2028separator", "a": 1}, {"c": "new\nline"}]
    write_jsonl(tmp_path / "x.jsonl", rows)
    assert read_jsonl(tmp_path / "x.jsonl") == rows
    assert (tmp_path / "x.jsonl").read_bytes().count(b"\n") == 2


@pytest.mark.parametrize("broken", [b'{"a": 1', b"", b"3", b"\xff"])
def test_a_broken_json_line_is_one_line_that_names_file_and_line(tmp_path, broken):
    (tmp_path / "x.jsonl").write_bytes(b'{"a": 1}\n' + broken + b"\n")
    with pytest.raises(ValueError, match=r"x\.jsonl:2: not a JSON object") as error:
        read_jsonl(tmp_path / "x.jsonl")
    assert "\n" not in str(error.value)


def test_text_is_written_as_it_is(tmp_path):
    write_text(tmp_path / "deep" / "x.txt", "é\n")
    assert (tmp_path / "deep" / "x.txt").read_bytes() == "é\n".encode()
