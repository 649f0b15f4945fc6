from django.apps import AppConfig


class TaggerConfig(AppConfig):
    name = "wagtail_tagger"
    verbose_name = "tagger"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from wagtail_tagger import checks, watch  # noqa: F401 - checks registers itself
        from wagtail_tagger.conf import config

        watch.install(config().model)
        try:
            import wagtail.images  # noqa: F401 - only where Wagtail is
        except ImportError:
            return
        from wagtail_tagger import reindex  # noqa: F401 - connects itself
