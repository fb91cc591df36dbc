"""The elements of an HTML page, and a check that it is well-formed."""

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
        return "".join(part if isinstance(part, str) else part.text for part in self.inside)

    def all(self, tag: str = "", kind: str = "") -> list["Element"]:
        """The elements below it with that tag, and that class."""
        elements = []
        for part in self.inside:
            if isinstance(part, Element):
                if (not tag or part.tag == tag) and (not kind or kind in part.attributes.get("class", "").split()):
                    elements.append(part)
                elements += part.all(tag, kind)
        return elements

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

    def __init__(self, response: requests.Response) -> None:
        super().__init__(response.content.decode())
        self.response = response
        assert response.text.endswith("</html>")
        self.all = self.root.all
        self.text = self.root.text


def get_page(url: str, status: int = 200, **headers: str) -> Page:
    """Requests a page with the headers of a browser."""
    response = requests.get(url, headers={"Accept": "text/html,application/xhtml+xml"} | headers, timeout=30)
    assert response.status_code == status, response.text[:500]
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    return Page(response)
