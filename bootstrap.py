"""Run tox from a bare Python: ``python3 bootstrap.py -e smollm2``.

Makes a private environment with tox under ``.tox`` the first time; whatever is behind the
environment's name is in ``tox.ini``. Needs nothing but Python 3.11 or newer. (``.venv`` is tox's:
a file there names the environment that it used last, as PEP 832 has it.)
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
HOME = ROOT / ".tox" / "bootstrap"
BIN = HOME / ("Scripts" if os.name == "nt" else "bin")
TOOLS = ("tox>=4.25", "tox-uv>=1.25")


def main() -> int:
    """Make the environment where it is missing, then hand all arguments to tox."""
    if sys.version_info < (3, 11):
        print(f"bootstrap.py needs Python 3.11 or newer; this is {sys.version.split()[0]}")
        return 2
    if not (BIN / "tox").exists():
        print("making an environment with tox …", flush=True)
        try:
            venv.create(HOME, with_pip=True, clear=True)
        except subprocess.CalledProcessError:
            print("this Python can't make environments; on Debian: apt-get install python3-venv")
            return 2
        subprocess.run([BIN / "pip", "install", "--quiet", *TOOLS], check=True)
    return subprocess.run([BIN / "tox", "--root", ROOT, *sys.argv[1:]], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
