"""Archives under a good signature that both readers judge: sound ones, and ones that break one rule of the page."""

from dataclasses import dataclass, field

import canonical_json
import layout
from archive_writer import Signer, Store, changed, members, signed, small
from refusal import Damaged, OtherVersion, Untrusted

SOUND = 0
OTHER_VERSION = OtherVersion.status
REFUSED = Untrusted.status
DAMAGED = Damaged.status


@dataclass(frozen=True)
class Case:
    """An archive and the exit status that every reader ends with."""

    name: str
    verdict: int
    store: Store
    # The rest of the file follows from it.
    inventory: dict
    # The inventory's bytes.
    text: bytes
    predicate: dict = field(default_factory=dict)

    def archive(self, signer: Signer) -> bytes:
        head = signed(signer, self.text, **self.predicate)
        return head + members(self.store, self.inventory, self.text) + layout.END


def of(name: str, verdict: int, store: Store, inventory: dict, predicate: dict | None = None) -> Case:
    """A case with an inventory that can be laid out, whatever rule it breaks."""
    return Case(name, verdict, store, inventory, canonical_json.write(inventory), predicate or {})


def spelled(name: str, verdict: int, text: str | bytes) -> Case:
    """The small archive with another text for its inventory."""
    store, good = small()
    return Case(name, verdict, store, good, text.encode() if isinstance(text, str) else text)


def changes(verdict: int, *rows) -> list:
    """The small archive with one value changed, for each (path, value, name)."""
    return [one_change(verdict, *row) for row in rows]


def one_change(verdict: int, path: tuple, value, name: str) -> Case:
    store, good = small()
    inventory = changed(good, path, value)
    try:
        members(store, inventory, b"")
    except (AttributeError, KeyError, TypeError):
        # Nothing can be laid out by it.
        return Case(name, verdict, store, good, canonical_json.write(inventory))
    return of(name, verdict, store, inventory)
