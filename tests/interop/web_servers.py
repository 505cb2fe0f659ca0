"""nginx, Apache httpd and HAProxy from Debian: each with a configuration, files and a port of its own, on loopback."""

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from chancery.net.listening import free_port
from tests.interop.children import child

_NGINX = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ }}
http {{
  access_log off;
  {temporary}
  server {{
    listen 127.0.0.1:{port} ssl;
    server_name www.example.com;
    ssl_certificate {folder}/etc/www.pem;
    ssl_certificate_key {folder}/etc/www.key;
    location / {{ return 200 "ok"; }}
  }}
}}
"""
_APACHE = """\
ServerRoot {folder}
PidFile {folder}/httpd.pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/error.log
Listen 127.0.0.1:{port}
ServerName www.example.com
{user}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule ssl_module {modules}/mod_ssl.so
StartServers 1
ThreadsPerChild 5
MaxRequestWorkers 10
SSLSessionCache none
<VirtualHost 127.0.0.1:{port}>
  ServerName www.example.com
  SSLEngine on
  SSLCertificateFile {folder}/etc/www.pem
  SSLCertificateKeyFile {folder}/etc/www.key
</VirtualHost>
"""
_HAPROXY = """\
global
  master-worker
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend www
  bind 127.0.0.1:{port} ssl crt {folder}/etc/www.pem
  http-request return status 200
"""
_MODULES = "/usr/lib/apache2/modules"


@dataclass
class Server:
    """A running server: its kind, port, files, and the settings of a target for it."""

    kind: str
    port: int
    config: Path
    settings: dict

    def spoil(self):
        """Put a line into the configuration that the server does not take; returns the whole one for `mend`."""
        whole = self.config.read_text()
        self.config.write_text(whole + "\nno_such_directive on;\n")
        return whole

    def mend(self, whole):
        self.config.write_text(whole)


PROGRAMS = {"nginx": "/usr/sbin/nginx", "apache": "/usr/sbin/apache2", "haproxy": "/usr/sbin/haproxy"}


@contextmanager
def running(kind, folder, pair):
    """Run a server that serves a pair until the block ends; skipped where it is not installed."""
    if not os.access(PROGRAMS[kind], os.X_OK):
        pytest.skip(f"{PROGRAMS[kind]} is not installed (make setup-test installs it)")
    (folder / "etc").mkdir(exist_ok=True)
    # A worker of another user looks the files' names up.
    for part in (folder, folder / "etc"):
        part.chmod(0o755)
    port = free_port()
    config, command, settings = {"nginx": _nginx, "apache": _apache, "haproxy": _haproxy}[kind](folder, port)
    _write(kind, folder / "etc", pair)
    path = folder / "etc" / "server.conf"
    path.write_text(config)
    with child([PROGRAMS[kind], *command], folder, listens=[port]):
        yield Server(kind, port, path, {**settings, "probe_port": port})


def _write(kind, etc, pair):
    contents = {"www.pem": pair[0] + pair[1]} if kind == "haproxy" else {"www.pem": pair[0], "www.key": pair[1]}
    for name, content in contents.items():
        (etc / name).touch(0o600)
        (etc / name).write_bytes(content)


def _two(folder):
    etc = folder / "etc"
    return {"certificate": f"{etc}/www.pem", "key": f"{etc}/www.key", "config": f"{etc}/server.conf"}


def _nginx(folder, port):
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n  ".join(f"{n}_temp_path {folder}/tmp-{n};" for n in names)
    user = "user root;" if os.geteuid() == 0 else ""
    config = _NGINX.format(folder=folder, port=port, temporary=temporary, user=user)
    return config, ["-c", f"{folder}/etc/server.conf"], _two(folder)


def _apache(folder, port):
    user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    config = _APACHE.format(folder=folder, port=port, modules=_MODULES, user=user)
    return config, ["-f", f"{folder}/etc/server.conf", "-DFOREGROUND"], _two(folder)


def _haproxy(folder, port):
    settings = {"file": f"{folder}/etc/www.pem", "config": f"{folder}/etc/server.conf", "pid_file": f"{folder}/etc/pid"}
    command = ["-W", "-f", f"{folder}/etc/server.conf", "-p", f"{folder}/etc/pid"]
    return _HAPROXY.format(folder=folder, port=port), command, settings
