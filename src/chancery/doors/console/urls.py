"""The console's pages. The name of each is what templates and tests call it by."""

from django.urls import path

from chancery.doors.console.views import (
    account,
    audit,
    certificates,
    connectors,
    home,
    orders,
    people,
    places,
    profiles,
)

CONNECTORS = "integrations/ca-connectors"

urlpatterns = [
    path("", home.home, name="home"),
    path("login", people.log_in, name="login"),
    path("logout", people.log_out, name="logout"),
    path("password", people.password, name="password"),
    path("account", account.account, name="account"),
    path("people", people.people, name="people"),
    path("people/places", places.places, name="places"),
    path("people/<int:ident>/<slug:what>", people.person, name="person"),
    path("tokens", people.tokens, name="tokens"),
    path(CONNECTORS, connectors.overview, name="ca_types"),
    path(f"{CONNECTORS}/type/<slug:slug>", connectors.listing, name="connectors"),
    path(f"{CONNECTORS}/type/<slug:slug>/create", connectors.create, name="connector_create"),
    path(f"{CONNECTORS}/type/<slug:slug>/test", connectors.test_unsaved, name="connector_test_unsaved"),
    path(f"{CONNECTORS}/type/<slug:slug>/choices/<slug:field>", connectors.choices, name="connector_choices"),
    path(f"{CONNECTORS}/type/<slug:slug>/bulk", connectors.bulk, name="connector_bulk"),
    path(f"{CONNECTORS}/type/<slug:slug>/export.csv", connectors.export, name="connector_export"),
    path(f"{CONNECTORS}/<uuid:ident>", connectors.detail, name="connector"),
    path(f"{CONNECTORS}/<uuid:ident>/edit", connectors.edit, name="connector_edit"),
    path(f"{CONNECTORS}/<uuid:ident>/copy", connectors.copy, name="connector_copy"),
    path(f"{CONNECTORS}/<uuid:ident>/delete", connectors.delete, name="connector_delete"),
    path(f"{CONNECTORS}/<uuid:ident>/test", connectors.test, name="connector_test"),
    path(f"{CONNECTORS}/<uuid:ident>/switch/<slug:to>", connectors.switch, name="connector_switch"),
    path("calls/<uuid:ident>", connectors.call, name="call"),
    path("profiles", profiles.listing, name="profiles"),
    path("profiles/create", profiles.create, name="profile_create"),
    path("profiles/<uuid:ident>", profiles.detail, name="profile"),
    path("profiles/<uuid:ident>/edit", profiles.edit, name="profile_edit"),
    path("profiles/<uuid:ident>/delete", profiles.delete, name="profile_delete"),
    path("orders", orders.listing, name="orders"),
    path("orders/new", orders.new, name="order_new"),
    path("orders/<uuid:ident>", orders.detail, name="order"),
    path("orders/<uuid:ident>/do/<slug:what>", orders.act, name="order_act"),
    path("certificates", certificates.listing, name="certificates"),
    path("certificates/<uuid:ident>", certificates.detail, name="certificate"),
    path("certificates/<uuid:ident>/download/<slug:kind>", certificates.download, name="certificate_download"),
    path("certificates/<uuid:ident>/revoke", certificates.revoke, name="certificate_revoke"),
    path("certificates/<uuid:ident>/renew", certificates.renew, name="certificate_renew"),
    path("audit", audit.listing, name="audit"),
    path("audit/export", audit.export, name="audit_export"),
]
