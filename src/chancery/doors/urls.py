"""Where each door is."""

from django.urls import include, path

from chancery.doors.acme import door as acme
from chancery.doors.api.api import api
from chancery.doors.bots import door
from chancery.doors.metrics import metrics

_routes, _app, _space = api.urls
# One after the other is tried, and orders come by the thousand; what begins otherwise is none of theirs.
_orders_first = sorted(_routes, key=lambda route: not str(route.pattern).startswith("orders"))

urlpatterns = [
    path("api/v1/", (_orders_first, _app, _space)),
    path("api/bot/<slug:what>", door.answer, name="bot_message"),
    path("acme/<path:path>", acme.answer, name="acme_message"),
    path("metrics", metrics),
    path("", include("chancery.doors.console.urls")),
]

handler400 = "chancery.doors.failures.bad_request"
handler403 = "chancery.doors.failures.forbidden"
handler404 = "chancery.doors.failures.not_found"
handler500 = "chancery.doors.failures.broken"
