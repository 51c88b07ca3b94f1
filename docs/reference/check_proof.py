"""Check a proof of `situs receipts prove`: python check_proof.py PROOF.json PUBLIC_KEY.pem"""

import json
import sys
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

proof = json.loads(Path(sys.argv[1]).read_bytes())
line, checkpoint = json.loads(proof["line"]), json.loads(proof["checkpoint"])
key = load_pem_public_key(Path(sys.argv[2]).read_bytes())
for one in proof["rotations"]:  # each new key is named by the one before it
    if one["old"] == sha256(key.public_bytes_raw()).hexdigest()[:16]:
        text = "situs receipts rotation v1\n{old}\n{public_key}\n{at}\n".format(**one)
        key.verify(bytes.fromhex(one["signature"]), text.encode())
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(one["public_key"]))

index, last = proof["index"], checkpoint["size"] - 1
place = (checkpoint["chain"], checkpoint["first"] + index)
((line["chain"], line["seq"]) == place and index <= last) or sys.exit("another line")
root = sha256(b"\0" + sha256(proof["line"].encode()).digest()).digest()
for other in map(bytes.fromhex, proof["path"]):  # RFC 9162, section 2.1.3.2
    if index & 1 or index == last:
        root = sha256(b"\1" + other + root).digest()
        while index and not index & 1:
            index, last = index >> 1, last >> 1
    else:
        root = sha256(b"\1" + root + other).digest()
    index, last = index >> 1, last >> 1
(last, root.hex()) == (0, checkpoint["root"]) or sys.exit("the path leads elsewhere")
text = "situs receipts checkpoint v1\n{chain}\n{first}\n{size}\n{root}\n".format(**checkpoint)
key.verify(bytes.fromhex(checkpoint["signature"]), text.encode())
print(proof["line"])
