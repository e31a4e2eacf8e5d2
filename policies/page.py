"""A page for people, made of a few kinds of block, written as Markdown or as accessible HTML.

The HTML stands alone: no script, no font, no picture, nothing fetched; headings in
order, a table of contents, captions and scopes on tables, and a style for print.
"""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under headings; the first cell of a row names the row."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bullets:
    """A list; an entry's first part, if any, stands out."""

    entries: tuple[tuple[str, str], ...]


Block = str | Table | Bullets


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A whole document; `lead` stands before the first section."""

    title: str
    lead: tuple[Block, ...]
    sections: tuple[Section, ...]


def to_markdown(page: Page) -> str:
    """Return the page as Markdown."""
    lines = [f"# {_plain(page.title)}"]
    for block in page.lead:
        lines += ["", *_markdown(block)]
    for section in page.sections:
        lines += ["", f"## {_plain(section.title)}"]
        for block in section.blocks:
            lines += ["", *_markdown(block)]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Return a text that cannot start a structure of Markdown or HTML."""
    line = " ".join(text.split())
    return re.sub(r"([\\`*\[\]<>|#])", r"\\\1", line)


def _markdown(block: Block) -> Iterator[str]:
    if isinstance(block, str):
        yield _plain(block)
    elif isinstance(block, Bullets):
        for strong, text in block.entries:
            yield f"- **{_plain(strong)}** {_plain(text)}" if strong else f"- {_plain(text)}"
    else:
        yield _row(block.heads)
        yield _row("---" for _ in block.heads)
        for row in block.rows:
            yield _row(_plain(cell) for cell in row)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def to_html(page: Page) -> str:
    """Return the page as one HTML document, British English."""
    style = resources.files("policies").joinpath("page.css").read_text(encoding="utf-8")
    contents = "".join(
        f'<li><a href="#s{number}">{html.escape(section.title)}</a></li>\n'
        for number, section in enumerate(page.sections, start=1)
    )
    title = html.escape(page.title)
    body = "".join(
        f'<section aria-labelledby="s{number}">\n<h2 id="s{number}">{html.escape(s.title)}</h2>\n'
        f"{''.join(map(_html, s.blocks))}</section>\n"
        for number, s in enumerate(page.sections, start=1)
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f'<a class="skip" href="#main">Skip to the agreement</a>\n'
        f"<header>\n<h1>{title}</h1>\n{''.join(map(_html, page.lead))}</header>\n"
        f'<nav aria-labelledby="contents">\n<h2 id="contents">Contents</h2>\n'
        f'<ol>\n{contents}</ol>\n</nav>\n<main id="main">\n{body}</main>\n</body>\n</html>\n'
    )


def _html(block: Block) -> str:
    if isinstance(block, str):
        return f"<p>{html.escape(block)}</p>\n"
    if isinstance(block, Bullets):
        entries = "".join(
            f"<li>{f'<strong>{html.escape(strong)}</strong> ' if strong else ''}"
            f"{html.escape(text)}</li>\n"
            for strong, text in block.entries
        )
        return f"<ul>\n{entries}</ul>\n"
    heads = "".join(f'<th scope="col">{html.escape(head)}</th>' for head in block.heads)
    rows = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>\n"
        for row in block.rows
    )
    caption = html.escape(block.caption)
    return (
        f'<div class="table" role="region" aria-label="{caption}" tabindex="0">\n<table>\n'
        f"<caption>{caption}</caption>\n<thead>\n<tr>{heads}</tr>\n</thead>\n"
        f"<tbody>\n{rows}</tbody>\n</table>\n</div>\n"
    )
