"""Writes a wheel (PyPA binary distribution format 1.0) from a folder, and installs it as an administrator would."""

import base64
import csv
import hashlib
import io
import subprocess
import sys
import zipfile

TAG = "py3-none-any"


def build(folder, into, name, version, entry_points):
    """Write a wheel of the packages in `folder`; `entry_points` maps slug to "module:class". Returns its path."""
    info = f"{name}-{version}.dist-info"
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*.py"))}
    offers = "".join(f"{slug} = {where}\n" for slug, where in entry_points.items())
    files |= {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: {TAG}\n".encode(),
        f"{info}/entry_points.txt": f"[chancery.authorities]\n{offers}".encode(),
    }
    files[f"{info}/RECORD"] = record(files, f"{info}/RECORD")
    path = into / f"{name}-{version}-{TAG}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for where, content in files.items():
            wheel.writestr(where, content)
    return path


def record(files, own):
    """Return the list of files with their hashes; its own line has none."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    for where, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.writerow([where, f"sha256={digest}", len(content)])
    lines.writerow([own, "", ""])
    return text.getvalue().encode()


def install(wheels, target):
    """Install wheels with pip, without an index and without dependencies."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    command += ["--no-deps", "--target", str(target), *map(str, wheels)]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
