"""nginx, HAProxy and Apache, with the configurations that the guide shows."""

import contextlib
import os
import pathlib
import re

from servers import free_port, listens, running, unpacked, with_libraries

ROOT = pathlib.Path(__file__).resolve().parents[3]
PAGE = ROOT / "src/docs/behind_a_proxy.md"
# As the page names them, and what a run puts there.
UPSTREAM, FILES = "127.0.0.1:8080", "/etc/tls/"
LISTENING = {
    "nginx": ("listen 443 ", "listen 127.0.0.1:{} "),
    "HAProxy": ("bind :443 ", "bind 127.0.0.1:{} "),
    "Apache": ("*:443>", "127.0.0.1:{}>"),
}


def blocks():
    """The blocks of the page whose first line is a comment, by that comment."""
    return dict(re.findall(r"^```text\n# ([^\n]+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S))


def recipes():
    """Those that are configurations."""
    return {name: text for name, text in blocks().items() if name.split(",")[0] in LISTENING}


NGINX = """
daemon off;
pid {scratch}/pid;
error_log {scratch}/error.log;
worker_processes 2;
events {{}}
http {{
    access_log off;
    client_body_temp_path {scratch}/body;
    proxy_temp_path {scratch}/proxy;
    fastcgi_temp_path {scratch}/fastcgi;
    uwsgi_temp_path {scratch}/uwsgi;
    scgi_temp_path {scratch}/scgi;
{recipe}
}}
"""
APACHE = """
ServerRoot {scratch}
ServerName localhost
PidFile {scratch}/pid
ErrorLog {scratch}/error.log
DefaultRuntimeDir {scratch}
User {user}
Listen 127.0.0.1:{port}
{modules}
{recipe}
"""
MODULES = "mpm_event authn_core authz_core headers proxy proxy_http socache_shmcb ssl".split()


def _nginx(debian, scratch, text, _port):
    file = scratch / "nginx.conf"
    file.write_text(NGINX.format(scratch=scratch, recipe=text))
    return [unpacked(debian, "usr/sbin/nginx"), "-p", scratch, "-e", scratch / "start.log", "-c", file]


def _haproxy(debian, scratch, text, _port):
    file = scratch / "haproxy.cfg"
    file.write_text(f"{text}\n")
    return [unpacked(debian, "usr/sbin/haproxy"), "-db", "-f", file]


def _apache(debian, scratch, text, port):
    modules = unpacked(debian, "usr/lib/apache2/modules")
    # Some are part of the program.
    load = [f"LoadModule {name}_module {modules}/mod_{name}.so" for name in MODULES if (modules / f"mod_{name}.so").exists()]
    user = "daemon" if os.getuid() == 0 else f"#{os.getuid()}"
    file = scratch / "apache.conf"
    file.write_text(APACHE.format(scratch=scratch, user=user, port=port, modules="\n".join(load), recipe=text))
    return [unpacked(debian, "usr/sbin/apache2"), "-f", file, "-DFOREGROUND"]


@contextlib.contextmanager
def proxy(name, debian, scratch, files, upstream, edit=lambda recipe: recipe):
    """Runs the proxy of a recipe, `edit`ed, in front of `upstream`, and yields its port."""
    scratch = scratch / re.sub(r"\W+", "-", name)
    scratch.mkdir(parents=True, exist_ok=True)
    port = free_port()
    which = name.split(",")[0]
    text = edit(recipes()[name])
    listening, here = LISTENING[which]
    for old, new in {UPSTREAM: upstream.removeprefix("http://"), FILES: f"{files}/", listening: here.format(port)}.items():
        if old not in text:
            raise SystemExit(f"FAILED: the recipe for {name} does not name {old}")
        text = text.replace(old, new)
    make = {"nginx": _nginx, "HAProxy": _haproxy, "Apache": _apache}[which]
    command = make(debian, scratch, text, port)
    with running(command, scratch / "start.log", listens(port), with_libraries(debian)):
        yield port
