"""Why an archive is refused. The exit statuses are those of this reader, not of the format."""


class Refusal(Exception):
    """An archive that is not accepted. `status` is the exit status that says so."""

    status: int


class Damaged(Refusal):
    """The bytes are not what the page prescribes."""

    status = 4


class Untrusted(Refusal):
    """Signed, but by a key that was not given, in another role than it was given for, or at a time that cannot be."""

    status = 3


class OtherVersion(Refusal):
    """Well signed, and written after another version of the page."""

    status = 2


def shown(value: object) -> str:
    """Text from outside, made safe to print: ASCII, on one line, at most 80 characters."""
    text = ascii(value)
    return text if len(text) <= 80 else text[:77] + "..."


def require(condition: bool, what: str) -> None:
    """Refuses an archive as damaged, saying what was found and wanted, unless the condition holds."""
    if not condition:
        raise Damaged(what)
