"""The golden archive and everything that may happen to its bytes, and vectors of the smaller sections."""

import functools
import io
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import airgap_reader
import canonical_json
import index_json
import inventory
import layout
import slot
from archive_writer import bundle, der, numbers
from refusal import Damaged, Refusal, Untrusted

HERE = Path(__file__).parent
GOLDEN = HERE.parents[1] / "fixtures/data/archive/core-20261123213000.tar"
PREPARER = GOLDEN.with_name("preparer.pub")
IDENTITY = "sha256:5e7b53ce2cf7dcec7ed2c047012402ab3ba6f02ac8907c9b5b05cdb628f0b423"

OTHER_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEktx3Dn4m+p5bmvKimeDpycyiyQJR
ZHEbHqoNH6R07KOANyXTC9hHNQWapKuJf65NmyzmBTYNqnFVKqdDGpH1Fw==
-----END PUBLIC KEY-----
"""

archive = GOLDEN.read_bytes()
key = slot.Key(PREPARER.read_text())


def verify(data: bytes, evidence_pack: bool = False) -> airgap_reader.Archive:
    return airgap_reader.verify(io.BytesIO(data), key, evidence_pack)


def run(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-B", HERE / "airgap_reader.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def evidence_pack() -> bytes:
    """The golden archive, cut before its first content."""
    at = archive.index(b"blobs/sha256/31b1bea262a65f3b89522e134cef5e65962a5c1727666859ef2448fd439ccccf\0")
    return archive[:at]


class TheGoldenArchive(unittest.TestCase):
    def setUp(self):
        # Most changes leave the signature and the inventory alone: judging the same bytes once is enough.
        for module, name in ((slot, "openssl_verifies"), (inventory, "read")):
            patch = mock.patch.object(module, name, functools.lru_cache(maxsize=None)(getattr(module, name)))
            patch.start()
            self.addCleanup(patch.stop)

    def assert_refused(self, data: bytes, why: str, evidence_pack: bool = False):
        with self.assertRaises(Refusal, msg=why):
            verify(data, evidence_pack)

    def test_it_verifies_and_says_what_it_is(self):
        ended = run(GOLDEN, "--key", PREPARER)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        lines = ended.stdout.splitlines()
        self.assertEqual(lines[:3], [f"identity {IDENTITY}", "name core", "serial 20261123213000"])
        names = [line.split()[2] for line in lines[3:]]
        self.assertEqual(names, [f"registry.example/{name}" for name in ("app:1", "multi:3", "other:2")])

    def test_the_exit_status_tells_damage_from_an_unknown_key(self):
        with tempfile.TemporaryDirectory() as folder:
            other, cut = Path(folder, "other.pub"), Path(folder, "cut.tar")
            other.write_text(OTHER_KEY)
            cut.write_bytes(archive[:-1])
            self.assertEqual(run(GOLDEN, "--key", other).returncode, 3)
            self.assertEqual(run(cut, "--key", PREPARER).returncode, 4)
            self.assertEqual(run(cut, "--key", cut).returncode, 1)
            self.assertEqual(run(cut).returncode, 1)

    def test_every_changed_byte_is_refused(self):
        changed = bytearray(archive)
        for position in range(len(archive)):
            # In the long runs of spaces, zeros and content every fifth byte stands for its neighbours.
            if archive[position:position + 8] == archive[position:position + 1] * 8 and position % 5 != 0:
                continue
            for flip in (0x01, 0x80):
                changed[position] ^= flip
                self.assert_refused(changed, f"byte {position} changed by {flip:#x}")
                changed[position] ^= flip
        self.assertEqual(bytes(changed), archive)

    def test_a_cut_or_longer_file_is_refused(self):
        lengths = {*range(0, len(archive), 397), *range(0, len(archive), 512)}
        lengths |= {length + 1 for length in range(0, len(archive), 512)}
        lengths |= {length - 1 for length in range(512, len(archive) + 1, 512)}
        for length in sorted(lengths):
            self.assert_refused(archive[:length], f"{length} bytes")
        for more in (b"\0", bytes(512), bytes(1024), b"\n", archive):
            self.assert_refused(archive + more, f"{len(more)} bytes appended")

    def test_moved_and_repeated_blocks_are_refused(self):
        for at in range(0, len(archive) - 512, 512):
            before, one, two = archive[:at], archive[at:at + 512], archive[at + 512:at + 1024]
            if one != two:
                self.assert_refused(before + two + one + archive[at + 1024:], f"blocks at {at} exchanged")
            self.assert_refused(before + one + archive[at:], f"block at {at} twice")

    def test_an_evidence_pack_verifies_as_one_and_as_nothing_else(self):
        pack = evidence_pack()
        self.assertEqual(verify(pack, evidence_pack=True).identity, IDENTITY)
        self.assert_refused(pack, "a pack is no archive")
        self.assert_refused(archive, "an archive is no pack", evidence_pack=True)
        for length in range(0, len(pack), 997):
            self.assert_refused(pack[:length], f"a pack of {length} bytes", evidence_pack=True)
        self.assert_refused(pack + bytes(1024), "a pack with an end", evidence_pack=True)

    def test_every_changed_byte_of_an_evidence_pack_is_refused(self):
        pack = evidence_pack()
        changed = bytearray(pack)
        for position in range(0, len(pack), 31):
            changed[position] ^= 0x04
            self.assert_refused(changed, f"byte {position}", evidence_pack=True)
            changed[position] ^= 0x04


class TheSlot(unittest.TestCase):
    def setUp(self):
        self.held = slot.read(archive[512:512 + slot.SLOT_SIZE])

    def test_the_mirrored_signature_verifies_mathematically_and_is_refused(self):
        r, s = numbers(self.held.signature)
        mirrored = der(r, slot.P256_ORDER - s)
        message = slot.authenticated(self.held.payload)
        self.assertTrue(slot.openssl_verifies(key.der, message, self.held.signature))
        self.assertTrue(slot.openssl_verifies(key.der, message, mirrored))
        slot.check_spelling(self.held.signature)
        with self.assertRaises(Damaged):
            slot.check_spelling(mirrored)

    def test_only_the_shortest_der_of_numbers_in_range_is_a_signature(self):
        half = slot.P256_ORDER // 2
        for r, s in ((1, 1), (slot.P256_ORDER - 1, half), (0x7F, 0x80)):
            slot.check_spelling(der(r, s))
        for signature, why in (
            (der(0, 1), "r is 0"),
            (der(1, 0), "s is 0"),
            (der(slot.P256_ORDER, 1), "r is the order"),
            (der(1, half + 1), "s is above half of the order"),
            (der(1, 2**264), "s is too long"),
            (b"", "nothing"),
            (b"\x30", "a tag alone"),
            (bytes.fromhex("3006020101020101") + b"\0", "a byte behind"),
            (bytes.fromhex("300702010102010100"), "a byte inside"),
            (bytes.fromhex("308106020101020101"), "a long length"),
            (bytes.fromhex("30080202000102020001"), "leading zeros"),
            (bytes.fromhex("3006020181020101"), "a negative r"),
            (bytes.fromhex("3005020102 0100"), "an empty s"),
            (bytes.fromhex("3003020101"), "one number"),
            (bytes.fromhex("3106020101020101"), "a set"),
            (bytes.fromhex("3006030101020101"), "no integer"),
            (bytes.fromhex("3009020101020101020101"), "three numbers"),
        ):
            with self.assertRaises(Damaged, msg=why):
                slot.check_spelling(signature)

    def test_only_one_form_of_a_bundle_is_read(self):
        good = bundle(self.held.payload, self.held.signature, self.held.hint)
        self.assertEqual(good, archive[512:512 + slot.SLOT_SIZE])
        text = good.rstrip()
        short = bundle(self.held.payload, self.held.signature, self.held.hint[:31]).rstrip()
        for other, why in (
            (b" " + text, "a space before it"),
            (text.replace(b'":"', b'": "', 1), "white space"),
            (text + b"\n", "a line feed in the padding"),
            (text.replace(b'"sig":"', b'"keyid":"","sig":"'), "a key more"),
            (text.replace(b'dh4="', b'dh4"'), "base64 without padding"),
            (text.replace(b'dh4="', b'dh5="'), "base64 with unused bits"),
            (text.replace(b"RwtxWo+q", b"RwtxWo-q"), "base64 for addresses"),
            (short, "a hint of 31 bytes"),
            (text.replace(b"v0.3", b"v0.2"), "another version"),
        ):
            self.assertNotEqual(other, text, why)
            with self.assertRaises(Damaged, msg=why):
                slot.read(other.ljust(slot.SLOT_SIZE, b" "))

    def test_an_unknown_signer_is_told_apart_from_damage(self):
        with self.assertRaises(Untrusted):
            slot.check_key(self.held, slot.Key(OTHER_KEY))

    def test_the_hint_is_the_digest_of_the_key(self):
        self.assertEqual(self.held.hint, key.hint())

    def test_the_signed_bytes_are_those_of_dsse(self):
        self.assertEqual(slot.authenticated(b"{}"), b"DSSEv1 28 application/vnd.in-toto+json 2 {}")


class Headers(unittest.TestCase):
    def test_sizes_are_octal_up_to_eight_gibibytes_and_binary_from_there_on(self):
        for size, field in (
            (0, b"00000000000\0"),
            (511, b"00000000777\0"),
            (8_589_934_591, b"77777777777\0"),
            (8_589_934_592, bytes.fromhex("80000000 0000000200000000")),
            (2**53 - 1, bytes.fromhex("80000000 001fffffffffffff")),
        ):
            self.assertEqual(layout.size_field(size), field)
            self.assertEqual(len(field), 12)

    def test_checksums_are_those_of_the_worked_example(self):
        empty = "blobs/sha256/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        for path, size, checksum in (
            (layout.SLOT_PATH, 16_384, b"015257\0 "),
            (layout.INVENTORY_PATH, 0o5475, b"013442\0 "),
            ("index.json", 0o2106, b"011235\0 "),
            (empty, 0, b"021764\0 "),
        ):
            self.assertEqual(layout.header(path, size)[148:156], checksum, path)

    def test_sixteen_kibibytes_of_slot_put_the_inventory_at_16896(self):
        self.assertEqual(layout.INVENTORY_AT, 16_896)


class RefNames(unittest.TestCase):
    def test_names_become_tags(self):
        for name, ref in (
            ("registry.example/app:1", "registry.example-app-1"),
            ("docker.io/library/nginx:1", "docker.io-library-nginx-1"),
            ("localhost:5000/a_b/c@sha256:" + "0" * 64, "localhost-5000-a_b-c-sha256-" + "0" * 64),
            ("[::1]:5000/a:1", "_--1--5000-a-1"),
            (".a", "_a"),
            ("--a", "_-a"),
            ("é", "_-"),
        ):
            self.assertEqual(index_json.ref_names([name]), [ref])

    def test_long_names_are_cut_and_told_apart_by_their_digest(self):
        kept = "a" * 128
        self.assertEqual(index_json.ref_names([kept]), [kept])
        # printf 'a%.0s' $(seq 129) | sha256sum
        self.assertEqual(index_json.ref_names(["a" * 129]), ["a" * 115 + "-c12cb024a2e5"])

    def test_names_that_come_to_the_same_tag_are_all_told_apart(self):
        names = ["r.example/a/b:1", "r.example/a-b:1", "r.example/c:1"]
        refs = index_json.ref_names(names)
        # printf r.example/a/b:1 | sha256sum; printf r.example/a-b:1 | sha256sum
        wanted = ["r.example-a-b-1-f7986410d046", "r.example-a-b-1-cfdb47fd8474", "r.example-c-1"]
        self.assertEqual(refs, wanted)
        self.assertEqual(index_json.ref_names(names[::-1]), refs[::-1])


class CanonicalJson(unittest.TestCase):
    def test_the_one_spelling_is_read(self):
        for text in (
            "{}",
            '{"a":[0,9007199254740991,true,false],"b":{"B":"","a":"x"}}',
            '{"a":"\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\x7f/\u00e9\u2028\U0001f600"}',
            "[" * 64 + "]" * 64,
        ):
            self.assertEqual(canonical_json.write(canonical_json.parse(text.encode(), "test")), text.encode())

    def test_every_other_spelling_is_refused(self):
        for text, why in (
            ("", "nothing"),
            ("{} ", "white space behind"),
            ("{}{}", "something behind"),
            ('{"a": 1}', "white space inside"),
            ('{"b":1,"a":1}', "keys in another order"),
            ('{"a":1,"a":1}', "a key twice"),
            ('{"a":1,"\\u0061":1}', "a key twice, spelled differently"),
            ('{"\u00e9":1}', "a key that is not ASCII"),
            ('{"\\n":1}', "a key that is not printable"),
            ('"\\/"', "an escape that is not needed"),
            ('"\\u00e9"', "an escape that is not needed"),
            ('"\\u001F"', "an escape in upper case"),
            ('"\\u000a"', "an escape that could be shorter"),
            ('"\\ud800"', "half of a surrogate pair"),
            ('"\n"', "a control character"),
            ("01", "a leading zero"),
            ("-0", "minus zero"),
            ("-1", "a negative number"),
            ("1.0", "a fraction"),
            ("1e2", "an exponent"),
            ("9007199254740992", "2^53"),
            ("9" * 5000, "a very long number"),
            ("NaN", "no number"),
            ("null", "null"),
            ("[" * 65 + "]" * 65, "too many levels"),
            ("[" * 200_000 + "]" * 200_000, "very many levels"),
            ("\ufeff{}", "a byte order mark"),
        ):
            with self.assertRaises(Damaged, msg=why):
                canonical_json.parse(text.encode(), "test")
        for data in (b'"\xff"', b'"\xed\xa0\x80"', "{}".encode("utf-16"), b'"\xc0\x80"'):
            with self.assertRaises(Damaged, msg="no UTF-8"):
                canonical_json.parse(data, "test")

    def test_the_golden_inventory_comes_out_as_it_went_in(self):
        at = layout.INVENTORY_AT + layout.BLOCK
        text = archive[at:at + 0o5475]
        self.assertEqual(canonical_json.write(inventory.read(text)), text)


if __name__ == "__main__":
    unittest.main()
