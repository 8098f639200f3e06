"""What a page holds, read as a browser reads it: tags with attributes, texts, embedded data."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any


class Page(HTMLParser):
    """Tags, visible texts and data of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.data: Any = None
        self._inside: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "script":
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.texts.append(data)
        elif data.strip():
            self.data = json.loads(data)

    @property
    def text(self) -> str:
        """All of it, with single spaces."""
        return " ".join(" ".join(self.texts).split())

    def named(self, tag: str) -> list[dict[str, str]]:
        """Attributes of all tags of a name."""
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def addresses(self) -> list[str]:
        """All that the page links to or loads."""
        names = ("href", "src", "action", "formaction", "poster", "srcset", "data")
        return [value for _, found in self.tags for name, value in found.items() if name in names]
