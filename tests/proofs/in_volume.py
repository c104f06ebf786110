"""Runs a command where a small volume is mounted and filled: `FOLDER OPTIONS BYTES FILES -- COMMAND`.

In a mount namespace of its own, so that only that command sees the volume, and any user may.
"""

import os
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Mount, fill, and become the command."""
    folder, options, size, files, _, *command = sys.argv[1:]
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    for number in range(int(files)):
        Path(folder, f"file-{number}").touch()
    if int(size):
        Path(folder, "dump").write_bytes(bytes(int(size)))
    os.execvp(command[0], command)


main()
