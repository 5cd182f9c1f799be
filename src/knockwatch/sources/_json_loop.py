"""The loop that reads lines of JSON objects: where the values of some keys stand, in one pass over the bytes.

It takes lines that are an object for certain, of plain ASCII, in which no wanted value is anything but a text without
escapes, a short number, a truth or null; it leaves all others, which `_json_records` reads the same.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from knockwatch._compiled import compiled

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]

FLAT, NESTED, BOTH = 0, 1, 2
"""How keys are written: with their dots, as objects in objects, or either way."""
LINE, BEGIN, END = 0, 1, 2
VALUES = 3
"""Columns of `found`: a line's number from 0, where it begins, where the next one does, then a column for each key."""
ABSENT = -1
DEPTH_MOST = 16
"""Objects and lists in each other; a line with more is left."""
STACK = 5
"""What is kept of each: whether wanted keys may be in it, how long its path is and with which letter that begins, where
the key that is being read stands, and how long it is."""
_DIGITS_MOST = 17
"""Digits of a number beyond which a double is another one (IEEE 754): what reads it decides how."""
_QUOTE, _BACKSLASH, _COLON, _COMMA, _POINT, _MINUS = 34, 92, 58, 44, 46, 45
_OPEN, _CLOSE, _OPEN_LIST, _CLOSE_LIST = 123, 125, 91, 93
_BLANK, _TAB, _NEWLINE, _RETURN = 32, 9, 10, 13
_NOUGHT, _NINE = 48, 57
_PLAIN, _ENDS, _ESCAPES, _UNUSUAL = 0, 1, 2, 3
_OBJECT, _DEAD_OBJECT, _LIST = 0, 1, 2
_HOLDS, _PATH, _FIRST, _KEY_AT, _KEY_LENGTH = range(5)
_KEY, _VALUE, _MORE = 0, 1, 2
"""What must come next: a key or the end, a value or the end, a comma or the end."""


def _kinds() -> Bytes:
    """Say of each byte what it does to a string: nothing, end it, escape the next, make the line unusual."""
    kinds = np.full(256, _UNUSUAL, dtype=np.uint8)
    kinds[32:127] = _PLAIN
    kinds[_QUOTE], kinds[_BACKSLASH] = _ENDS, _ESCAPES
    return kinds


_KIND = _kinds()
_ESCAPED = np.frombuffer(b'"\\/bfnrt', dtype=np.uint8)
_LITERALS = np.frombuffer(b"truefalsenull", dtype=np.uint8)


def path_hash(path: bytes) -> int:
    """Give the number that a path is looked up by; what has the same number is told apart by its letters."""
    return int(_hash(len(path), path[0], path[-1]))


@compiled
def _hash(length: int, first: int, last: int) -> int:
    """Make a number of a path's length and two of its letters: most keys are none that is wanted."""
    return length * 131 + int(first) * 31 + int(last)


@compiled
def read_lines(
    text: Bytes,
    spelling: int,
    paths: Bytes,
    ends: Integers,
    slots: Integers,
    stack: Integers,
    found: Integers,
    lengths: Integers,
    left: Integers,
) -> tuple[int, int]:
    """Read the lines of a block.

    Parameters
    ----------
    text
        Whole lines, the last one with its newline: no loop goes beyond one.
    spelling
        `FLAT`, `NESTED` or `BOTH`.
    paths, ends
        The wanted keys one after the other, and where each ends, after a nought.
    slots
        Numbers of the keys by the rests of their hashes, or of the next free place; `ABSENT` elsewhere.
    stack
        Room for `DEPTH_MOST` objects in each other, `STACK` numbers each.
    found, lengths
        Filled: where each value stands and how long it is, a row for each line taken; lengths are `ABSENT` for what
        is missing or null.
    left
        Filled: number, beginning and end (behind the newline) of each line left.

    Returns
    -------
    tuple
        How many lines were taken, and how many left.
    """
    taken = others = 0
    line = begin = 0
    size = len(text)
    if size == 0 or text[size - 1] != _NEWLINE:
        return 0, 0
    while begin < size:
        at = _object(text, begin, spelling, paths, ends, slots, stack, found[taken], lengths[taken])
        end = max(at, begin)
        while text[end] != _NEWLINE:
            end += 1
        end += 1
        if at >= 0:
            found[taken, LINE], found[taken, BEGIN], found[taken, END] = line, begin, end
            taken += 1
        else:
            left[others, 0], left[others, 1], left[others, 2] = line, begin, end
            others += 1
        line += 1
        begin = end
    return taken, others


@compiled
def _skip(text: Bytes, at: int) -> int:
    """Give the first place that is no blank."""
    while text[at] in (_BLANK, _TAB, _RETURN):
        at += 1
    return at


@compiled
def _string(text: Bytes, at: int) -> tuple[int, bool]:
    """Give where a string's closing quote stands, and whether it is without escapes; -1 where it is unusual."""
    plain = True
    while True:
        kind = _KIND[text[at]]
        if kind == _PLAIN:
            at += 1
        elif kind == _ENDS:
            return at, plain
        elif kind == _ESCAPES:
            plain = known = False
            for letter in _ESCAPED:
                known |= text[at + 1] == letter
            if not known:
                return -1, False
            at += 2
        else:
            return -1, False


@compiled
def _number(text: Bytes, at: int) -> tuple[int, bool]:
    """Give where a number ends, -1 where it is none, and whether it has few digits and no exponent."""
    at += text[at] == _MINUS
    first = at
    while _NOUGHT <= text[at] <= _NINE:
        at += 1
    digits = at - first
    if digits == 0 or (text[first] == _NOUGHT and digits > 1):
        return -1, False
    if text[at] == _POINT:
        first = at + 1
        at = _digits(text, first)
        if at == first:
            return -1, False
        digits += at - first
    if text[at] in (69, 101):
        at += 1
        at += text[at] in (43, _MINUS)
        first = at
        at = _digits(text, first)
        return at if at > first else -1, False
    return at, digits <= _DIGITS_MOST


@compiled
def _digits(text: Bytes, at: int) -> int:
    """Give the first place that is no digit."""
    while _NOUGHT <= text[at] <= _NINE:
        at += 1
    return at


@compiled
def _literal(text: Bytes, at: int) -> int:
    """Give where ``true``, ``false`` or ``null`` ends; -1 where something else stands."""
    first, last = 0, 4
    if text[at] == 102:
        first, last = 4, 9
    elif text[at] == 110:
        first, last = 9, 13
    for place in range(first, last):
        if text[at] != _LITERALS[place]:
            return -1
        at += 1
    return at


@compiled
def _column(
    text: Bytes, depth: int, spelling: int, paths: Bytes, ends: Integers, slots: Integers, stack: Integers
) -> int:
    """Give which wanted key the stack's path is; `ABSENT` for none, and for one that is written as none is."""
    length, key, long = stack[depth, _PATH], stack[depth, _KEY_AT], stack[depth, _KEY_LENGTH]
    if long == 0:
        return ABSENT
    slot = _hash(length + long, stack[depth, _FIRST] if depth > 1 else text[key], text[key + long - 1]) & (
        len(slots) - 1
    )
    while slots[slot] != ABSENT:
        column = slots[slot]
        if ends[column + 1] - ends[column] == length + long and _same(
            text, depth, paths, ends[column], stack
        ):
            if (depth > 1 or spelling == NESTED) and _dotted(text, key, long):
                return ABSENT
            return int(column)
        slot = (slot + 1) & (len(slots) - 1)
    return ABSENT


@compiled
def _same(text: Bytes, depth: int, paths: Bytes, place: int, stack: Integers) -> bool:
    """Say whether a wanted key, of the same length as the stack's path, is it."""
    for level in range(1, depth + 1):
        if level > 1:
            if paths[place] != _POINT:
                return False
            place += 1
        key = stack[level, _KEY_AT]
        for offset in range(stack[level, _KEY_LENGTH]):
            if paths[place + offset] != text[key + offset]:
                return False
        place += stack[level, _KEY_LENGTH]
    return True


@compiled
def _dotted(text: Bytes, at: int, length: int) -> bool:
    """Say whether a key has a dot."""
    for place in range(at, at + length):
        if text[place] == _POINT:
            return True
    return False


@compiled
def _object(
    text: Bytes,
    at: int,
    spelling: int,
    paths: Bytes,
    ends: Integers,
    slots: Integers,
    stack: Integers,
    found: Integers,
    lengths: Integers,
) -> int:
    """Read the object of one line and give where it ends; -1 where it is none, or unusual."""
    lengths[:] = ABSENT
    at = _skip(text, at)
    if text[at] != _OPEN:
        return -1
    depth, next_is, first = 1, _KEY, True
    stack[1, _HOLDS] = _OBJECT
    stack[1, _PATH] = 0
    at += 1
    while depth > 0:
        at = _skip(text, at)
        byte = text[at]
        in_list = stack[depth, _HOLDS] == _LIST
        if byte == (_CLOSE_LIST if in_list else _CLOSE) and (first or next_is == _MORE):
            depth -= 1
            next_is, first = _MORE, False
            at += 1
            continue
        if next_is == _MORE:
            if byte != _COMMA:
                return -1
            next_is, first = _VALUE if in_list else _KEY, False
            at += 1
            continue
        column = ABSENT
        if not in_list:
            if byte != _QUOTE:
                return -1
            close, plain = _string(text, at + 1)
            if close < 0 or not plain:
                return -1
            stack[depth, _KEY_AT], stack[depth, _KEY_LENGTH] = at + 1, close - at - 1
            if stack[depth, _HOLDS] == _OBJECT:
                column = _column(text, depth, spelling, paths, ends, slots, stack)
            at = _skip(text, close + 1)
            if text[at] != _COLON:
                return -1
            at = _skip(text, at + 1)
            byte = text[at]
        if byte in (_OPEN, _OPEN_LIST):
            if column != ABSENT or depth + 1 >= DEPTH_MOST:
                return -1
            depth += 1
            _enter(text, depth, spelling, byte == _OPEN_LIST, stack)
            next_is, first = _VALUE if byte == _OPEN_LIST else _KEY, True
            at += 1
            continue
        begin, at, length = _scalar(text, at)
        if at < 0 or (column != ABSENT and (lengths[column] != ABSENT or length == _UNREAD)):
            return -1
        if ABSENT not in (column, length):
            found[VALUES + column], lengths[column] = begin, length
        next_is, first = _MORE, False
    at = _skip(text, at)
    return at if text[at] == _NEWLINE else -1


@compiled
def _enter(text: Bytes, depth: int, spelling: int, is_list: bool, stack: Integers) -> None:
    """Note what is in the object or list that begins."""
    above = depth - 1
    key, length = stack[above, _KEY_AT], stack[above, _KEY_LENGTH]
    if is_list:
        stack[depth, _HOLDS] = _LIST
    elif stack[above, _HOLDS] != _OBJECT or spelling == FLAT or length == 0 or _dotted(text, key, length):
        stack[depth, _HOLDS] = _DEAD_OBJECT
    else:
        stack[depth, _HOLDS] = _OBJECT
        stack[depth, _PATH] = stack[above, _PATH] + length + 1
        stack[depth, _FIRST] = stack[above, _FIRST] if above > 1 else text[key]


_UNREAD = -2
"""The length of a text with escapes, and of a number that is written in several ways."""


@compiled
def _scalar(text: Bytes, at: int) -> tuple[int, int, int]:
    """Read a value that holds no others: where it begins, what follows it (-1: it is none), and its length."""
    byte = text[at]
    if byte == _QUOTE:
        close, plain = _string(text, at + 1)
        return at + 1, close + 1 if close >= 0 else -1, close - at - 1 if plain else _UNREAD
    if byte == _MINUS or _NOUGHT <= byte <= _NINE:
        end, usual = _number(text, at)
        return at, end, end - at if usual else _UNREAD
    end = _literal(text, at)
    return at, end, ABSENT if byte == 110 else end - at
