"""A page as a browser receives it: its elements, and a check that it is well-formed."""

from html.parser import HTMLParser

import requests

VOID = {"meta", "link", "br", "input"}


class Element:
    """A tag with its content."""

    def __init__(self, tag: str, attributes: dict[str, str], above: "Element | None") -> None:
        self.tag = tag
        self.attributes = attributes
        self.above = above
        self.inside: list[Element | str] = []

    @property
    def text(self) -> str:
        """Its visible text."""
        return "".join(one if isinstance(one, str) else one.text for one in self.inside)

    def all(self, tag: str = "", kind: str = "") -> list["Element"]:
        """The elements below it with that tag, and that class."""
        found = []
        for one in self.inside:
            if isinstance(one, Element):
                if (not tag or one.tag == tag) and (not kind or kind in one.attributes.get("class", "").split()):
                    found.append(one)
                found += one.all(tag, kind)
        return found

    def table(self) -> list[list[str]]:
        """A table's rows, without the first: the texts of their cells."""
        return [[" ".join(cell.text.split()) for cell in row.all("td")] for row in self.all("tr")[1:]]


class Parser(HTMLParser):
    """HTML, parsed; every element that is opened is closed, in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self._open = Element("", {}, None)
        self.feed(html)
        self.close()
        assert self._open is self.root, f"<{self._open.tag}> is never closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self._open)
        self._open.inside.append(element)
        if tag not in VOID:
            self._open = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.tag == tag, f"</{tag}> closes <{self._open.tag}>"
        assert self._open.above is not None
        self._open = self._open.above

    def handle_data(self, data: str) -> None:
        self._open.inside.append(data)


def parsed(html: str) -> Element:
    """The element above all of a fragment."""
    return Parser(html).root


class Page(Parser):
    """One response, parsed as a whole page."""

    def __init__(self, answer: requests.Response) -> None:
        super().__init__(answer.content.decode())
        self.answer = answer
        assert answer.text.endswith("</html>")
        self.all = self.root.all
        self.text = self.root.text


def seen(url: str, status: int = 200, **headers: str) -> Page:
    """Requests a page with the headers of a browser."""
    answer = requests.get(url, headers={"Accept": "text/html,application/xhtml+xml"} | headers, timeout=30)
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return Page(answer)
