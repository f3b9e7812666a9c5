"""API v1: routes."""

from django.urls import path

from agents.api import chatbots

urlpatterns = [
    # /api/v1/, as Chatbase's clients know it
    path(
        "create-chatbot", chatbots.CreateChatbotView.as_view(), name="v1_create_chatbot"
    ),
    path("get-chatbots", chatbots.ChatbotsView.as_view(), name="v1_get_chatbots"),
    path(
        "update-chatbot-data",
        chatbots.ChatbotDataView.as_view(),
        name="v1_update_chatbot_data",
    ),
    path(
        "update-chatbot-settings",
        chatbots.ChatbotSettingsView.as_view(),
        name="v1_update_chatbot_settings",
    ),
    path(
        "delete-chatbot", chatbots.DeleteChatbotView.as_view(), name="v1_delete_chatbot"
    ),
    path(
        "upload-chatbot-icon",
        chatbots.UploadIconView.as_view(),
        name="v1_upload_chatbot_icon",
    ),
    path(
        "upload-chatbot-profile-picture",
        chatbots.UploadProfilePictureView.as_view(),
        name="v1_upload_chatbot_profile_picture",
    ),
    path(
        "delete-chatbot-icon",
        chatbots.DeleteIconView.as_view(),
        name="v1_delete_chatbot_icon",
    ),
    path(
        "delete-chatbot-profile-picture",
        chatbots.DeleteProfilePictureView.as_view(),
        name="v1_delete_chatbot_profile_picture",
    ),
]
