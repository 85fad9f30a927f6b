"""Archives that are made here: what is laid out, who may sign what. Most rules are held to in cases.py."""

import hashlib
import io
import json
import tempfile
import unittest
from datetime import datetime, timedelta
from pathlib import Path

import airgap_reader
import canonical_json
import index_json
import inventory
import layout
import slot
from archive_writer import Signer, archive, bundle, changed, der, numbers, small, statement
from refusal import Damaged, Untrusted

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
APPROVER = {"role": "security-officer", "verdict": "approved"}


class Inventories(unittest.TestCase):
    def test_there_are_at_most_250000_blobs(self):
        _, good = small()
        many = [{"digest": f"sha256:{number:064x}", "size": 1} for number in range(249_996)]

        def read(content: list):
            inventory.read(canonical_json.write(changed(good, ("content",), content)))

        read(many[:249_995])
        with self.assertRaises(Damaged):
            read(many)


class IndexJson(unittest.TestCase):
    def test_evidence_under_two_names_is_listed_once_and_after_the_items(self):
        _, good = small()
        piece = good["items"][0]["evidence"][0]
        tag = "sha256-" + piece["subject"].removeprefix("sha256:") + ".sig"
        value = changed(good, ("items", 0, "evidence"), [piece, {**piece, "tag": tag}])
        listed = json.loads(index_json.write(value))["manifests"]
        item = good["items"][0]
        annotations = {
            "io.containerd.image.name": item["name"],
            "org.opencontainers.image.ref.name": "registry.example-app-1",
        }
        bare = {key: piece[key] for key in ("digest", "mediaType", "size")}
        self.assertEqual(listed, [{"annotations": annotations, **item["published"]}, bare])


class Signed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.signer = Signer(Path(folder.name))

    def setUp(self):
        self.store, self.good = small()

    def verify(self, data: bytes, evidence_pack: bool = False, role: str = "preparer"):
        return airgap_reader.verify(io.BytesIO(data), self.signer.key, evidence_pack, role)

    def test_a_small_archive_and_its_evidence_pack_verify(self):
        whole = archive(self.signer, self.store, self.good)
        pack = archive(self.signer, self.store, self.good, evidence_pack=True)
        self.assertEqual(self.verify(whole).inventory, self.good)
        self.assertEqual(self.verify(pack, evidence_pack=True).inventory, self.good)

    def test_a_differential_archive_carries_only_some_content(self):
        differential = changed(changed(self.good, ("base",), ONE), ("content", 0, "carried"), False)
        data = archive(self.signer, self.store, differential)
        self.assertEqual(self.verify(data).inventory, differential)
        self.assertNotIn(b"layer" + bytes(507), data)
        # Without carried content the evidence pack lacks nothing but the end.
        self.verify(data[:-len(layout.END)], evidence_pack=True)

    def test_the_mirrored_signature_makes_no_second_form_of_an_archive(self):
        text = canonical_json.write(self.good)
        payload = canonical_json.write(statement(text))
        r, s = numbers(self.signer.sign(slot.authenticated(payload)))
        hint = self.signer.key.hint()
        data = archive(self.signer, self.store, self.good)
        for signature, verifies in ((der(r, s), True), (der(r, slot.P256_ORDER - s), False)):
            other = data[:512] + bundle(payload, signature, hint) + data[512 + slot.SLOT_SIZE:]
            if verifies:
                self.verify(other)
            else:
                with self.assertRaises(Damaged):
                    self.verify(other)

    def test_a_signer_is_judged_by_role_and_clock(self):
        annex = changed(self.good, ("annexOf",), ONE)
        approval = {**APPROVER, "change": "", "policyDigest": ONE, "trustDigest": TWO}
        for value, predicate, role in (
            (annex, {}, "preparer"),
            (annex, {"role": "sovereign-admin"}, "sovereign-admin"),
            (annex, APPROVER, "security-officer"),
            (annex, approval, "security-officer"),
            (self.good, {"signedAt": "2026-11-23T21:30:01Z"}, "preparer"),
        ):
            self.verify(archive(self.signer, self.store, value, **predicate), role=role)
        for value, predicate, role, why in (
            (annex, {"role": "recovery"}, "security-officer", "who signs trust files and no archive"),
            (annex, {}, "security-officer", "a preparer's annex by an approver's key"),
            (self.good, APPROVER, "security-officer", "an archive by an approver"),
        ):
            with self.assertRaises(Untrusted, msg=why):
                self.verify(archive(self.signer, self.store, value, **predicate), role=role)

    def test_a_clock_may_be_five_minutes_ahead(self):
        signed = slot.Statement("", 0, {"role": "preparer", "signedAt": "2026-11-24T08:05:00Z"})
        now = datetime(2026, 11, 24, 8)
        slot.check_signer(signed, self.good, "preparer", now)
        with self.assertRaises(Untrusted):
            slot.check_signer(signed, self.good, "preparer", now - timedelta(seconds=1))

    def test_a_payload_in_another_form_is_refused(self):
        text = canonical_json.write(self.good)
        good = statement(text)
        slot.read_statement(canonical_json.write(good))
        for path, value, why in (
            (("_type",), "https://in-toto.io/Statement/v0.1", "another statement"),
            (("predicateType",), "https://slsa.dev/provenance/v1", "another predicate"),
            (("subject",), [], "no subject"),
            (("subject",), good["subject"] * 2, "two subjects"),
            (("subject", 0, "name"), "inventory.json", "another subject"),
            (("subject", 0, "digest"), {"sha512": "1" * 128}, "another algorithm"),
            (("subject", 0, "digest", "sha256"), hashlib.sha256(text).hexdigest().upper(), "upper case"),
            (("predicate",), None, "no predicate"),
        ):
            with self.assertRaises(Damaged, msg=why):
                slot.read_statement(canonical_json.write(changed(good, path, value)))


if __name__ == "__main__":
    unittest.main()
