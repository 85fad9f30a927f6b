"""Section "index.json": a function of the inventory."""

import hashlib
import re
from collections import Counter

import canonical_json

LONGEST_TAG = 128
LOOKS_CUT = re.compile(r"-[0-9a-f]{12}\Z")
LONGEST_CUT = 115


def write(inventory: dict) -> bytes:
    items = inventory["items"]
    manifests = [
        {
            "annotations": {
                "io.containerd.image.name": item["name"],
                "org.opencontainers.image.ref.name": ref,
            },
            **item["published"],
        }
        for item, ref in zip(items, ref_names([item["name"] for item in items]))
    ]
    listed = set()
    for item in items:
        for piece in item.get("evidence", []):
            if piece["digest"] not in listed:
                listed.add(piece["digest"])
                manifests.append({key: piece[key] for key in ("digest", "mediaType", "size")})
    return canonical_json.write({
        "manifests": manifests,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "schemaVersion": 2,
    })


def ref_names(names: list) -> list:
    """Each name made fit for a tag."""
    plain = [tag_safe(name) for name in names]
    uses = Counter(plain)
    return [
        cut(ref, name) if len(ref) > LONGEST_TAG or uses[ref] > 1 or LOOKS_CUT.search(ref) else ref
        for ref, name in zip(plain, names)
    ]


def tag_safe(name: str) -> str:
    safe = re.sub(rb"[^A-Za-z0-9._-]", b"-", name.encode("utf-8")).decode("ascii")
    return re.sub(r"^[-.]", "_", safe)


def cut(ref: str, name: str) -> str:
    return ref[:LONGEST_CUT] + "-" + hashlib.sha256(name.encode("utf-8")).hexdigest()[:12]
