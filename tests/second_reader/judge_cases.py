"""Writes every case as an archive and judges it.

    judge_cases.py FOLDER

Writes the archives and `preparer.pub` into a folder, for other readers to judge. Prints a line for each: the exit
status that every reader ends with, the file, the case. Exit status 1 where this reader ends with another.
"""

import sys
from pathlib import Path

import airgap_reader
import cases_inventory
import cases_manifests
import cases_platforms
from archive_writer import Signer, openssl
from cases import SOUND
from refusal import Refusal


def main(folder: Path) -> int:
    signer = Signer(folder)
    openssl("ec", "-in", signer.private, "-pubout", "-out", folder / "preparer.pub")
    wrong = 0
    for number, case in enumerate(all_cases()):
        file = folder / f"{number}.tar"
        file.write_bytes(case.archive(signer))
        print(case.verdict, file.name, case.name, sep="\t", flush=True)
        found, said = judge(file, signer)
        if found != case.verdict:
            wrong += 1
            print(f"{case.name}: found {found}, wanted {case.verdict}: {said}", file=sys.stderr)
    return 1 if wrong else 0


def all_cases() -> list:
    return [*cases_inventory.all_cases(), *cases_manifests.all_cases(), *cases_platforms.all_cases()]


def judge(file: Path, signer: Signer) -> tuple[int, str]:
    with file.open("rb") as opened:
        try:
            airgap_reader.verify(opened, signer.key)
        except Refusal as refusal:
            return refusal.status, str(refusal)
    return SOUND, "sound"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
