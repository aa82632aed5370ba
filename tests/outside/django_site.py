"""Django's own admin on loopback: an application not written by us."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from helpers.server import environment, eventually

USER, PASSWORD = "admin", "b0redom-is-bliss"
_SETTINGS = """\
SECRET_KEY = "only for tests"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "settings"
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.sqlite3"}}
INSTALLED_APPS = [
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
    "django.contrib.sessions", "django.contrib.messages", "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]},
}]
STATIC_URL = "/static/"
urlpatterns = []


def _urls():
    from django.contrib import admin
    from django.urls import path

    return [path("admin/", admin.site.urls)]


class _Lazy(list):
    def __iter__(self):
        return iter(_urls())

    def __reversed__(self):
        return iter(reversed(_urls()))


urlpatterns = _Lazy()
"""


@dataclass(frozen=True, kw_only=True)
class Admin:
    """The site."""

    url: str
    database: Path

    def sign_everyone_out(self) -> int:
        """Forget every session that Django holds; return how many there were."""
        with sqlite3.connect(self.database, timeout=10) as connection:
            return connection.execute("DELETE FROM django_session").rowcount


@contextmanager
def serving(directory: Path) -> Generator[Admin]:
    """Serve the admin until the block ends."""
    (directory / "settings.py").write_text(_SETTINGS)
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        port = asking.getsockname()[1]
    variables = environment(
        DJANGO_SETTINGS_MODULE="settings",
        PYTHONPATH=str(directory),
        DJANGO_SUPERUSER_PASSWORD=PASSWORD,
    )

    def django(*arguments: str) -> None:
        command = [sys.executable, "-m", "django", *arguments]
        subprocess.run(command, cwd=directory, env=variables, check=True, capture_output=True)

    django("migrate")
    django("createsuperuser", "--noinput", "--username", USER, "--email", "admin@example.com")
    command = [sys.executable, "-m", "django", "runserver", "--noreload", f"127.0.0.1:{port}"]
    process = subprocess.Popen(
        command, cwd=directory, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: _answers(url))
        yield Admin(url=url, database=directory / "site.sqlite3")
    finally:
        process.terminate()
        process.wait(timeout=60)


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/admin/login/", timeout=60).status_code == 200
    except httpx2.HTTPError:
        return False


def project(admin: Admin) -> dict[str, str]:
    """Return the files of a project that signs in to the admin."""
    return {
        "Intuned.jsonc": '{"authSessions": {"enabled": true, "type": "API"}, "browser": "shell"}',
        "auth-sessions/create.py": (
            "from urllib.parse import urljoin\n"
            "async def create(page, params=None):\n"
            "    await page.goto(params['url'] + '/admin/')\n"
            "    await page.fill('#id_username', params['user'])\n"
            "    await page.fill('#id_password', params['password'])\n"
            "    await page.click('[type=submit]')\n"
            "    await page.wait_for_selector('#user-tools')\n"
        ),
        "auth-sessions/check.py": (
            "async def check(page):\n"
            f"    await page.goto('{admin.url}/admin/')\n"
            "    return await page.locator('#user-tools').is_visible()\n"
        ),
        "api/users.py": (
            "async def automation(page, params):\n"
            f"    await page.goto('{admin.url}/admin/auth/user/')\n"
            "    return await page.locator('th.field-username').all_inner_texts()\n"
        ),
    }
