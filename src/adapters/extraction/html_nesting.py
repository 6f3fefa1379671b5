"""How deep HTML is nested, told by its tags before anything is built of them.

The parser looks through all open elements at most tags (HTML standard, 13.2.4.2), which takes a
time that grows with the square of the depth. Browsers show nothing deeper than 512 levels either.
"""

from __future__ import annotations

import re
from collections import Counter

from domain.retrieval.rejection import deeper_than

_TAG_OR_COMMENT = re.compile(r"<(?:(!--)|(/?)([a-z][^\s/>]{0,99}))", re.IGNORECASE)
_COMMENT_END = re.compile("--!?>")
# Those without content, and those that the next of their kind ends, where nobody else does.
# fmt: off
_NOT_DEEPER = frozenset((
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr", "p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option",
    "optgroup", "rt", "rp", "colgroup", "caption", "html", "head", "body"
))
# fmt: on


def assert_not_nested_deeper(page: str, levels: int) -> None:
    """Raises DocumentRejected. Takes a time that grows with the length of the page alone.

    A page made to mislead it, by an end tag within an attribute, is left to the limit of time.
    """
    opened: Counter[str] = Counter()
    depth = at = 0
    while (found := _TAG_OR_COMMENT.search(page, at)) is not None:
        at = found.end()
        comment, ending, name = found.groups()
        if comment:
            end = _COMMENT_END.search(page, at - 2)  # `<!-->` is one, too
            if end is None:
                return
            at = end.end()
            continue
        name = name.lower()
        if name in _NOT_DEEPER:
            continue
        if not ending:
            opened[name] += 1
            depth += 1
        elif opened[name]:
            opened[name] -= 1
            depth -= 1
        if depth > levels:
            raise deeper_than(levels)
