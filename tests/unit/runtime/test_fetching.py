"""Files are fetched whole, checked and linked, or one line says why not and nothing is left."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from stethoscope.runtime.fetch import MODEL_FILES, Source, check_model, fetch, link
from stethoscope.runtime.files import atomic_folder, read_json

COMMIT = "3e94b68be95290aada5b7525cf431d3040f81bb1"
INDEX = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
CONTENT = {
    "config.json": b'{"text_config": {"num_hidden_layers": 4, "hidden_size": 64}}',
    "tokenizer.json": b"{}",
    "model.safetensors.index.json": json.dumps(INDEX).encode(),
    "model-00001-of-00002.safetensors": save({"a": np.arange(6, dtype=np.float32)}),
    "original/consolidated.00.pth": b"never wanted",
    "resid/layer_3/params.safetensors": b"weights",
    "resid/layer_3/examples.safetensors": b"hundreds of megabytes",
    "large/weights": bytes(range(256)) * 96_000,  # more than the 10 MiB that are written at a time
}
WANTED = sorted(name for name in CONTENT if "/" not in name)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def folder(tmp_path) -> Path:
    for name, content in CONTENT.items():
        path = tmp_path / "there" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "there"


def complaint(action) -> str:
    with pytest.raises(ValueError) as error:
        action()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_of_a_folder_only_what_is_read_is_taken(folder):
    assert list(fetch(Source(path=str(folder)), MODEL_FILES)) == WANTED
    name = "resid/layer_3/params.safetensors"
    assert fetch(Source(path=str(folder)), [name]) == {name: folder / name}


def test_a_path_is_taken_before_the_hub(folder):
    source = Source(path=str(folder), hub="nobody/nothing", revision=COMMIT)
    assert list(fetch(source, ["config.json"])) == ["config.json"]


def test_files_with_the_sha256_of_the_study_are_taken_and_others_named(folder):
    shard = "model-00001-of-00002.safetensors"
    right = {shard: sha256(CONTENT[shard]), "resid/elsewhere": "not looked at"}
    assert list(fetch(Source(path=str(folder), files=right), MODEL_FILES)) == WANTED
    wrong = {"config.json": "0" * 64}
    message = complaint(lambda: fetch(Source(path=str(folder), files=wrong), MODEL_FILES))
    found = sha256(CONTENT["config.json"])
    assert message == (f"{folder}/config.json: sha256 is {found}, the study expects {'0' * 64}")
    absent = {"model.safetensors": "0" * 64}
    message = complaint(lambda: fetch(Source(path=str(folder), files=absent), MODEL_FILES))
    assert "model.safetensors: the study gives its sha256, it is not there" in message


def test_a_folder_that_is_not_there_or_holds_nothing_is_one_line(tmp_path):
    assert "no such folder" in complaint(lambda: fetch(Source(path=str(tmp_path / "x")), ["a"]))
    (tmp_path / "a").write_text("there")
    for wanted, missing in ((["a", "b"], "b"), (["*.c", "d/*"], "*.c or d/*")):
        message = complaint(lambda wanted=wanted: fetch(Source(path=str(tmp_path)), wanted))
        assert message == f"{tmp_path}: has no {missing}"


def test_a_link_holds_the_bytes_without_a_copy_and_outlives_the_cache(folder, tmp_path):
    (tmp_path / "cache").symlink_to(folder / "config.json")  # as the hub's cache has it
    with atomic_folder(tmp_path / "model") as temporary:
        link(tmp_path / "cache", temporary / "config.json")
    linked = tmp_path / "model/config.json"
    assert os.path.samefile(linked, folder / "config.json")
    (folder / "config.json").unlink()
    assert linked.read_bytes() == CONTENT["config.json"]
    digests = read_json(tmp_path / "model/manifest.json")["files"]
    assert digests == {"config.json": sha256(CONTENT["config.json"])}


def test_across_file_systems_the_link_is_relative(folder, tmp_path, monkeypatch):
    def other_file_system(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", other_file_system)
    with atomic_folder(tmp_path / "results/model") as temporary:
        link(folder / "config.json", temporary / "config.json")
    linked = tmp_path / "results/model/config.json"
    assert os.readlink(linked) == "../../there/config.json"
    assert linked.read_bytes() == CONTENT["config.json"]


def test_a_model_of_another_size_or_in_pieces_is_refused(folder):
    source = Source(path=str(folder))

    def checked(layers=4, hidden=64, **changes):
        files = fetch(source, MODEL_FILES)
        for name, content in changes.items():
            path = folder / f"{name}.json"
            path.write_text(json.dumps(content))
            files["config.json" if name == "config" else "model.safetensors.index.json"] = path
        check_model(files, source, layers, hidden)

    checked()
    assert "num_hidden_layers is 4, model.load.layers says 5" in complaint(lambda: checked(5))
    assert "hidden_size is 64, model.load.hidden says 2560" in complaint(lambda: checked(4, 2560))
    for shard, message in (
        ("../x.safetensors", "'../x.safetensors' is not a file beside it"),
        ("model-00002-of-00002.safetensors", "no model-00002-of-00002.safetensors: its weights"),
    ):
        index = {"weight_map": {"a": shard}}
        assert message in complaint(lambda index=index: checked(index=index))
    assert "auto_map" in complaint(lambda: checked(config={"auto_map": {"AutoModel": "x.py"}}))
    shard = folder / "model-00001-of-00002.safetensors"
    shard.write_bytes(b"version https://git-lfs.github.com/spec/v1")
    assert "run git lfs pull" in complaint(lambda: checked(index=INDEX, config={}))
    (folder / "tokenizer.json").unlink()
    assert "no tokenizer.json" in complaint(checked)


class Hub(http.server.BaseHTTPRequestHandler):
    """The hub's endpoints that a download uses, over CONTENT; some files break off halfway once."""

    broken: set[str]
    asked: list[tuple[str, str, str | None]]
    always_broken: frozenset[str] = frozenset()
    gated = False

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        self.asked.append((self.command, self.path, self.headers.get("Range")))
        head, _, name = self.path.partition(f"/{COMMIT}")
        name = name.partition("?")[0].lstrip("/")
        if self.gated:
            return self.reply(403, b"", {"X-Error-Code": "GatedRepo"})
        if "/someone/sae" not in head:
            return self.reply(404, b"", {"X-Error-Code": "RepoNotFound"})
        if not head.startswith("/api/") and "/resolve" in head:
            return self.send_file(name, body)
        if head.endswith("/revision"):
            siblings = [{"rfilename": name} for name in CONTENT]
            about = {"id": "someone/sae", "sha": COMMIT, "siblings": siblings}
            return self.reply(200, json.dumps(about).encode())
        if head.endswith("/tree"):
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": sha256(content)[:40]}
                for name, content in CONTENT.items()
            ]
            return self.reply(200, json.dumps(tree).encode())
        return self.reply(404, b"", {"X-Error-Code": "RevisionNotFound"})

    def send_file(self, name: str, body: bool) -> None:
        if name not in CONTENT:
            return self.reply(404, b"", {"X-Error-Code": "EntryNotFound"})
        content, status, headers = CONTENT[name], 200, {}
        start = int((self.headers.get("Range") or "bytes=0-")[len("bytes=") :].split("-")[0])
        if start:
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        headers |= {"ETag": f'"{sha256(content)}"', "X-Repo-Commit": COMMIT}
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content) - start)}.items():
            self.send_header(key, value)
        self.end_headers()
        if body and (name in self.broken | self.always_broken):
            self.broken.discard(name)
            self.wfile.write(content[start : (start + len(content)) // 2])
            self.wfile.flush()
            self.close_connection = True
        elif body:
            self.wfile.write(content[start:])

    def reply(self, status: int, content: bytes, headers: dict | None = None) -> None:
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@pytest.fixture
def hub():
    """A hub on this machine, in real HTTP; not the real one, whose files take other ways too."""
    handler = type("ThisHub", (Hub,), {"broken": set(), "asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    handler.address = f"http://127.0.0.1:{server.server_address[1]}"
    yield handler
    server.shutdown()
    server.server_close()


def fetched(hub, home: Path, patterns, repository="someone/sae", **settings) -> dict | str:
    """Digests of what a job of the workflow fetches, or the line with which it gives up."""
    code = (
        "import json, sys; from stethoscope.runtime.fetch import *\n"
        "settings, patterns = json.loads(sys.argv[1])\n"
        "try:\n"
        "    found = fetch(Source(**settings), patterns)\n"
        "    print(json.dumps({name: sha256_file(path) for name, path in found.items()}))\n"
        "except ValueError as error:\n"
        "    print(json.dumps(str(error)))\n"
    )
    settings = {"hub": repository, "revision": COMMIT, **settings}
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("HF_")},
        "HF_ENDPOINT": getattr(hub, "address", hub),
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "1",  # as in every job
        "TQDM_DISABLE": "1",
        "PYTHONPATH": str(Path(__file__).parents[3] / "workflow/scripts"),
    }
    call = [sys.executable, "-c", code, json.dumps([settings, list(patterns)])]
    done = subprocess.run(call, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def downloads(hub) -> list[str]:
    return [path.split(COMMIT)[1] for command, path, _ in hub.asked if command == "GET" and
            "/resolve/" in path]  # fmt: skip


def test_from_the_hub_only_what_is_read_is_downloaded_and_once(hub, tmp_path):
    expected = {name: sha256(CONTENT[name]) for name in WANTED}
    assert fetched(hub, tmp_path, MODEL_FILES) == expected
    assert sorted(downloads(hub)) == [f"/{name}" for name in WANTED]
    hub.asked.clear()
    assert fetched(hub, tmp_path, MODEL_FILES) == expected
    assert downloads(hub) == []


def test_an_sae_is_downloaded_without_its_examples_or_the_list_of_all_files(hub, tmp_path):
    name = "resid/layer_3/params.safetensors"
    assert fetched(hub, tmp_path, [name]) == {name: sha256(b"weights")}
    assert downloads(hub) == [f"/{name}"]
    assert not [path for _, path, _ in hub.asked if path.startswith("/api/models")]


def test_a_download_that_breaks_off_goes_on_where_it_stopped(hub, tmp_path):
    name = "large/weights"
    hub.broken.add(name)
    assert fetched(hub, tmp_path, [name]) == {name: sha256(CONTENT[name])}
    ranges = [wanted for command, path, wanted in hub.asked if path.endswith(name) and wanted]
    assert ranges == [f"bytes={10 * 2**20}-"]


def test_a_download_that_keeps_breaking_off_is_one_line_and_whole_files_are_kept(hub, tmp_path):
    names = ["config.json", "large/weights"]
    hub.always_broken = {"large/weights"}
    message = fetched(hub, tmp_path, names)
    assert "broke off (" in message and "run it again, files that came whole are kept" in message
    hub.always_broken = set()
    hub.asked.clear()
    assert fetched(hub, tmp_path, names) == {name: sha256(CONTENT[name]) for name in names}
    assert downloads(hub) == ["/large/weights"]


def test_a_download_with_another_sha256_is_refused(hub, tmp_path):
    message = fetched(hub, tmp_path, ["config.json"], files={"config.json": "0" * 64})
    assert f"sha256 is {sha256(CONTENT['config.json'])}, the study expects 000" in message
    assert message.endswith("; remove it to download it again")


def test_a_licence_that_waits_names_its_page_and_the_command(hub, tmp_path):
    hub.gated = True
    for patterns in (["config.json"], MODEL_FILES):
        message = fetched(hub, tmp_path, patterns)
        assert message == (
            f"someone/sae at {COMMIT}: its licence has to be accepted: "
            f"at {hub.address}/someone/sae, then run `hf auth login`"
        )
    message = fetched(hub, tmp_path, ["config.json"], license="https://ai.google.dev/gemma/terms")
    assert "at https://ai.google.dev/gemma/terms, then run `hf auth login`" in message


@pytest.mark.parametrize(
    "repository, patterns, message",
    [
        ("someone/else", ["config.json"], "no such repository, or a private one: see http"),
        ("someone/sae", ["resid/layer_9/x"], "has no resid/layer_9/x"),
        ("someone/sae", ["resid/*.bin"], "has no resid/*.bin"),
    ],
)
def test_what_the_hub_does_not_have_is_one_line(hub, tmp_path, repository, patterns, message):
    found = fetched(hub, tmp_path, patterns, repository)
    assert message in found and "\n" not in found


def test_a_hub_out_of_reach_is_one_line_that_says_what_to_do(tmp_path):
    found = fetched("http://127.0.0.1:9", tmp_path, ["config.json"])
    assert "http://127.0.0.1:9 cannot be reached; give a path where the files are" in found
