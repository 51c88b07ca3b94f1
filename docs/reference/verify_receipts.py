"""Verify Situs receipts: python verify_receipts.py DATA/receipts FIRST_PUBLIC_KEY.pem"""

import json
import sys
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key


def root(entries):  # RFC 6962, section 2.1
    if len(entries) == 1:
        return sha256(b"\0" + entries[0]).digest()
    split = 1 << ((len(entries) - 1).bit_length() - 1)
    return sha256(b"\1" + root(entries[:split]) + root(entries[split:])).digest()


def trust(key):
    keys[sha256(key.public_bytes_raw()).hexdigest()[:16]] = key


def follow(rotations):  # each new key is named by the one before it
    for one in (one for one in rotations if one["old"] in keys):
        text = "situs receipts rotation v1\n{old}\n{public_key}\n{at}\n".format(**one)
        keys[one["old"]].verify(bytes.fromhex(one["signature"]), text.encode())
        trust(Ed25519PublicKey.from_public_bytes(bytes.fromhex(one["public_key"])))


keys, known, retired, cited = {}, {}, {}, []
trust(load_pem_public_key(Path(sys.argv[2]).read_bytes()))
for chain in sorted(p for p in Path(sys.argv[1]).iterdir() if p.is_dir() and p.name[0] != "."):
    if not any(chain.iterdir()):  # no chain; one that was emptied is cited
        continue
    prev, seq, segments = "0" * 64, 0, {}
    for path in sorted((*chain.glob("*.jsonl"), *chain.glob("*.root"))):
        first = int(path.stem)
        if path.suffix == ".root" and first not in segments:  # else the segment is here still
            stated, _, signature = path.read_bytes().rpartition(b',"signature":"')
            gone = json.loads(stated + b"}")
            follow(gone.get("rotations", []))
            signature = bytes.fromhex(signature[:128].decode())
            keys[gone["key"]].verify(signature, b"situs receipts root v1\n" + stated)
            found = (gone["chain"], gone["first"], gone["prev"])
            found == (chain.name, seq, prev) or sys.exit(f"{path}: does not fit")
            prev, seq = gone["last"], seq + gone["lines"]
            segments[first], retired[chain.name] = (gone["lines"], gone["root"]), seq
            cited += gone["cites"]
        for line in path.read_bytes().split(b"\n")[:-1] if path.suffix == ".jsonl" else ():
            digests = segments.setdefault(first, [])  # what follows the last newline is torn
            receipt = json.loads(line)
            here = f"{path}: line {len(digests) + 1}"
            stated = (receipt["chain"], receipt["seq"], receipt["prev"])
            stated == (chain.name, seq, prev) or sys.exit(here)
            follow(receipt.get("rotations", []))
            if receipt["type"] == "checkpoint":
                of, size, found = receipt["first"], receipt["size"], receipt["root"]
                tree = segments[of]
                tree = tree if isinstance(tree, tuple) else (size, root(tree[:size]).hex())
                tree == (size, found) or sys.exit(here)
                signed = f"situs receipts checkpoint v1\n{chain.name}\n{of}\n{size}\n{found}\n"
                keys[receipt["key"]].verify(bytes.fromhex(receipt["signature"]), signed.encode())
            cited += receipt.get("previous", []) + receipt.get("heads", [])
            digests.append(sha256(line).digest())
            prev, seq = digests[-1].hex(), seq + 1
            known[chain.name, receipt["seq"]] = prev
    head = (chain / "head.json").read_bytes().rstrip(b"\n")
    cited.append({**json.loads(head), "chain": chain.name, "digest": sha256(head).hexdigest()})
    print(chain.name, seq, "lines hold")
for line in cited:
    name, seq = line["chain"], line["seq"]
    here = seq < retired.get(name, 0) or known.get((name, seq)) == line["digest"]
    here or sys.exit(f"{name}: line {seq} is cited, but it is not here")
