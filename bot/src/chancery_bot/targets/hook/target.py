"""Runs a hook: with `test`, which may refuse, and with `deploy`, for whatever version is in force."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.x509 import SubjectAlternativeName

from chancery_bot import posix
from chancery_bot.errors import Refused
from chancery_bot.material import Material
from chancery_bot.targets.base import Endpoint
from chancery_bot.targets.base import Target as Base
from chancery_bot.targets.hook.settings import Settings

_FILES = ("cert.pem", "chain.pem", "fullchain.pem", "privkey.pem")


class Target(Base[Settings]):
    """One hook, and the versions that it was given."""

    @property
    def store(self) -> Path:
        """The folder of this target's versions."""
        return self.local.work / "hook" / str(self.ident)

    def check(self) -> None:
        """See that there is such a hook."""
        self.local.hook(self.settings.hook)

    def stage(self, version: str, material: Material) -> None:
        """Write the four files that hooks know."""
        whole = self.store / version
        if whole.is_dir():
            return
        posix.make_folder(self.store)
        part = whole.with_name(f"{version}.part")
        posix.remove_tree(part)
        posix.make_folder(part)
        contents = (material.leaf_pem, material.issuers_pem, material.full_pem, material.key_pem)
        for name, content in zip(_FILES, contents, strict=True):
            posix.write_new(part / name, content)
        posix.write_new(part / "certificate.sha256", material.fingerprint.encode())
        posix.rename(part, whole)

    def present(self) -> str:
        """Return where `current` leads."""
        link = self.store / "current"
        return link.readlink().name if link.is_symlink() else ""

    def keep(self, name: str) -> str:
        """Return the version in force: what a hook did before cannot be known."""
        del name
        return self.present()

    def switch(self, version: str) -> None:
        """Lead `current` to a version."""
        if version:
            posix.link_over(self.store / "current", version)
        else:
            posix.remove(self.store / "current")

    def versions(self) -> list[str]:
        """Return the names of whole versions."""
        return sorted(p.name for p in self._folders() if p.suffix != ".part")

    def fingerprint(self, version: str) -> str:
        """Return what was noted beside the files."""
        path = self.store / version / "certificate.sha256"
        return path.read_text(encoding="ascii") if version and path.exists() else ""

    def certificate(self, version: str) -> x509.Certificate | None:
        """Return the one that was written for the hook."""
        path = self.store / version / "cert.pem"
        return x509.load_pem_x509_certificate(path.read_bytes()) if version and path.exists() else None

    def tidy(self, keep: set[str]) -> None:
        """Remove other versions, and what a broken-off `stage` left."""
        for path in self._folders():
            if path.name not in keep | {self.present()}:
                posix.remove_tree(path)

    def test(self) -> None:
        """Ask the hook whether it could."""
        self._run("test")

    def reload(self) -> None:
        """Let the hook use what is in force; without a version there is nothing to use."""
        self._run("deploy")

    def endpoint(self) -> Endpoint | None:
        """Return where the settings say."""
        found = self.settings
        return Endpoint(found.probe_host, found.probe_port, found.server_name) if found.probe_port else None

    def _folders(self) -> list[Path]:
        found = list(self.store.iterdir()) if self.store.is_dir() else []
        return [path for path in found if path.is_dir() and not path.is_symlink()]

    def _run(self, verb: str) -> None:
        if not self.present():
            return
        hook = self.local.hook(self.settings.hook)
        ran = posix.run([hook, verb], float(self.settings.seconds), self._variables())
        if ran.code:
            raise Refused(
                f"The hook {self.settings.hook} {verb} ended with {ran.code}: {ran.said}", "Look at the hook."
            )

    def _variables(self) -> dict[str, str]:
        folder = self.store / "current"
        names = " ".join(_names((folder / "cert.pem").read_bytes()))
        first = names.partition(" ")[0]
        certbot = {"RENEWED_LINEAGE": str(folder), "RENEWED_DOMAINS": names}
        lego = {"LEGO_CERT_DOMAIN": first, "LEGO_CERT_PATH": str(folder / "fullchain.pem")}
        own = {
            "CHANCERY_FOLDER": str(folder),
            "CHANCERY_NAMES": names,
            "CHANCERY_SHA256": self.fingerprint(self.present()),
        }
        return {**certbot, **lego, "LEGO_CERT_KEY_PATH": str(folder / "privkey.pem"), **own}


def _names(pem: bytes) -> list[str]:
    try:
        found = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [str(n.value) for n in found.value]
