"""certbot, lego, dehydrated and uacme from Debian: each in a folder of its own, told to issue, renew and revoke."""

import os
import subprocess
from pathlib import Path

LIMIT = 240.0
"""Seconds for one command."""


class Program:
    """One client. `directory` and the credential are the server's; `port` is where http-01 is looked for."""

    name = ""

    def __init__(self, folder, directory, credential, port):
        self.folder, self.directory, self.port = Path(folder), directory, port
        self.kid, self.key = credential

    def start(self, *arguments):
        """Start a command; its output goes to a file."""
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "LEGO_EAB_HMAC": self.key}
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [self.name, *map(str, arguments)],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    def said(self):
        """Return the end of what it printed."""
        return (self.folder / "log").read_text(errors="replace")[-3000:]


class Certbot(Program):
    """Looks by http-01 with its own server, waits as long as Retry-After says."""

    name = "certbot"

    def _common(self):
        dirs = [a for n in ("config", "work", "logs") for a in (f"--{n}-dir", self.folder / n)]
        return ["-n", "--server", self.directory, *dirs]

    def issue(self, domain):
        eab = ["--eab-kid", self.kid, "--eab-hmac-key", self.key]
        how = ["--standalone", "--http-01-port", self.port, "--issuance-timeout", 200]
        return self.start("certonly", *self._common(), "--agree-tos", "-m", "pki@example.com", *eab, *how, "-d", domain)

    def renew(self, domain):
        return self.start(
            "renew", *self._common(), "--force-renewal", "--no-random-sleep-on-renew", "--cert-name", domain
        )

    def revoke(self, domain):
        how = ["--cert-name", domain, "--reason", "superseded", "--no-delete-after-revoke"]
        return self.start("revoke", *self._common(), *how)

    def chain(self, domain):
        return (self.folder / "config" / "live" / domain / "fullchain.pem").read_bytes()


class Lego(Program):
    """Looks by http-01 with its own server; gives up an order after half a minute unless it is told otherwise."""

    name = "lego"

    def _common(self, domain):
        eab = ["--eab", "--kid", self.kid, "--hmac", self.key]
        how = ["--http", "--http.port", f"127.0.0.1:{self.port}", "--domains", domain, "--path", self.folder / "lego"]
        how += ["--cert.timeout", 200]
        return ["--accept-tos", "--server", self.directory, "--email", "pki@example.com", *eab, *how]

    def issue(self, domain):
        return self.start(*self._common(domain), "run")

    def renew(self, domain):
        return self.start(*self._common(domain), "renew", "--days", 9999, "--no-random-sleep")

    def revoke(self, domain):
        return self.start(*self._common(domain), "revoke", "--keep")

    def chain(self, domain):
        return (self.folder / "lego" / "certificates" / f"{domain}.crt").read_bytes()


class Dehydrated(Program):
    """A shell script; its tokens are served by a web server of the test."""

    name = "dehydrated"

    def __init__(self, *given):
        super().__init__(*given)
        self.tokens = self.folder / "tokens"
        self.tokens.mkdir()
        lines = {
            "CA": self.directory,
            "BASEDIR": self.folder,
            "WELLKNOWN": self.tokens,
            "EAB_KID": self.kid,
            "EAB_HMAC_KEY": self.key,
            "CONTACT_EMAIL": "pki@example.com",
        }
        self.config = self.folder / "config"
        self.config.write_text("".join(f'{k}="{v}"\n' for k, v in lines.items()))

    def issue(self, domain):
        done = self.start("--register", "--accept-terms", "-f", self.config)
        if done.wait(LIMIT):
            return done
        return self.start("-c", "-f", self.config, "-d", domain)

    def renew(self, domain):
        return self.start("-c", "-x", "-f", self.config, "-d", domain)

    def revoke(self, domain):
        file = (self.folder / "certs" / domain / "cert.pem").resolve()
        return self.start("--revoke", file, "-f", self.config)

    def chain(self, domain):
        return (self.folder / "certs" / domain / "fullchain.pem").read_bytes()


class Uacme(Program):
    """Written in C; a hook puts its tokens where the test's web server finds them."""

    name = "uacme"

    def __init__(self, *given):
        super().__init__(*given)
        self.tokens = self.folder / "tokens"
        self.tokens.mkdir()
        self.hook = self.folder / "hook"
        self.hook.write_text(
            f'#!/bin/sh\n[ "$2" = http-01 ] || exit 1\ncase "$1" in begin) printf %s "$5" > "{self.tokens}/$4";; esac\n'
        )
        os.chmod(self.hook, 0o755)

    def _common(self):
        return ["-v", "-a", self.directory, "-c", self.folder / "uacme", "-h", self.hook]

    def issue(self, domain):
        done = self.start(*self._common(), "-y", "-e", f"{self.kid}:{self.key}", "new", "pki@example.com")
        if done.wait(LIMIT):
            return done
        return self.start(*self._common(), "issue", domain)

    def renew(self, domain):
        return self.start(*self._common(), "-f", "issue", domain)

    def revoke(self, domain):
        return self.start(*self._common(), "revoke", self.folder / "uacme" / domain / "cert.pem")

    def chain(self, domain):
        return (self.folder / "uacme" / domain / "cert.pem").read_bytes()
