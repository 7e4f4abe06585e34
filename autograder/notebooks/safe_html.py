"""HTML that a browser may be shown with an instructor's rights: made of learners' markdown, cleaned by nh3.

nh3 parses as browsers do and keeps only what is allowed here. What is allowed cannot run a script, send a request by
itself, look like the page's own buttons, or take the name of an element that the page's scripts look for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urlsplit

import nh3
from jinja2 import pass_context
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.token import STANDARD_TYPES

_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "center", "cite", "code", "dd", "del", "details", "div",
    "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "input",
    "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "s", "samp", "small", "span", "strong", "sub",
    "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul", "var",
}  # fmt: skip
_ATTRIBUTES = {
    "*": {"style", "title", "dir", "lang", "align", "role", "aria-label", "aria-hidden"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
    "ol": {"start"},
    "details": {"open"},
    "input": {"checked"},
}  # fmt: skip
_CLASSES = {
    "div": {"highlight", "alert", "alert-block", "alert-info", "alert-success", "alert-warning", "alert-danger"},
    "span": set(STANDARD_TYPES.values()),
}  # fmt: skip
# nothing that loads (url), moves or reaches over something else (position, margin, padding) or hides it (opacity)
_STYLES = {
    "background-color", "color", "font-size", "font-style", "font-weight", "text-align", "text-decoration",
    "vertical-align", "white-space", "width",
}  # fmt: skip
_OUR_STYLES = {
    "border", "border-left", "line-height", "margin", "margin-right", "margin-top", "opacity", "padding",
}  # fmt: skip
_LONGEST = {"": 1000.0, "px": 40.0, "pt": 30.0, "em": 3.0, "rem": 3.0, "ex": 6.0, "%": 200.0}  # "": no length
_CHECKBOX = {"input": {"type": "checkbox", "disabled": ""}}  # the only input: an item of a task list

MOST_REPEATED = 4  # times that a picture may make a page longer than the cell it comes with

_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*", re.IGNORECASE)
# MathJax's own Safe mode is on as well; these would set links, classes and styles, or load more of MathJax
_TEX = re.compile(r"\\\s*(href|url|class|cssId|style|require|csname|bbox)(?![a-zA-Z])")

_CODE = re.compile(r"<(pre|code)\b.*?</\1>", re.DOTALL)  # where MathJax does not look


def clean_html(html: str | bytes, ours: bool = False) -> str:
    """The harmless part of some HTML; ``ours`` allows the styles of the grader's own output as well."""
    text = html.decode(errors="replace") if isinstance(html, bytes) else str(html)
    return nh3.clean(
        text,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_allowed_value,
        allowed_classes=_CLASSES,
        set_tag_attribute_values=_CHECKBOX,
        filter_style_properties=_STYLES | _OUR_STYLES if ours else _STYLES,
        url_schemes={"http", "https", "mailto", "data"},
    )


def clean_output(html: str | bytes) -> str:
    """nbconvert's filter ``clean_html``, for HTML in outputs: only the grader writes any."""
    return clean_html(html, ours=True)


def markdown_to_html(source: str, attachments: dict[str, Any] | None = None) -> str:
    """Markdown as nbgrader's pages show it, before cleaning.

    Raises:
        Exception: whatever the parser makes of it, such as a picture that is not attached.
    """
    renderer = IPythonRenderer(escape=False, attachments=attachments or {}, exclude_anchor_links=True)
    return MarkdownWithMath(renderer=renderer).render(source)


@pass_context
def markdown_filter(context: Mapping[str, Any], source: str) -> str:
    """nbconvert's filter ``markdown2html``: what cannot be rendered is shown as text."""
    attachments = context.get("cell", {}).get("attachments")
    try:
        if not attachments:
            return _cleaned(source)
        html = markdown_to_html(source, attachments)
        attached = sum(len(data) for kinds in attachments.values() for data in kinds.values())
        # one picture, shown a thousand times
        if len(html) > MOST_REPEATED * (len(source) + attached) + 10_000:
            raise ValueError("a page would be too long")
        return clean_html(html)
    except Exception:
        return f"<pre>{escape(source)}</pre>"


@lru_cache(maxsize=1024)  # most cells are the release's
def _cleaned(source: str) -> str:
    return clean_html(markdown_to_html(source))


def loses_nothing(html: str) -> bool:
    """Whether cleaning leaves the HTML as it is, except for what a page may drop unseen.

    The two are compared as another parser reads them: where the two parsers do not agree, the answer is no.
    """
    clean = clean_html(html)
    return not _TEX.search(_CODE.sub("", clean)) and _read(html) == _read(clean)


def _allowed_value(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "href":
        return value if _is_link(value) else None
    if attribute == "src":
        return value if _PICTURE.fullmatch(value) or _is_below(value) else None
    if attribute == "style" and (re.search(r"[(\\]|/\*", value) or not _is_small(value)):
        return None
    return value


def _is_small(style: str) -> bool:
    """Whether no length of a style is so large that something with it would cover what is not its own."""
    lengths = re.findall(r"([\d.]+)([a-z%]*)", re.sub(r"#[\da-f]+", "", style.lower()))
    return all(
        unit in _LONGEST and number.count(".") <= 1 and float(f"0{number}") <= _LONGEST[unit]
        for number, unit in lengths
    )


def _is_link(url: str) -> bool:
    """Another site, a mail address, a place on the page, or a file beside the notebook.

    Never the Jupyter server itself: its Formgrader obeys addresses (``formgrader?path=`` even runs a configuration).
    """
    if _is_below(url):
        return True
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if re.search(r"[\x00-\x20\\]", url) or "formgrader" in unquote(unquote(url)).lower():
        return False
    if parts.scheme.lower() == "mailto":
        return True
    # not this machine: by name, or as any of the ways to write an address in numbers
    named = "." in host and not re.fullmatch(r"[\d.]+|0x.*|.*:.*", host) and not host.endswith("localhost")
    return parts.scheme.lower() in ("http", "https") and named and not parts.username


def _is_below(url: str) -> bool:
    """A path that stays below the page's own, or a place on the page."""
    path = unquote(url)
    # a browser takes spaces at the ends away
    if path != path.strip() or re.search(r"[\x00-\x1f\\:?]", path) or path.startswith("/"):
        return False
    return ".." not in path.split("#")[0].split("/")


class _Reader(HTMLParser):
    """What is written in some HTML: its tags with their attributes, its text, its comments."""

    # put in by one parser and not by the other, or changed by the cleaning without loss
    _IMPLIED = ("p", "tbody")
    _UNSEEN = ("rel", "class")

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[tuple[str, str], ...]]] = []
        self.text = ""
        self.strange = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self._IMPLIED or attrs:
            kept = {name: _spaceless(value or "") for name, value in attrs if name not in self._UNSEEN}
            kept |= _CHECKBOX.get(tag, {}) if set(kept) <= {"type", "disabled"} else {}
            self.tags.append((tag, tuple(sorted(kept.items()))))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.strange += data

    def handle_decl(self, decl: str) -> None:
        self.strange += decl

    def handle_pi(self, data: str) -> None:
        self.strange += data

    def unknown_decl(self, data: str) -> None:
        self.strange += data


def _spaceless(value: str) -> str:
    return re.sub(r"[\s;]+", "", value)


def _read(html: str) -> tuple[Any, ...]:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.tags, "".join(reader.text.split()), reader.strange
