from django.conf import settings
from django.urls import include, path

urlpatterns = [path("", include("wagtail_tagger.urls"))]
if settings.KIND == "wagtail":
    from wagtail.admin import urls as admin_urls

    urlpatterns += [path("admin/", include(admin_urls))]
