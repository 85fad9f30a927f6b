"""Writes a sparse archive with a member whose size does not fit into octal digits: 8 GiB of zeros.

    write_large.py FOLDER

Writes `large.tar` and `preparer.pub` into a folder, and prints path, offset and size of each member.
"""

import sys
from pathlib import Path

import canonical_json
import layout
import slot
from archive_writer import Signer, Store, item, openssl, signed

# The first size that is written in base 256.
LARGE = 8_589_934_592
# head --bytes 8589934592 /dev/zero | sha256sum
ZEROS = "sha256:ebfb4ef19ae410f190327b5ebd312711263bc7579970e87d9c1e2d84e06b3c25"


def main(folder: Path) -> None:
    signer = Signer(folder)
    openssl("ec", "-in", signer.private, "-pubout", "-out", folder / "preparer.pub")
    store = Store()
    config, behind = store.add(b"{}"), store.add(b"behind")
    zeros = {**behind, "digest": ZEROS, "size": LARGE}
    image = store.manifest([zeros, behind])
    inventory = store.inventory([item("registry.example/large:1", image)], [image, config], [zeros, behind])
    text = canonical_json.write(inventory)
    print(layout.SLOT_PATH, 0, slot.SLOT_SIZE)
    with (folder / "large.tar").open("wb") as file:
        file.write(signed(signer, text))
        for member in layout.members(inventory, text, evidence_pack=False):
            file.seek(member.offset)
            file.write(member.header())
            if member.digest != ZEROS:
                file.write(store.blobs[member.digest] if member.content is None else member.content)
            print(member.path, member.offset, member.size)
        file.truncate(member.end() + len(layout.END))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
