"""Section "The walk": which blobs the items need, and in which order."""

from collections import defaultdict
from typing import Callable

import manifest
import platforms
from refusal import require

MOST_INDEXES_ABOVE = 4

METADATA, CONTENT = "metadata", "content"

HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
HELM_PROVENANCE = "application/vnd.cncf.helm.chart.provenance.v1.prov"


def check(inventory: dict, blob: Callable[[str], bytes]) -> None:
    """Step 8: walks the items and compares the result with `metadata` and `content`.

    `blob` gives the verified bytes of a metadata blob; one manifest is in memory for each level of nesting.
    """
    walk = Walk(inventory, blob)
    for item in inventory["items"]:
        walk.item(item)
    for role in (METADATA, CONTENT):
        found = [one["digest"] for one in inventory[role]]
        wanted = [digest for digest, placed in walk.placed.items() if placed == role]
        require(found == wanted, f"{role}: found other blobs, or another order, than the items have")


class Walk:
    def __init__(self, inventory: dict, blob: Callable[[str], bytes]):
        self.blob = blob
        self.sizes = {one["digest"]: one["size"] for one in inventory[METADATA] + inventory[CONTENT]}
        self.metadata = {one["digest"] for one in inventory[METADATA]}
        # In order of first use. The value is the role.
        self.placed: dict[str, str] = {}
        # What was walked before: without this, indexes that name one another many times take for ever.
        self.walked: set[tuple] = set()
        self.children: dict[str, list] = {}

    def item(self, item: dict) -> None:
        source, published = item["source"], item["published"]
        if source["digest"] != published["digest"]:
            self.place(source, METADATA)
            platforms.check(item, self.read(source))
        self.manifest(published, CONTENT, 0)
        for piece in item.get("evidence", []):
            self.manifest(piece, METADATA, 0)
            self.referrer(piece)
        self.connected(item)

    def referrer(self, piece: dict) -> None:
        """Evidence without a legacy tag says itself what it is about."""
        if "tag" in piece:
            return
        found = manifest.read(self.read(piece), piece["mediaType"], piece["digest"]).subject
        digest = found["digest"] if found else None
        require(digest == piece["subject"], f"{piece['digest']}: found it about {digest}, wanted {piece['subject']}")

    def connected(self, item: dict) -> None:
        """Evidence is about the source, the published manifest, connected evidence, or a part of the latter two."""
        source, evidence = item["source"]["digest"], item.get("evidence", [])
        about = defaultdict(list)
        for piece in evidence:
            about[piece["subject"]].append(piece["digest"])
        known: set[str] = set()
        rest = [item["published"]["digest"], *about[source]]
        while rest:
            digest = rest.pop()
            if digest not in known:
                known.add(digest)
                rest.extend(self.children.get(digest, []) + about[digest])
        for piece in evidence:
            require(piece["subject"] in known or piece["subject"] == source,
                    f"{item['name']}: found evidence about {piece['subject']}, wanted it about the item")

    def manifest(self, descriptor: dict, layers: str, above: int) -> None:
        """Places a manifest or index, which has so many indexes above, and what it needs, its layers as `layers`."""
        digest, media_type = descriptor["digest"], descriptor["mediaType"]
        require(above <= MOST_INDEXES_ABOVE,
                f"{digest}: found it below {above} indexes, wanted at most {MOST_INDEXES_ABOVE}")
        self.place(descriptor, METADATA)
        if (digest, media_type, layers, above) in self.walked:
            return
        self.walked.add((digest, media_type, layers, above))
        found = manifest.read(self.read(descriptor), media_type, digest)
        if found.config is not None:
            self.place(found.config, METADATA)
            is_chart = found.config["mediaType"] == HELM_CONFIG
            for layer in found.layers:
                is_provenance = is_chart and layer["mediaType"] == HELM_PROVENANCE
                self.place(layer, METADATA if is_provenance else layers)
            return
        below = [entry for entry in found.entries if manifest.is_manifest(entry["mediaType"])]
        self.children[digest] = [entry["digest"] for entry in below]
        for entry in found.entries:
            if manifest.is_manifest(entry["mediaType"]):
                self.manifest(entry, layers, above + 1)
            else:
                self.place(entry, layers)

    def place(self, descriptor: dict, role: str) -> None:
        """A blob that is met as metadata anywhere is metadata, at the place of its first use of any kind."""
        digest, size = descriptor["digest"], descriptor["size"]
        # Refused at once, so that a walk never meets more blobs than the inventory lists.
        known = self.sizes.get(digest)
        require(known == size, f"{digest}: found {size} bytes in a descriptor and {known} in the inventory")
        if role == METADATA or digest not in self.placed:
            self.placed[digest] = role

    def read(self, descriptor: dict) -> bytes:
        digest = descriptor["digest"]
        require(digest in self.metadata, f"{digest}: found a manifest in content, wanted it in metadata")
        return self.blob(digest)
