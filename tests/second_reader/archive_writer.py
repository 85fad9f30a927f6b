"""Makes archives for the tests of the reader: small ones, and ones that are wrong in one place."""

import base64
import copy
import hashlib
import json
import subprocess
from pathlib import Path

import canonical_json
import layout
import slot

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


class Store:
    """Blobs by digest."""

    def __init__(self):
        self.blobs = {}

    def add(self, data: bytes, media_type: str = LAYER, **more) -> dict:
        """Keeps a blob and gives its descriptor."""
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return {"digest": digest, "mediaType": media_type, "size": len(data), **more}

    def manifest(self, layers: list, config: bytes = b"{}", **more) -> dict:
        value = {"schemaVersion": 2, "config": self.add(config), "layers": layers, **more}
        return self.add(json.dumps(value).encode(), OCI_MANIFEST)

    def index(self, entries: list, **more) -> dict:
        return self.add(json.dumps({"schemaVersion": 2, "manifests": entries, **more}).encode(), OCI_INDEX)

    def inventory(self, items: list, metadata: list, content: list, **more) -> dict:
        """An inventory of these items, with these descriptors or digests as its blobs in this order."""
        def listed(blobs):
            return [{"digest": blob["digest"], "size": blob["size"]} for blob in blobs]

        return {
            "apiVersion": "airgap/v1",
            "content": listed(content),
            "created": "2026-11-23T21:30:00Z",
            "generator": "tests 1",
            "items": items,
            "kind": "Inventory",
            "metadata": listed(metadata),
            "name": "core",
            "serial": 20261123213000,
            **more,
        }


def about(evidence: dict, subject: dict) -> dict:
    """Evidence under the legacy tag of its subject, as signatures have it."""
    tag = f"sha256-{subject['digest'].removeprefix('sha256:')}.sig"
    return {**evidence, "subject": subject["digest"], "tag": tag}


def item(name: str, published: dict, source: dict | None = None, **more) -> dict:
    def bare(descriptor):
        return {key: descriptor[key] for key in ("digest", "mediaType", "size")}

    source = bare(source or published)
    return {"kind": "image", "name": name, "published": bare(published), "source": source, **more}


def small() -> tuple[Store, dict]:
    """A store and the inventory of one image with one layer and one piece of evidence."""
    store = Store()
    layer = store.add(b"layer")
    image = store.manifest([layer], b"config")
    config = store.add(b"config")
    statement = store.add(b"statement")
    evidence = store.manifest([statement])
    empty = store.add(b"{}")
    piece = about(evidence, image)
    items = [item("registry.example/app:1", image, evidence=[piece])]
    return store, store.inventory(items, [image, config, evidence, empty, statement], [layer])


class Signer:
    """A key of its own in a folder."""

    def __init__(self, folder: Path):
        self.private = folder / "private.pem"
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.private)
        self.key = slot.Key(openssl("ec", "-in", self.private, "-pubout").decode("ascii"))

    def sign(self, message: bytes) -> bytes:
        """A signature with low s."""
        r, s = numbers(openssl("dgst", "-sha256", "-sign", self.private, message=message))
        return der(r, min(s, slot.P256_ORDER - s))


def openssl(*arguments, message: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=message, capture_output=True, check=True).stdout


def numbers(signature: bytes) -> tuple[int, int]:
    r, rest = slot.der_integer(signature[2:])
    return r, slot.der_integer(rest)[0]


def der(r: int, s: int) -> bytes:
    encoded = b"".join(
        bytes([2, len(number)]) + number
        for number in (value.to_bytes(value.bit_length() // 8 + 1, "big") for value in (r, s))
    )
    return bytes([0x30, len(encoded)]) + encoded


def bundle(payload: bytes, signature: bytes, hint: bytes) -> bytes:
    """The slot's bytes."""
    text = json.dumps(
        {
            "dsseEnvelope": {
                "payload": base64.b64encode(payload).decode(),
                "payloadType": "application/vnd.in-toto+json",
                "signatures": [{"sig": base64.b64encode(signature).decode()}],
            },
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {"publicKey": {"hint": base64.b64encode(hint).decode()}},
        },
        separators=(",", ":"),
    )
    return text.encode().ljust(slot.SLOT_SIZE, b" ")


def statement(text: bytes, **predicate) -> dict:
    """What is signed about an inventory."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "predicate": {
            "inventorySize": len(text),
            "role": "preparer",
            "signedAt": "2026-11-23T21:30:00Z",
            **predicate,
        },
        "predicateType": "https://airgap.openova.io/archive/v1",
        "subject": [
            {"digest": {"sha256": hashlib.sha256(text).hexdigest()}, "name": "airgap/inventory.json"},
        ],
    }


def archive(signer: Signer, store: Store, inventory: dict, evidence_pack: bool = False, **predicate) -> bytes:
    """A whole archive of the blobs that the inventory says are carried."""
    text = canonical_json.write(inventory)
    written = signed(signer, text, **predicate) + members(store, inventory, text, evidence_pack)
    return written if evidence_pack else written + layout.END


def signed(signer: Signer, text: bytes, **predicate) -> bytes:
    """The slot of an archive whose inventory is this text, with its header."""
    payload = canonical_json.write(statement(text, **predicate))
    signature = signer.sign(slot.authenticated(payload))
    return layout.header(layout.SLOT_PATH, slot.SLOT_SIZE) + bundle(payload, signature, signer.key.hint())


def members(store: Store, inventory: dict, text: bytes, evidence_pack: bool = False) -> bytes:
    """Every member from the inventory on, which is this text."""
    written = bytearray()
    for member in layout.members(inventory, text, evidence_pack):
        content = store.blobs[member.digest] if member.content is None else member.content
        written += member.header() + content + member.padding()
    return bytes(written)


def changed(value: dict, path: tuple, new) -> dict:
    """A copy with one value set, or taken out where `new` is None."""
    result = copy.deepcopy(value)
    place = result
    for step in path[:-1]:
        place = place[step]
    if new is None:
        del place[path[-1]]
    else:
        place[path[-1]] = new
    return result
