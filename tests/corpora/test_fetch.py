"""Fetching, from a server on this machine: cut connections, wrong bytes, no Range, no server."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from kbbench.corpora import Archive
from kbbench.corpora.fetch import fetch
from kbbench.errors import InputError
from tests.corpora.server import Site, range_start, serve

DATA = np.random.default_rng(5).bytes(3_000_000)
DEAD = "http://127.0.0.1:9/gone.bin"
"""The discard port: no one listens."""


def archive(*urls: str, kind: str = "sha256", data: bytes = DATA) -> Archive:
    return Archive("a.bin", "", len(data), f"{kind}:{hashlib.new(kind, data).hexdigest()}", urls)


@pytest.mark.parametrize("kind", ["sha256", "md5"])
def test_a_file_arrives_whole_and_is_not_fetched_twice(kind: str, tmp_path: Path) -> None:
    with serve(Site({"/a.bin": DATA})) as site:
        item = archive(f"{site.url}/a.bin", kind=kind)
        told: list[tuple[int, int]] = []
        path = fetch(item, tmp_path, lambda done, total: told.append((done, total)))
        assert path.read_bytes() == DATA
        assert told[-1] == (len(DATA), len(DATA))
        fetch(item, tmp_path)
        assert len(site.seen) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]


def test_a_cut_connection_is_carried_on_with(tmp_path: Path) -> None:
    with serve(Site({"/a.bin": DATA}, cut_after=400_000, cuts=6)) as site:
        path = fetch(archive(f"{site.url}/a.bin"), tmp_path, wait_s=0.01)
        starts = [range_start(asked) for _, asked in site.seen]
    assert path.read_bytes() == DATA
    assert starts[0] == 0
    assert len(starts) == 7  # every cut brought something, so none counts as a failure
    assert all(later > earlier for earlier, later in pairwise(starts))


def test_a_later_run_carries_on(tmp_path: Path) -> None:
    (tmp_path / ".a.bin.partial").write_bytes(DATA[:1_234_567])
    with serve(Site({"/a.bin": DATA})) as site:
        assert fetch(archive(f"{site.url}/a.bin"), tmp_path).read_bytes() == DATA
        assert site.seen == [("/a.bin", "bytes=1234567-")]


def test_a_wrong_part_of_an_earlier_run_is_thrown_away(tmp_path: Path) -> None:
    (tmp_path / ".a.bin.partial").write_bytes(b"wrong" * 1000)
    with serve(Site({"/a.bin": DATA})) as site:
        assert fetch(archive(f"{site.url}/a.bin"), tmp_path).read_bytes() == DATA
        assert [range_start(asked) for _, asked in site.seen] == [5000, 0]


def test_a_server_without_range_begins_anew(tmp_path: Path) -> None:
    with serve(Site({"/a.bin": DATA}, ranges=False, cut_after=900_000, cuts=2)) as site:
        assert fetch(archive(f"{site.url}/a.bin"), tmp_path, wait_s=0.01).read_bytes() == DATA
        assert len(site.seen) == 3


def test_a_partial_file_that_is_whole_or_too_long_is_no_trouble(tmp_path: Path) -> None:
    with serve(Site({"/a.bin": DATA})) as site:
        item = archive(f"{site.url}/a.bin")
        for partial in (DATA, DATA + b"more"):
            (tmp_path / ".a.bin.partial").write_bytes(partial)
            assert fetch(item, tmp_path, wait_s=0.01).read_bytes() == DATA
            (tmp_path / "a.bin").unlink()


def test_a_cut_that_is_not_told_is_found_by_the_checksum(tmp_path: Path) -> None:
    with (
        serve(Site({"/a.bin": DATA}, lengthless=True, cut_after=10, cuts=1)) as cut,
        serve(Site({"/a.bin": DATA})) as good,
    ):
        item = archive(f"{cut.url}/a.bin", f"{good.url}/a.bin")
        assert fetch(item, tmp_path, wait_s=0.01).read_bytes() == DATA


def test_wrong_bytes_are_never_kept_and_the_next_mirror_is_asked(tmp_path: Path) -> None:
    wrong = bytes([DATA[0] ^ 1]) + DATA[1:]
    with serve(Site({"/a.bin": wrong})) as bad, serve(Site({"/a.bin": DATA})) as good:
        item = archive(f"{bad.url}/a.bin", f"{good.url}/a.bin")
        assert fetch(item, tmp_path).read_bytes() == DATA
        assert range_start(good.seen[0][1]) == 0
        (tmp_path / "a.bin").write_bytes(wrong)
        assert fetch(item, tmp_path).read_bytes() == DATA
        alone = archive(f"{bad.url}/a.bin")
        (tmp_path / "a.bin").unlink()
        with pytest.raises(InputError, match=r"no mirror gave it .*sha256 .* expected") as caught:
            fetch(alone, tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_dead_a_missing_and_a_busy_mirror_lead_to_the_next(tmp_path: Path) -> None:
    with serve(Site({"/a.bin": DATA}, failing=2)) as site:
        item = archive(DEAD, f"{site.url}/other.bin", f"{site.url}/a.bin")
        assert fetch(item, tmp_path, wait_s=0.001).read_bytes() == DATA


def test_no_mirror_at_all_is_one_line_and_what_came_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".a.bin.partial").write_bytes(DATA[:1000])
    with (
        serve(Site({})) as site,
        pytest.raises(InputError, match=r"no mirror gave it .*5 tries.*status 404") as caught,
    ):
        fetch(archive(DEAD, f"{site.url}/a.bin"), tmp_path, wait_s=0.001)
    assert "\n" not in str(caught.value)
    assert (tmp_path / ".a.bin.partial").read_bytes() == DATA[:1000]
