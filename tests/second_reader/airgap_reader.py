"""A second reader of Airgap archives, written from the page docs/format.md alone.

    airgap_reader.py ARCHIVE --key PUBLIC-KEY [--role ROLE] [--evidence-pack]

Prints what the archive is. It exists to show that the page says enough, and to notice when the programs and
the page part ways. The modules are the page's sections: layout, slot, canonical_json, inventory, references,
walk, manifest, platforms, index_json; this one is the list of steps at the end of section "The slot".

Exit status: 0 verified, 1 no such file or no such key, 2 another version of the format, 3 signed by another key, in
another role or at a time that cannot be, 4 damaged.
"""

import argparse
import hashlib
import os
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

import inventory as inventories
import layout
import slot
import walk
from refusal import Refusal, require

# Content is read in pieces of this size and never held.
PIECE = 1 << 20


@dataclass(frozen=True)
class Archive:
    """A verified archive."""

    identity: str
    inventory: dict
    statement: slot.Statement


def verify(file: BinaryIO, key: slot.Key, evidence_pack: bool = False, role: str = "preparer") -> Archive:
    """Does all steps, or raises a Refusal. Nothing of the inventory is looked at before step 4."""
    statement = verify_slot(file, key)
    text = verify_inventory_bytes(file, statement)
    inventory = inventories.read(text)
    members = layout.members(inventory, text, evidence_pack)
    verify_rest(file, members, evidence_pack)
    walk.check(inventory, Blobs(file, members).read)
    slot.check_signer(statement, inventory, role, datetime.now(timezone.utc).replace(tzinfo=None))
    return Archive("sha256:" + statement.inventory_digest, inventory, statement)


def verify_slot(file: BinaryIO, key: slot.Key) -> slot.Statement:
    """Steps 1 to 4."""
    compare(file, 0, layout.header(layout.SLOT_PATH, slot.SLOT_SIZE), "the slot's header")
    bundle = slot.read(read_at(file, layout.BLOCK, slot.SLOT_SIZE, "the slot"))
    slot.check_key(bundle, key)
    slot.check_signature(bundle, key)
    return slot.read_statement(bundle.payload)


def verify_inventory_bytes(file: BinaryIO, statement: slot.Statement) -> bytes:
    """Step 5."""
    size = statement.inventory_size
    compare(file, layout.INVENTORY_AT, layout.header(layout.INVENTORY_PATH, size), "the inventory's header")
    text = read_at(file, layout.INVENTORY_AT + layout.BLOCK, size, "the inventory")
    found = hashlib.sha256(text).hexdigest()
    require(found == statement.inventory_digest,
            f"the inventory: found digest {found}, wanted {statement.inventory_digest}")
    return text


def verify_rest(file: BinaryIO, members: list, evidence_pack: bool) -> None:
    """Step 7: the size of the file, then every byte behind the slot."""
    end = b"" if evidence_pack else layout.END
    wanted = members[-1].end() + len(end)
    found = file.seek(0, os.SEEK_END)
    require(found == wanted, f"the file: found {found} bytes, wanted {wanted}")
    for member in members:
        compare(file, member.offset, member.header(), f"the header of {member.path}")
        if member.content is not None:
            compare(file, member.content_at(), member.content, member.path)
        else:
            compare_digest(file, member)
        compare(file, member.content_at() + member.size, member.padding(), f"the padding of {member.path}")
    compare(file, members[-1].end(), end, "the end of the file")


class Blobs:
    """Access to blobs by digest. What is read is compared again, as the file may have changed meanwhile."""

    def __init__(self, file: BinaryIO, members: list):
        self.file = file
        self.members = {member.digest: member for member in members if member.digest is not None}

    def read(self, digest: str) -> bytes:
        member = self.members[digest]
        data = read_at(self.file, member.content_at(), member.size, member.path)
        found = "sha256:" + hashlib.sha256(data).hexdigest()
        require(found == digest, f"{digest}: found other bytes than before")
        return data


def read_at(file: BinaryIO, offset: int, size: int, what: str) -> bytes:
    file.seek(offset)
    data = file.read(size)
    require(len(data) == size, f"{what}: found {len(data)} bytes before the end of the file, wanted {size}")
    return data


def compare(file: BinaryIO, offset: int, wanted: bytes, what: str) -> None:
    require(read_at(file, offset, len(wanted), what) == wanted, f"{what}: found other bytes than prescribed")


def compare_digest(file: BinaryIO, member: layout.Member) -> None:
    state = hashlib.sha256()
    offset, rest = member.content_at(), member.size
    while rest > 0:
        data = read_at(file, offset, min(rest, PIECE), member.path)
        state.update(data)
        offset, rest = offset + len(data), rest - len(data)
    found = "sha256:" + state.hexdigest()
    require(found == member.digest, f"{member.path}: found digest {found}")


def describe(archive: Archive) -> str:
    inventory = archive.inventory
    lines = [f"identity {archive.identity}", f"name {inventory['name']}", f"serial {inventory['serial']}"]
    for item in inventory["items"]:
        evidence = len(item.get("evidence", []))
        lines.append(f"item {item['kind']} {item['name']} {item['published']['digest']} evidence {evidence}")
    return "\n".join(lines)


class Arguments(argparse.ArgumentParser):
    def error(self, message):
        # argparse would exit with 2, which here means another version of the format.
        self.exit(1, f"{self.prog}: {message}\n")


def main() -> int:
    arguments = Arguments(description="Verifies an Airgap archive.")
    arguments.add_argument("archive", type=Path)
    arguments.add_argument("--key", type=Path, required=True, help="the signer's public key in PEM")
    arguments.add_argument("--role", default="preparer", choices=("preparer", *slot.APPROVERS),
                           help="what the key is trusted for")
    arguments.add_argument("--evidence-pack", action="store_true", help="it is cut before its content")
    given = arguments.parse_args()
    try:
        key = slot.Key(given.key.read_text("ascii"))
        with given.archive.open("rb") as file:
            archive = verify(file, key, given.evidence_pack, given.role)
    except Refusal as refusal:
        print(f"refused: {refusal}", file=sys.stderr)
        return refusal.status
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(describe(archive))
    return 0


if __name__ == "__main__":
    sys.exit(main())
