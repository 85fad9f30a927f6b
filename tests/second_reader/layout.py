"""Section "The file": what stands where. All of it follows from the inventory."""

from dataclasses import dataclass

import index_json
from inventory import carried
from slot import SLOT_SIZE

BLOCK = 512
END = bytes(1_024)
OCI_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'

SLOT_PATH = "airgap/inventory.sigstore.json"
INVENTORY_PATH = "airgap/inventory.json"
# The slot and its header come before it in every archive.
INVENTORY_AT = BLOCK + SLOT_SIZE


@dataclass(frozen=True)
class Member:
    """A member at `offset`, where its header stands. Its content is known here or known by its digest."""

    path: str
    offset: int
    size: int
    content: bytes | None = None
    digest: str | None = None

    def header(self) -> bytes:
        return header(self.path, self.size)

    def content_at(self) -> int:
        return self.offset + BLOCK

    def padding(self) -> bytes:
        return bytes(-self.size % BLOCK)

    def end(self) -> int:
        return self.content_at() + self.size + len(self.padding())


def header(path: str, size: int) -> bytes:
    """A header, which is a function of path and size."""
    block = bytearray(BLOCK)
    put(block, 0, path.encode("ascii"))
    put(block, 100, b"0000644")
    put(block, 108, b"0000000")
    put(block, 116, b"0000000")
    put(block, 124, size_field(size))
    put(block, 136, b"02263523000")
    put(block, 148, b" " * 8)
    put(block, 156, b"0")
    put(block, 257, b"ustar\x0000")
    put(block, 329, b"0000000")
    put(block, 337, b"0000000")
    put(block, 148, b"%06o\0 " % sum(block))
    return bytes(block)


def put(block: bytearray, offset: int, data: bytes) -> None:
    block[offset:offset + len(data)] = data


def size_field(size: int) -> bytes:
    if size < 8_589_934_592:
        return b"%011o\0" % size
    return b"\x80\0\0\0" + size.to_bytes(8, "big")


def members(inventory: dict, inventory_text: bytes, evidence_pack: bool) -> list:
    """Each member behind the slot, in the order of the file. An evidence pack has no content."""
    known = [
        (INVENTORY_PATH, inventory_text),
        ("oci-layout", OCI_LAYOUT),
        ("index.json", index_json.write(inventory)),
    ]
    listed = [Member(path, 0, len(content), content=content) for path, content in known]
    blobs = inventory["metadata"] + ([] if evidence_pack else inventory["content"])
    for blob in filter(carried, blobs):
        path = "blobs/sha256/" + blob["digest"].removeprefix("sha256:")
        listed.append(Member(path, 0, blob["size"], digest=blob["digest"]))
    return placed(listed)


def placed(listed: list) -> list:
    """The same members without gaps, from the inventory's header on."""
    at, found = INVENTORY_AT, []
    for member in listed:
        found.append(Member(member.path, at, member.size, member.content, member.digest))
        at = found[-1].end()
    return found
