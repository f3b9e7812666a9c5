from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from bookbag import background, outbound
from bookbag.admin import ReadOnlyAdmin, TenantAdmin, TenantForm
from knowledge import indexing, tasks
from knowledge.models import MAX_TITLE, Chunk, Document, Source, SourceKind

EXCERPT = 20_000  # characters of a document shown; it may have two million


class SourceForm(TenantForm):
    title = forms.CharField(
        max_length=MAX_TITLE,
        required=False,
        help_text="A web page may do without: it gets the page's own.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        kind = cleaned.get("kind") or self.instance.kind
        if kind == SourceKind.URL:
            self._check_url(cleaned.get("url"))
            cleaned["title"] = cleaned.get("title") or (cleaned.get("url") or "")
            cleaned["title"] = cleaned["title"][:MAX_TITLE]
        else:
            for name in ("title", "content"):
                if not cleaned.get(name) and name not in self.errors:
                    self.add_error(name, "This field is required.")
        return cleaned

    def _check_url(self, url: str | None) -> None:
        if "url" in self.errors:
            return
        if not url:
            self.add_error("url", "A web page needs an address.")
            return
        try:
            outbound.check(url)
        except outbound.OutboundRefused as refusal:
            self.add_error("url", str(refusal))


@admin.register(Source)
class SourceAdmin(TenantAdmin):
    """Saved, it waits to be indexed; a worker comes for it within seconds."""

    form = SourceForm
    written = ("workspace", "agent", "kind", "title", "url", "question", "content")
    readonly_fields = (
        "status",
        "progress",
        "error",
        "content_version",
        "indexed_version",
        "indexed_at",
        "created_at",
        "updated_at",
    )
    fields = (*written, *readonly_fields)
    autocomplete_fields = ("workspace", "agent")
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}
    list_display = ("title", "agent", "workspace", "kind", "status", "progress")
    list_filter = ("status", "kind")
    list_select_related = ("agent", "workspace")
    search_fields = ("title", "=id", "agent__name", "workspace__name")
    actions = ("index_again",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fixed = ["agent", "kind"] if obj else []
        return [*fixed, *super().get_readonly_fields(request, obj)]

    def save_model(
        self, request: HttpRequest, obj: Source, form: forms.ModelForm, change: bool
    ) -> None:
        if not change:
            obj.save()
        elif form.changed_data:
            obj.save(update_fields=[*form.changed_data, "updated_at"])
            indexing.queue(obj)
        background.wake(tasks.index_source, obj.pk)

    def delete_model(self, request: HttpRequest, obj: Source) -> None:
        indexing.forget(obj)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Documents and chunks go with their source, though nobody may delete them by
        themselves; and there may be thousands of them, which nobody need read."""
        names = [str(source) for source in objs]
        return names, {"sources": len(names)}, set(), []

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for source in queryset:
            indexing.forget(source)

    @admin.action(description="Index again", permissions=["change"])
    def index_again(self, request: HttpRequest, queryset: Any) -> None:
        for source in queryset:
            indexing.queue(source)
            background.wake(tasks.index_source, source.pk)
        self.message_user(request, f"Waiting to be indexed: {len(queryset)}.")


@admin.register(Document)
class DocumentAdmin(ReadOnlyAdmin):
    fields = (
        "workspace",
        "source",
        "version",
        "title",
        "url",
        "question",
        "excerpt",
        "digest",
        "created_at",
        "superseded_at",
    )
    readonly_fields = ("excerpt",)
    list_display = ("title", "version", "workspace", "created_at", "superseded_at")
    list_select_related = ("workspace",)
    search_fields = ("title", "=source__id", "workspace__name")

    @admin.display(description="text")
    def excerpt(self, document: Document) -> str:
        left = len(document.text) - EXCERPT
        more = f"\n… and {left} characters more" if left > 0 else ""
        return document.text[:EXCERPT] + more

    def get_queryset(self, request: HttpRequest) -> Any:
        documents = super().get_queryset(request)
        match = request.resolver_match
        is_list = match is not None and str(match.url_name).endswith("_changelist")
        return documents.defer("text") if is_list else documents


@admin.register(Chunk)
class ChunkAdmin(ReadOnlyAdmin):
    fields = (
        "workspace",
        "agent",
        "document",
        "ordinal",
        "start",
        "end",
        "heading",
        "text",
        "sentences",
        "is_embedded",
    )
    readonly_fields = ("is_embedded",)
    list_display = ("document", "ordinal", "heading", "agent", "workspace")
    list_select_related = ("document", "agent", "workspace")
    search_fields = ("heading", "document__title", "=document__id", "agent__name")

    @admin.display(boolean=True, description="has vectors")
    def is_embedded(self, chunk: Chunk) -> bool:
        return chunk.vector is not None

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("sentence_vectors", "document__text")
