"""Downloading a corpus: announced, unpacked whole or not at all, and only what is needed."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kbbench.cli import main
from kbbench.corpora import CORPORA, Archive, Corpora, Layout, known
from kbbench.corpora.download import Order, download, gigabytes, order, orders
from kbbench.corpora.unpack import unpack
from kbbench.errors import InputError
from tests.conftest import tiny_recipe
from tests.corpora.conftest import SUBSETS, librispeech
from tests.corpora.server import Site, serve
from tests.scenes.test_dataset import write_recipe


def tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in files.items():
            file.writestr(name, data)
    return buffer.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


PARTS = {
    "one.tar.gz": {"Corpus/one/a.txt": b"a", "Corpus/README": b"first"},
    "two.zip": {"Corpus/two/b.txt": b"b", "Corpus/README": b"first"},
}
PACKED = {name: (tar if "tar" in name else zipped)(files) for name, files in PARTS.items()}


def archive(name: str, data: bytes, url: str) -> Archive:
    checksum = f"md5:{hashlib.md5(data).hexdigest()}"
    return Archive(name, name.split(".")[0], len(data), checksum, (f"{url}/{name}",))


def order_of(site: Site, folder: Path, packed: dict[str, bytes] = PACKED) -> Order:
    archives = tuple(archive(name, data, site.url) for name, data in packed.items())
    return Order(replace(CORPORA["librispeech"], archives=archives), archives, folder)


def test_archives_are_unpacked_side_by_side_and_not_fetched_again(tmp_path: Path) -> None:
    with serve(Site({f"/{name}": data for name, data in PACKED.items()})) as site:
        left = tmp_path / "new" / ".one.tar.gz.unpacking" / "Corpus" / "one"  # by a killed run
        left.mkdir(parents=True)
        (left / "half.txt").write_bytes(b"half")
        download(order_of(site, tmp_path / "new"))
        assert contents(tmp_path / "new") == {
            "Corpus/one/a.txt": b"a",
            "Corpus/two/b.txt": b"b",
            "Corpus/README": b"first",
        }
        download(order_of(site, tmp_path / "new"))
        assert len(site.seen) == 2


def test_what_fails_leaves_nothing_half_unpacked_and_carries_on(tmp_path: Path) -> None:
    site = Site({"/one.tar.gz": PACKED["one.tar.gz"]})
    with serve(site):
        with pytest.raises(InputError, match=r"two\.zip: no mirror gave it"):
            download(order_of(site, tmp_path))
        assert set(contents(tmp_path)) == {"Corpus/one/a.txt", "Corpus/README"}
        site.files["/two.zip"] = PACKED["two.zip"]
        download(order_of(site, tmp_path))
        assert "Corpus/two/b.txt" in contents(tmp_path)
        assert [path for path, _ in site.seen].count("/one.tar.gz") == 1


@pytest.mark.parametrize("name", sorted(PACKED))
def test_a_damaged_archive_unpacks_to_nothing(name: str, tmp_path: Path) -> None:
    files = {f"Corpus/{index}.bin": bytes([index]) * 50_000 for index in range(20)}
    data = bytearray(tar(files) if "tar" in name else zipped(files))
    middle = len(data) // 2
    data[middle : middle + 20] = b"x" * 20
    (tmp_path / name).write_bytes(bytes(data))
    with pytest.raises(InputError, match="expected a whole archive; it is removed") as caught:
        unpack(tmp_path / name, tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "C:\\evil.txt"])
def test_nothing_is_written_outside_the_folder(name: str, tmp_path: Path) -> None:
    for packed, file in ((tar, "a.tar.gz"), (zipped, "a.zip")):
        inside = tmp_path / "deep" / "inside"
        inside.mkdir(parents=True, exist_ok=True)
        path = inside / file
        path.write_bytes(packed({"good.txt": b"good", name: b"evil"}))
        with pytest.raises(InputError, match="which leads out of the folder; do not use it"):
            unpack(path, inside)
        path.unlink()
        assert list(inside.iterdir()) == []
        assert not list(tmp_path.glob("evil*"))
        assert not list((tmp_path / "deep").glob("evil*"))
    assert not Path("/evil.txt").exists()


def test_a_link_that_leads_outside_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        link = tarfile.TarInfo("Corpus")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        file.addfile(link)
    with pytest.raises(InputError, match="expected a whole archive"):
        unpack(tmp_path / "a.tar", tmp_path / "to")


def test_size_and_licence_are_said_and_what_proves_a_download() -> None:
    librispeech = order("librispeech", Path("x"), ["dev-clean", "test-clean"]).text
    assert librispeech.startswith("librispeech: 0.68 GB to download, licence CC BY 4.0")
    assert "checksum" not in librispeech
    wham = order("wham", Path("x")).text
    assert "CC BY-NC 4.0, no commercial use; no checksum is published" in wham


def test_what_cannot_be_downloaded_says_why() -> None:
    for name, why in {
        "mini": "it comes with kbbench",
        "cipic": "get it from https://sofacoustics.org",
        "folder": "a folder of your own",
        "wsj0": "unknown, expected one of",
    }.items():
        with pytest.raises(InputError, match=why):
            order(name, Path("x"))
    with pytest.raises(InputError, match="no subset dev, expected dev-clean, dev-other, test-cl"):
        order("librispeech", Path("x"), ["dev"])


def test_too_little_space_is_found_before_anything_is_fetched(tmp_path: Path) -> None:
    archives = (Archive("huge.zip", "", 10**18, None, ("http://127.0.0.1:9/huge.zip",)),)
    with pytest.raises(InputError, match=r"free, expected about 2300000000 GB .* another disk"):
        download(Order(CORPORA["wham"], archives, tmp_path))
    assert gigabytes(10**18) == "1000000000 GB"


def test_only_what_a_recipe_needs_is_ordered(tmp_path: Path) -> None:
    table = Corpora.model_validate({"speech": "librispeech", "noise": "wham", "heads": "sofa"})
    found = orders(table, ["sofa"], tmp_path)
    assert {key: [item.name for item in one.archives] for key, one in found.items()} == {
        "librispeech": ["dev-clean.tar.gz", "test-clean.tar.gz", "train-clean-360.tar.gz"],
        "wham": ["wham_noise.zip"],
    }
    assert found["wham"].folder == tmp_path / "wham"
    assert set(orders(table, ["sofa", "librispeech"], tmp_path)) == {"wham"}
    with pytest.raises(InputError, match="corpus sofa: no folder given"):
        orders(table, [], tmp_path)


@pytest.mark.parametrize("layout", CORPORA.values(), ids=list(CORPORA))
def test_archives_are_published_with_checksums_and_subsets_of_official_splits(
    layout: Layout,
) -> None:
    for item in layout.archives:
        kind, _, digest = (item.checksum or "sha256:" + 64 * "0").partition(":")
        assert len(bytes.fromhex(digest)) == hashlib.new(kind).digest_size
        assert all(url.startswith("https://") for url in item.urls)
        assert item.checksum or layout.name == "wham"
    subsets = {item.subset for item in layout.archives} - {""}
    if subsets:
        assert {name for names in layout.official.values() for name in names} <= subsets
    assert known.layout_of(layout.name) is layout


def packed_librispeech(folder: Path) -> dict[str, bytes]:
    """Three archives, each with a subset and the list of talkers, as openslr.org has them."""
    librispeech(folder / "LibriSpeech", SUBSETS)
    packed = {}
    for subset in SUBSETS:
        paths = [p for p in (folder / "LibriSpeech" / subset).rglob("*") if p.is_file()]
        paths.append(folder / "LibriSpeech" / "SPEAKERS.TXT")
        packed[f"{subset}.tar.gz"] = tar(
            {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        )
    return packed


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A small LibriSpeech on this machine in place of the real one."""
    packed = packed_librispeech(tmp_path / "made")
    with serve(Site({f"/{name}": data for name, data in packed.items()})) as site:
        archives = tuple(
            replace(archive(name, data, site.url), subset=name.removesuffix(".tar.gz"))
            for name, data in packed.items()
        )
        layout = replace(CORPORA["librispeech"], archives=archives)
        monkeypatch.setitem(known.CORPORA, "librispeech", layout)
        yield site


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_download_brings_what_the_archives_hold(mirror: Site, tmp_path: Path) -> None:
    to = tmp_path / "to"
    result = run("download", "librispeech", "--to", to, "--subset", "dev-clean")
    assert result.exit_code == 0, result.output
    assert "to download, licence CC BY 4.0" in result.stderr
    assert f"use it with: --corpus librispeech={to}" in result.stdout
    assert len(mirror.seen) == 1
    assert run("download", "librispeech", "--to", to).exit_code == 0
    assert len(mirror.seen) == 3
    assert contents(to / "LibriSpeech") == contents(tmp_path / "made" / "LibriSpeech")


def test_make_data_fetches_what_is_missing_and_makes_it(mirror: Site, tmp_path: Path) -> None:
    table = Corpora.model_validate({"speech": "librispeech", "heads": "mini"})
    recipe = write_recipe(tiny_recipe("separation", corpora=table), tmp_path / "mine.toml")
    command = ["make-data", recipe, "--out", tmp_path / "data", "--workers", 1]
    result = run(*command, "--download", tmp_path / "store")
    assert result.exit_code == 0, result.output
    assert "librispeech: " in result.stderr
    assert (tmp_path / "data" / "manifest.parquet").is_file()
    again = run(*command, "--corpus", f"librispeech={tmp_path / 'store' / 'librispeech'}")
    assert again.exit_code == 0, again.output
    assert len(mirror.seen) == 3
