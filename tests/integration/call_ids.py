"""
X-Call-Id as fwatchdog makes it for calls that have none. Tests that compare everything a function
gets, and whose subject is something else, look past it with without_made_id(): it must be there, once
and well-formed, and is taken away.
"""

import json
import re

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
IN_HEAD = re.compile(rb"(?<=\r\n)X-Call-Id: (%s)\r\n" % UUID4.pattern.encode())
IN_DOCUMENT = re.compile(rb'"X-Call-Id":\["%s"\]' % UUID4.pattern.encode())


def without_made_id(rows, *names):
    """An environment without the variables of these names, which all hold one made id."""
    assert len({rows.get(name) for name in names}) == 1, {name: rows.get(name) for name in names}
    assert UUID4.fullmatch(rows[names[0]]), rows[names[0]]
    return {name: value for name, value in rows.items() if name not in names}


def split_made_id(head):
    """A forwarded head in two: without the made id, and that. None: it has the client's, or none at all."""
    if len(re.findall(rb"(?i)\r\nX-Call-Id:", head)) != 1 or not (match := IN_HEAD.search(head)):
        return head, None
    return head[: match.start()] + head[match.end() :], match[1].decode()


def without_made_id_in_document(document):
    """What marshal_request makes of a request, without the made id: it has to be at its place among the names."""
    names = list(json.loads(document)["header"])
    assert names == sorted(names), f"not sorted by their bytes: {names}"
    found = IN_DOCUMENT.findall(document)
    assert len(found) == 1, document[:300]
    for piece in (found[0] + b",", b"," + found[0], found[0]):
        if piece in document:
            return document.replace(piece, b"")
    raise AssertionError(document[:300])
