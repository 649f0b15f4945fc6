"""A small Wagtail site. What differs between two runs comes as JSON in the environment variable PEERS_SITE."""

import json
import os

PEERS = json.loads(os.environ["PEERS_SITE"])
SECRET_KEY = "peers"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "peers_site.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL, MEDIA_URL, MEDIA_ROOT = "/static/", "/media/", PEERS["folder"] + "/media"
WAGTAIL_SITE_NAME, WAGTAILADMIN_BASE_URL = "Peers", PEERS["url"]
WAGTAIL_ENABLE_UPDATE_CHECK = WAGTAIL_ENABLE_WHATS_NEW_BANNER = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
WAGTAIL = ["images", "documents", "search", "users", "admin", "snippets", "embeds", "sites"]
DJANGO = ["auth", "contenttypes", "sessions", "messages", "staticfiles"]
INSTALLED_APPS = [
    "wagtail_tagger",
    *(f"wagtail.{name}" for name in WAGTAIL),
    "wagtail",
    "modelcluster",
    "taggit",
    *(f"django.contrib.{name}" for name in DJANGO),
]
WAGTAILIMAGES_IMAGE_FORM_BASE = "wagtail_tagger.forms.ImageForm"
TAGGER = PEERS["tagger"]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
PROCESSORS = ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": [*PROCESSORS, "django.contrib.messages.context_processors.messages"]},
    }
]
DATABASES = {"default": PEERS["database"]}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
