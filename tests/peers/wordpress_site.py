"""A real WordPress on this machine: Debian's package, MariaDB on a socket, PHP's own server. It ends with its context."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

HERE = Path(__file__).parent / "wordpress"
ROOT = Path(__file__).parents[2]
SUITES = {"6.1": "bookworm", "6.8": "trixie"}
CACHE = Path(os.environ.get("TAGGER_PEERS_CACHE", "/var/tmp/tagger-peers"))
SECONDS = 60.0
NEEDED = ("php", "mariadbd", "mariadb-install-db")

INSTALL = """
if (!is_blog_installed()) wp_install('Peers', 'admin', 'admin@example.test', true, '', 'adminpw');
update_option('permalink_structure', '/%postname%/');
flush_rewrite_rules();
$id = wp_insert_user(['user_login' => 'editor1', 'user_pass' => 'editorpw', 'role' => 'editor', 'user_email' => 'e@e.test']);
[$password] = WP_Application_Passwords::create_new_application_password($id, ['name' => 'peers']);
return ['version' => get_bloginfo('version'), 'password' => $password];
"""


@dataclass(kw_only=True)
class Server:
    """PHP's own server before a WordPress; a test may take it away and bring it back."""

    folder: Path
    url: str
    _running: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        self._running.enter_context(_server(self.folder, self.url))

    def stop(self) -> None:
        self._running.close()


@dataclass(frozen=True, kw_only=True)
class WordPress:
    folder: Path
    url: str
    version: str
    password: str  # application password of editor1
    server: Server | None = None  # None: nothing serves it

    @property
    def site(self) -> Path:
        return self.folder / "site"

    def php(self, code: str, *, installing: bool = False) -> Any:
        """What `code` returns, run inside WordPress. Without a logged-in user, as cron is."""
        return _php(self.folder, self.url, code, installing=installing)

    def set_up(self, **settings: str) -> None:
        """The plugin's settings, in addition to those that are set."""
        self.php(f"update_option('tagger_settings', {_literal(settings)} + (array) get_option('tagger_settings', [])); return 1;")

    def log(self) -> str:
        path = self.folder / "debug.log"
        return path.read_text("utf-8") if path.exists() else ""


def missing() -> list[str]:
    return [name for name in NEEDED if shutil.which(name) is None]


NETWORK_CONFIG = """
define('MULTISITE', true);
define('SUBDOMAIN_INSTALL', false);
define('DOMAIN_CURRENT_SITE', 'wp.test');
define('PATH_CURRENT_SITE', '/');
define('SITE_ID_CURRENT_SITE', 1);
define('BLOG_ID_CURRENT_SITE', 1);
"""
NETWORK_INSTALL = """
require_once ABSPATH . 'wp-admin/includes/network.php';
foreach ($wpdb->tables('ms_global') as $table => $name) $wpdb->$table = $name;
install_network();
return populate_network(1, 'wp.test', 'admin@example.test', 'Network', '/', false);
"""


@contextmanager
def booted(version: str, folder: Path, plugin: Path | None) -> Iterator[WordPress]:
    """WordPress of this version with the plugin of a zip, active; without one, as it comes."""
    url = f"http://127.0.0.1:{_free_port()}"
    with _installed(version, folder, plugin, url) as made:
        error = "" if plugin is None else _php(folder, url, "return activate_plugin('tagger/tagger.php') ?: '';")
        assert error == "", error
        server = Server(folder=folder, url=url)
        server.start()
        try:
            yield WordPress(folder=folder, url=url, version=made["version"], password=made["password"], server=server)
        finally:
            server.stop()


@contextmanager
def network(version: str, folder: Path, plugin: Path) -> Iterator[WordPress]:
    """A network of sites. Without a server: a network cannot be at a port of its own."""
    url = "http://wp.test"
    with _installed(version, folder, plugin, url) as made:
        assert _php(folder, url, NETWORK_INSTALL) in (True, None, {})
        config = folder / "site" / "wp-config.php"
        text = config.read_text("utf-8")
        own = [line for line in text.splitlines() if "WP_HOME" not in line]
        config.write_text(
            "\n".join(own).replace("if (!defined('ABSPATH'))", NETWORK_CONFIG + "if (!defined('ABSPATH'))"), "utf-8"
        )
        error = _php(folder, url, "return activate_plugin('tagger/tagger.php', '', true) ?: '';")
        assert error == "", error
        yield WordPress(folder=folder, url=url, version=made["version"], password=made["password"])


@contextmanager
def _installed(version: str, folder: Path, plugin: Path | None, url: str) -> Iterator[dict[str, Any]]:
    """Its files and its database, without a server."""
    cache = CACHE / SUITES[version]
    subprocess.run([HERE / "fetch.sh", SUITES[version], cache], check=True, timeout=300)
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-aL", cache / "root/usr/share/wordpress", folder / "site"], check=False, stderr=subprocess.DEVNULL)
    site = folder / "site"
    for name in ("plugins", "uploads", "themes", "mu-plugins"):
        (site / "wp-content" / name).mkdir(parents=True, exist_ok=True)
    if plugin is not None:
        with zipfile.ZipFile(plugin) as archive:
            archive.extractall(site / "wp-content" / "plugins")
    config = (HERE / "wp-config.php").read_text("utf-8").replace("@DIR@", str(folder)).replace("@URL@", url)
    (site / "wp-config.php").write_text(config, "utf-8")
    with _database(folder):
        yield _php(folder, url, INSTALL, installing=True)


def _php(folder: Path, url: str, code: str, *, installing: bool = False) -> Any:
    command = ["php", HERE / "run.php", folder / "site", url, *(["installing"] if installing else [])]
    ended = subprocess.run(command, input=code, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(ended.stdout.strip().splitlines()[-1])


def _literal(values: dict[str, str]) -> str:
    return f"json_decode({json.dumps(json.dumps(values))}, true)".replace("$", "\\$")


@contextmanager
def _database(folder: Path) -> Iterator[None]:
    user = ["--user=mysql"] if os.geteuid() == 0 else []
    data, temporary, own = folder / "db", folder / "tmp", folder / "db.sock"
    for path in (data, temporary):
        path.mkdir(exist_ok=True)
    if user:
        for path in (folder, data, temporary):
            shutil.chown(path, "mysql")
    common = ["--no-defaults", *user, f"--datadir={data}", f"--tmpdir={temporary}", "--innodb-log-file-size=4M"]
    prepare = ["mariadb-install-db", *common, "--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run(prepare, check=True, capture_output=True, timeout=SECONDS)
    serve = ["mariadbd", *common, f"--socket={own}", "--skip-networking", "--innodb-buffer-pool-size=32M", "--skip-log-bin"]
    with (folder / "mariadb.log").open("wb") as log, _running(serve, log):
        ask = ["mariadb", "--no-defaults", "-S", str(own), "-uroot", "-e"]
        create = "CREATE DATABASE wordpress CHARACTER SET utf8mb4; CREATE USER wp@localhost IDENTIFIED BY 'wp'; "
        _until(lambda: subprocess.run([*ask, "SELECT 1"], capture_output=True, check=False).returncode == 0)
        subprocess.run([*ask, create + "GRANT ALL ON wordpress.* TO wp@localhost"], check=True, timeout=SECONDS)
        yield


@contextmanager
def _server(folder: Path, url: str) -> Iterator[None]:
    limits = ["-d", "upload_max_filesize=64M", "-d", "post_max_size=64M"]
    command = ["php", *limits, "-S", url.removeprefix("http://"), "-t", str(folder / "site"), str(HERE / "router.php")]
    with (
        (folder / "php.log").open("wb") as log,
        _running(command, log, PHP_CLI_SERVER_WORKERS="24"),
    ):  # a browser's idle connections hold one each
        _until(lambda: _answers(url + "/wp-json/"))
        yield


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=10).ok
    except requests.RequestException:
        return False


@contextmanager
def _running(command: list[str], log: Any, **environment: str) -> Iterator[None]:
    env = {**os.environ, **environment}
    process = subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _until(condition: Any) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
