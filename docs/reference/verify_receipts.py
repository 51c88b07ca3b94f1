"""Verify Situs receipts: python verify_receipts.py DATA/receipts PUBLIC_KEY.pem"""

import json
import sys
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_public_key


def root(entries):  # RFC 6962, section 2.1
    if len(entries) == 1:
        return sha256(b"\0" + entries[0]).digest()
    split = 1 << ((len(entries) - 1).bit_length() - 1)
    return sha256(b"\1" + root(entries[:split]) + root(entries[split:])).digest()


key = load_pem_public_key(Path(sys.argv[2]).read_bytes())
for chain in sorted(p for p in Path(sys.argv[1]).iterdir() if p.is_dir()):
    prev, seq, segments, known = "0" * 64, 0, {}, {}
    for path in sorted(chain.glob("*.jsonl")):
        digests = segments[int(path.stem)] = []
        for line in path.read_bytes().split(b"\n")[:-1]:  # what follows the last newline is torn
            receipt = json.loads(line)
            here = f"{path}: line {len(digests) + 1}"
            stated = (receipt["chain"], receipt["seq"], receipt["prev"])
            stated == (chain.name, seq, prev) or sys.exit(here)
            if receipt["type"] == "checkpoint":
                first, size, found = receipt["first"], receipt["size"], receipt["root"]
                root(segments[first][:size]).hex() == found or sys.exit(here)
                signed = f"situs receipts checkpoint v1\n{chain.name}\n{first}\n{size}\n{found}\n"
                key.verify(bytes.fromhex(receipt["signature"]), signed.encode())
            digests.append(sha256(line).digest())
            prev, seq = digests[-1].hex(), seq + 1
            known[receipt["seq"]] = line
    head = (chain / "head.json").read_bytes().rstrip(b"\n")
    known[json.loads(head)["seq"]] == head or sys.exit(f"{chain}: the end is missing")
    print(chain.name, seq, "lines hold")
