"""API v1: routes."""

from django.urls import URLPattern, path, register_converter
from django.urls.converters import StringConverter

from contacts.api import attributes, contacts, leads


class AnythingConverter(StringConverter):
    """Somebody else's id: it may have slashes and line feeds in it."""

    regex = r"[\s\S]+"


register_converter(AnythingConverter, "anything")

urlpatterns: list[URLPattern] = [
    # /api/v1/
    path("get-leads", leads.GetLeadsView.as_view(), name="v1_get_leads"),
    # /api/v1/agents/<agent_id>/leads
    path("agents/<agent_id>/leads", leads.LeadsView.as_view(), name="v1_agent_leads"),
    path(
        "agents/<agent_id>/leads/export",
        leads.LeadsExportView.as_view(),
        name="v1_leads_export",
    ),
    # /api/v1/chatbots/<chatbot_id>/
    path(
        "chatbots/<chatbot_id>/contacts",
        contacts.ContactsView.as_view(),
        name="v1_contacts",
    ),
    path(
        "chatbots/<chatbot_id>/contacts/<anything:contact_id>",
        contacts.ContactView.as_view(),
        name="v1_contact",
    ),
    path(
        "chatbots/<chatbot_id>/custom-attributes",
        attributes.CustomAttributesView.as_view(),
        name="v1_custom_attributes",
    ),
    path(
        "chatbots/<chatbot_id>/custom-attributes/<name>",
        attributes.CustomAttributeView.as_view(),
        name="v1_custom_attribute",
    ),
]
