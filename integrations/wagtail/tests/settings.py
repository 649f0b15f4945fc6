"""A small site for the tests: Wagtail, or Django without it (`TAGGER_TEST=plain` or `filer`)."""

import os
import tempfile

KIND = os.environ.get("TAGGER_TEST", "wagtail")
SECRET = "whsec_dGVzdC1zZWNyZXQtdGVzdC1zZWNyZXQ="
SECRET_KEY = "tests"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL, MEDIA_URL = "/static/", "/media/"
MEDIA_ROOT = tempfile.mkdtemp(prefix="wagtail-tagger-")
WAGTAIL_SITE_NAME, WAGTAILADMIN_BASE_URL = "Tests", "http://testserver"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
DJANGO = ["auth", "contenttypes", "sessions", "messages", "staticfiles"]
WAGTAIL = ["images", "documents", "search", "users", "admin", "snippets", "embeds", "sites"]
INSTALLED_APPS = {
    "wagtail": ["wagtail_tagger", *(f"wagtail.{name}" for name in WAGTAIL), "wagtail", "modelcluster", "taggit"],
    "plain": ["wagtail_tagger", "tests.plain"],
    "filer": ["wagtail_tagger", "easy_thumbnails", "filer", "polymorphic", "django.contrib.admin"],
}[KIND] + [f"django.contrib.{name}" for name in DJANGO]
MODELS = {
    "wagtail": {},
    "plain": {"MODEL": "plain.CMSImage"},
    "filer": {"MODEL": "filer.Image"},
}
WAGTAILIMAGES_IMAGE_FORM_BASE = "wagtail_tagger.forms.ImageForm"
TAGGER = {
    **MODELS[KIND],
    "URL": "http://127.0.0.1:9", "SITE": "tests", "HOOK_SECRET": SECRET, "CALLBACK_SECRETS": [SECRET],
    "BASE_URL": "http://testserver", "LOCALE": "en", "SEND_ON_COMMIT": False,
}  # fmt: skip
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]},
}]  # fmt: skip
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
SILENCED_SYSTEM_CHECKS = ["models.W042"]
