"""The loop that reads a block of a firewall's log: syslog's header and netfilter's fields in one pass over its bytes.

It takes lines that hold nothing unusual and leaves all others, which `syslog` and `bodies.netfilter` read the same. It
knows no outcomes, no dates and no text: it gives numbers, and places in the block.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from knockwatch._compiled import compiled

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]

COLUMNS = (
    "line", "begin", "end", "time_at", "date", "of_day_us", "clock_us", "sensor_at", "sensor_length", "rule",
    "forwarded", "source_at", "source_length", "destination_at", "destination_length", "protocol", "version",
    "source_port", "destination_port", "tcp_flags", "packet_length", "last_length", "ttl", "ip_id", "tcp_window",
    "tcp_seq", "tcp_ack", "icmp_type", "icmp_code",
)  # fmt: skip
"""Columns of the matrix that `read_block` fills, a row for each line taken; `ABSENT` where a line does not say.

`line` counts from 0, and `end` is behind its newline. `date` is the number of the date among those found, or days since
1970 where lines name the year. `rule` is the number of the prefix among those found. `version` is 4, or 6 for addresses
that are none of IPv4 and may be ones of IPv6.
"""
(
    LINE, BEGIN, END, TIME, DATE, OF_DAY, CLOCK, SENSOR, SENSOR_LENGTH, RULE, FORWARDED, SOURCE, SOURCE_LENGTH,
    DESTINATION, DESTINATION_LENGTH, PROTOCOL, VERSION, SOURCE_PORT, DESTINATION_PORT, FLAGS, LENGTH, LAST_LENGTH, TTL,
    IDENTIFICATION, WINDOW, SEQ, ACK, ICMP_TYPE, ICMP_CODE,
) = range(len(COLUMNS))  # fmt: skip
ABSENT = -1
TCP, UDP, ICMP, ICMP6 = 0, 1, 2, 3
LINE_MOST = 4_096
"""Bytes of a line beyond which it is left: a packet's line has a tenth."""
DATE_WIDTH = 6
"""Of ``Nov  2``."""

_DIGITS_MOST = 10
_HOUR, _MINUTE, _SECOND = 3_600_000_000, 60_000_000, 1_000_000
_NAME_MOST = 255
_ADDRESS_MOST = 45
_PORT_MOST = 65_535
_NAMED_MOST = 8
"""Letters of the longest key that is read; they fill 64 bits."""
_STAMP_BLANKS = 5
_BLANK, _NEWLINE, _RETURN, _EQUALS, _COLON, _POINT, _OPEN = 32, 10, 13, 61, 58, 46, 91
_KERNEL = np.frombuffer(b" kernel: ", dtype=np.uint8)
_WORD, _STOP, _PAIR, _UNUSUAL = 0, 1, 2, 3


def _kinds() -> Bytes:
    """Say of each byte what it does to a word: nothing, end it, part key and value, make the line unusual."""
    kinds = np.full(256, _UNUSUAL, dtype=np.uint8)
    kinds[_BLANK + 1 : 127] = _WORD
    kinds[[_BLANK, _NEWLINE, _RETURN]] = _STOP
    kinds[_EQUALS] = _PAIR
    # A packet within the packet, options, a quotation.
    kinds[[ord(letter) for letter in '[("']] = _UNUSUAL
    return kinds


_KIND = _kinds()


@compiled
def read_block(
    text: Bytes, dated: bool, utc: bool, found: Integers, dates: Integers, rules: Integers, left: Integers
) -> tuple[int, int, int, int]:
    """Read the lines of a block.

    Parameters
    ----------
    text
        Whole lines, the last one with its newline: no loop goes beyond one.
    dated
        Whether lines begin with ISO times; else with RFC 3164's.
    utc
        Whether a time without an offset is UTC; where not, such lines of ISO times are left.
    found
        Filled: `COLUMNS`, with room for as many rows as there are lines.
    dates
        Filled: where in the text each date stands, as often as it changes; room for all lines.
    rules
        Filled: of each prefix its place and its length; room for those that are told apart.
    left
        Filled: number, beginning and end (behind the newline) of each line left; room for all lines.

    Returns
    -------
    tuple
        How many lines were taken, dates found, prefixes found, lines left.
    """
    taken = dates_found = rules_found = others = 0
    line = begin = 0
    size = len(text)
    if size == 0 or text[size - 1] != _NEWLINE:
        return 0, 0, 0, 0
    while begin < size:
        row = found[taken]
        row[:] = ABSENT
        at = _header(text, begin, dated, utc, row)
        if at >= 0:
            at, rules_found = _prefix(text, at, row, rules, rules_found)
        if at >= 0:
            at = _fields(text, at, row)
        end = max(at, begin)
        while text[end] != _NEWLINE:
            end += 1
        end += 1
        if at >= 0 and end - begin <= LINE_MOST:
            row[LINE], row[BEGIN], row[END] = line, begin, end
            if not dated:
                dates_found = _date(text, row, dates, dates_found)
            taken += 1
        else:
            left[others, 0], left[others, 1], left[others, 2] = line, begin, end
            others += 1
        line += 1
        begin = end
    return taken, dates_found, rules_found, others


@compiled
def _header(text: Bytes, at: int, dated: bool, utc: bool, row: Integers) -> int:
    """Read what stands before the kernel's message and give the place behind it; -1 where something else does."""
    at = row[TIME] = _priority(text, at)
    at = _iso(text, at, utc, row) if dated else _rfc3164(text, at, row)
    return _host(text, at, row) if at >= 0 else -1


@compiled
def _digit(text: Bytes, at: int) -> int:
    """Give a digit's value; -1 where there is none."""
    value = int(text[at]) - 48
    return value if 0 <= value <= 9 else -1


@compiled
def _two(text: Bytes, at: int) -> int:
    """Read two digits; -1 where there are none."""
    tens = _digit(text, at)
    if tens < 0:
        return -1
    ones = _digit(text, at + 1)
    return tens * 10 + ones if ones >= 0 else -1


@compiled
def _time_of_day(text: Bytes, at: int) -> int:
    """Read ``11:23:34`` as microseconds; -1 where it is none."""
    hour = _two(text, at)
    if hour < 0 or hour > 23 or text[at + 2] != _COLON:
        return -1
    minute = _two(text, at + 3)
    if minute < 0 or minute > 59 or text[at + 5] != _COLON:
        return -1
    second = _two(text, at + 6)
    return hour * _HOUR + minute * _MINUTE + second * _SECOND if 0 <= second <= 59 else -1


@compiled
def _priority(text: Bytes, at: int) -> int:
    """Give the place behind ``<PRI>``, or the same where there is none."""
    if text[at] != 60:
        return at
    close = at + 1
    while close <= at + 3 and _digit(text, close) >= 0:
        close += 1
    return close + 1 if close > at + 1 and text[close] == 62 else at


@compiled
def _rfc3164(text: Bytes, at: int, row: Integers) -> int:
    """Read ``Nov  2 11:23:34``, but for its date, and give the place behind it; -1 where it is none."""
    if text[at] < 65 or text[at] > 90:
        return -1
    for place in range(at + 1, at + 3):
        if text[place] < 97 or text[place] > 122:
            return -1
    if text[at + 3] != _BLANK or (text[at + 4] != _BLANK and _digit(text, at + 4) < 0):
        return -1
    if _digit(text, at + 5) < 0 or text[at + 6] != _BLANK:
        return -1
    row[OF_DAY] = _time_of_day(text, at + 7)
    return at + 15 if row[OF_DAY] >= 0 else -1


@compiled
def _date(text: Bytes, row: Integers, dates: Integers, known: int) -> int:
    """Number a line's date: the last one's, or a new one; gives how many are known then."""
    at = row[TIME]
    same = known > 0
    if same:
        for offset in range(DATE_WIDTH):
            same &= text[dates[known - 1] + offset] == text[at + offset]
    if not same:
        dates[known] = at
        known += 1
    row[DATE] = known - 1
    return known


@compiled
def _days(year: int, month: int, day: int) -> int:
    """Count the days since 1970 of a date (Howard Hinnant, days_from_civil); -1 where there is no such date."""
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = 31
    if month == 2:
        longest = 29 if leap else 28
    elif month in (4, 6, 9, 11):
        longest = 30
    if year < 1970 or month < 1 or month > 12 or day < 1 or day > longest:
        return -1
    shifted = year - 1 if month <= 2 else year
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


@compiled
def _iso(text: Bytes, at: int, utc: bool, row: Integers) -> int:
    """Read ``2026-11-22T11:23:34.201111+00:00`` and give the place behind it; -1 where it is none."""
    century = _two(text, at)
    if century < 0:
        return -1
    year = _two(text, at + 2)
    if year < 0 or text[at + 4] != 45:
        return -1
    month = _two(text, at + 5)
    if month < 0 or text[at + 7] != 45:
        return -1
    day = _two(text, at + 8)
    if day < 0 or (text[at + 10] != 84 and text[at + 10] != _BLANK):
        return -1
    date, moment = _days(century * 100 + year, month, day), _time_of_day(text, at + 11)
    if date < 0 or moment < 0:
        return -1
    at += 19
    if text[at] in (_POINT, 44):
        at += 1
        unit = 100_000
        while unit >= 1 and _digit(text, at) >= 0:
            moment += _digit(text, at) * unit
            unit //= 10
            at += 1
        if unit == 100_000 or _digit(text, at) >= 0:
            return -1
    if text[at] == 90:
        at += 1
    elif text[at] in (43, 45):
        hours = _two(text, at + 1)
        if hours < 0 or hours > 14 or text[at + 3] != _COLON:
            return -1
        minutes = _two(text, at + 4)
        if minutes < 0 or minutes > 59:
            return -1
        offset = hours * _HOUR + minutes * _MINUTE
        moment += -offset if text[at] == 43 else offset
        at += 6
    elif not utc:
        return -1
    row[DATE], row[OF_DAY] = date, moment
    return at


@compiled
def _host(text: Bytes, at: int, row: Integers) -> int:
    """Read `` srv1 kernel: `` and give the place behind it; -1 where it is none."""
    if text[at] != _BLANK:
        return -1
    begin = close = at + 1
    while text[close] != _BLANK:
        byte = text[close]
        letter = 65 <= byte <= 90 or 97 <= byte <= 122 or 48 <= byte <= 58 or byte in (45, 46, 95)
        if not letter:
            return -1
        close += 1
    if close == begin or close - begin > _NAME_MOST:
        return -1
    for offset in range(len(_KERNEL)):
        if text[close + offset] != _KERNEL[offset]:
            return -1
    row[SENSOR], row[SENSOR_LENGTH] = begin, close - begin
    return close + len(_KERNEL)


@compiled
def _stamp(text: Bytes, at: int, row: Integers) -> int:
    """Read printk's ``[ 2719.233649] `` and give the place behind it, or the same where there is none."""
    if text[at] != _OPEN:
        return at
    first = at + 1
    while first <= at + _STAMP_BLANKS and text[first] == _BLANK:
        first += 1
    place, seconds = first, 0
    while place - first < _DIGITS_MOST and _digit(text, place) >= 0:
        seconds = seconds * 10 + _digit(text, place)
        place += 1
    if place == first or text[place] != _POINT:
        return at
    fraction = 0
    for offset in range(1, 7):
        digit = _digit(text, place + offset)
        if digit < 0:
            return at
        fraction = fraction * 10 + digit
    if text[place + 7] != 93:
        return at
    row[CLOCK] = seconds * _SECOND + fraction
    place += 8
    return place + 1 if text[place] == _BLANK else place


@compiled
def _prefix(text: Bytes, at: int, row: Integers, rules: Integers, known: int) -> tuple[int, int]:
    """Read the stamp and what stands before ``IN=``; gives where that is (-1: nowhere) and how many are known then."""
    at = _stamp(text, at, row)
    inside = at
    while text[inside] != _EQUALS:
        if text[inside] < _BLANK or text[inside] > 126:
            return -1, known
        inside += 1
    inside -= 2
    if inside < at or text[inside] != 73 or text[inside + 1] != 78:
        return -1, known
    close = inside
    while at < close and text[at] == _BLANK:
        at += 1
    while at < close and text[close - 1] == _BLANK:
        close -= 1
    for number in range(known):
        if rules[number, 1] == close - at:
            same = True
            for offset in range(close - at):
                same &= text[rules[number, 0] + offset] == text[at + offset]
            if same:
                row[RULE] = number
                return inside, known
    if known >= len(rules):
        return -1, known
    rules[known, 0], rules[known, 1] = at, close - at
    row[RULE] = known
    return inside, known + 1


@compiled
def _number(text: Bytes, at: int, close: int) -> int:
    """Read a whole value as a decimal number; -1 where it is none."""
    if at == close or close - at > _DIGITS_MOST:
        return -1
    value = 0
    for place in range(at, close):
        digit = _digit(text, place)
        if digit < 0:
            return -1
        value = value * 10 + digit
    return value


@compiled
def _version(text: Bytes, at: int, close: int) -> int:
    """Say whether a value is an address of IPv4 in its only form (4), may be one of IPv6 (6), or is none (-1)."""
    if close - at > _ADDRESS_MOST:
        return -1
    octets = digits = value = 0
    for place in range(at, close):
        digit = _digit(text, place)
        if digit >= 0:
            value = value * 10 + digit
            digits += 1
            # No octet begins with a nought but nought itself.
            if value > 255 or (digits == 2 and value < 10) or digits > 3:
                return -1
        elif text[place] == _POINT and digits > 0:
            octets += 1
            digits = value = 0
        else:
            return 6 if octets == 0 and _colons(text, at, close) >= 2 else -1
    return 4 if octets == 3 and digits > 0 else -1


@compiled
def _colons(text: Bytes, at: int, close: int) -> int:
    """Count the colons among hexadecimal digits; none where anything else stands there."""
    colons = 0
    for place in range(at, close):
        byte = text[place]
        colons += byte == _COLON
        if not (48 <= byte <= 58 or 97 <= byte <= 102 or 65 <= byte <= 70):
            return 0
    return colons


def _names(words: str) -> list[int]:
    """Give each word's letters as one number, the first of them highest."""
    return [int.from_bytes(word.encode(), "big") for word in words.split()]


_OUT, _SRC, _DST, _PROTO, _RES, _URGP, _LEN, _SPT, _DPT = _names("OUT SRC DST PROTO RES URGP LEN SPT DPT")
_TTL_NAME, _HOPLIMIT, _ID, _WINDOW, _SEQ, _ACK, _TYPE, _CODE = _names(
    "TTL HOPLIMIT ID WINDOW SEQ ACK TYPE CODE"
)
_DF, _CE, _MF = _names("DF CE MF")
_SYN_FLAG, _FIN_FLAG, _RST_FLAG, _PSH_FLAG, _URG_FLAG = _names("SYN FIN RST PSH URG")
_TCP_NAME, _UDP_NAME, _ICMP_NAME, _ICMP6_NAME = _names("TCP UDP ICMP ICMPv6")


@compiled
def _fields(text: Bytes, at: int, row: Integers) -> int:
    """Read the fields from ``IN=`` on and give where they end; -1 where something lacks or is unusual."""
    # Behind IN= stands the interface that the packet came in by.
    inside = text[at + 3] > _BLANK
    outside = -1
    reserved = urgent = False
    flags = 0
    while text[at] != _NEWLINE and text[at] != _RETURN:
        if text[at] == _BLANK:
            at += 1
            continue
        close, name = at, 0
        while _KIND[text[close]] == _WORD:
            name = name * 256 + int(text[close])
            close += 1
        if close - at > _NAMED_MOST:
            name = 0
        if _KIND[text[close]] == _STOP:
            if reserved and not urgent:
                flags |= _flag(name)
            elif name not in (_DF, _CE, _MF):
                # A fragment's offset, a flag out of its place, a word that was cut.
                return -1
            at = close
            continue
        value = close + 1
        while _KIND[text[close]] & 1 == 0:
            close += 1
        if _KIND[text[close]] == _UNUSUAL:
            return -1
        if name in (_SRC, _DST):
            if not _address(text, value, close, row, SOURCE if name == _SRC else DESTINATION):
                return -1
        elif name == _OUT:
            if outside >= 0:
                return -1
            outside = close > value
        elif name == _URGP:
            urgent = True
        elif name == _RES:
            reserved = True
        elif name == _PROTO:
            row[PROTOCOL] = _protocol(text, value, close) if row[PROTOCOL] == ABSENT else ABSENT
        elif not _numbered(text, name, value, close, row):
            return -1
        at = close
    while text[at] == _RETURN:
        at += 1
    row[FORWARDED] = inside and outside == 1
    row[FLAGS] = flags
    return at if text[at] == _NEWLINE and _whole(row, reserved and urgent) else -1


@compiled
def _flag(name: int) -> int:
    """Give the bit of a TCP flag; none for the flags that are not read."""
    if name == _SYN_FLAG:
        return 1
    if name == _ACK:
        return 2
    if name == _FIN_FLAG:
        return 4
    if name == _RST_FLAG:
        return 8
    if name == _PSH_FLAG:
        return 16
    return 32 if name == _URG_FLAG else 0


@compiled
def _protocol(text: Bytes, at: int, close: int) -> int:
    """Give the number of a protocol that is read here."""
    name = 0
    if close - at <= _NAMED_MOST:
        for place in range(at, close):
            name = name * 256 + int(text[place])
    if name == _TCP_NAME:
        return TCP
    if name == _UDP_NAME:
        return UDP
    if name == _ICMP_NAME:
        return ICMP
    return ICMP6 if name == _ICMP6_NAME else ABSENT


@compiled
def _address(text: Bytes, at: int, close: int, row: Integers, column: int) -> bool:
    """Note an address and its version; false for what is none, a second one, and one of the other version."""
    version = _version(text, at, close)
    if row[column] != ABSENT or version < 0 or (row[VERSION] != ABSENT and row[VERSION] != version):
        return False
    row[column], row[column + 1], row[VERSION] = at, close - at, version
    return True


@compiled
def _numbered(text: Bytes, name: int, at: int, close: int, row: Integers) -> bool:
    """Note a number; false for one that cannot be read as it was meant. Keys that nobody reads are passed over."""
    column = ABSENT
    if name == _LEN:
        # UDP prints its own length after the packet's.
        column = LENGTH if row[LENGTH] == ABSENT else LAST_LENGTH
    elif name in (_SPT, _DPT):
        if text[close] != _BLANK:
            # The kernel writes more after the ports: a number at the very end may have lost digits.
            return False
        column = SOURCE_PORT if name == _SPT else DESTINATION_PORT
    elif name in (_TTL_NAME, _HOPLIMIT):
        column = TTL
    elif name == _ID:
        column = IDENTIFICATION
    elif name == _WINDOW:
        column = WINDOW
    elif name == _SEQ:
        column = SEQ
    elif name == _ACK:
        column = ACK
    elif name == _TYPE:
        column = ICMP_TYPE
    elif name == _CODE:
        column = ICMP_CODE
    if column == ABSENT or (row[column] != ABSENT and column != LAST_LENGTH):
        # Of a key that is written twice the first counts.
        return True
    row[column] = _number(text, at, close)
    return bool(row[column] != ABSENT)


@compiled
def _whole(row: Integers, flagged: bool) -> bool:
    """Say whether a line told all that a packet's line tells."""
    if row[SOURCE] == ABSENT or row[DESTINATION] == ABSENT or row[PROTOCOL] == ABSENT:
        return False
    if row[LENGTH] == ABSENT or row[TTL] == ABSENT:
        return False
    if row[PROTOCOL] >= ICMP:
        return bool(row[ICMP_TYPE] != ABSENT and row[ICMP_CODE] != ABSENT)
    for column in (SOURCE_PORT, DESTINATION_PORT):
        if row[column] < 0 or row[column] > _PORT_MOST:
            return False
    if row[PROTOCOL] == UDP:
        return bool(row[LAST_LENGTH] != ABSENT)
    return bool(row[WINDOW] != ABSENT and flagged)
