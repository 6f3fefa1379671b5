"""The HTTP application: which routes there are, and which use cases they may ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from litestar import Litestar
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from entrypoints.container import Container
from entrypoints.http.accesses import AccessesController
from entrypoints.http.accounts import ACCOUNT_ROUTES, erase_me
from entrypoints.http.app_kit import application
from entrypoints.http.audit import AuditController
from entrypoints.http.audit_tiles import TilesController
from entrypoints.http.authentication import Authentication
from entrypoints.http.chat import ConversationsController
from entrypoints.http.checkpoints import LogOfCheckpointsController, prove_checkpoint
from entrypoints.http.collections import CollectionsController
from entrypoints.http.completions import complete_chat
from entrypoints.http.consent import ConsentsController, GrantsController
from entrypoints.http.documents import DocumentsController, UploadLimits
from entrypoints.http.drain import Drain
from entrypoints.http.embeddings import embed
from entrypoints.http.features import FeaturesController
from entrypoints.http.health import Health, live, ready
from entrypoints.http.injected import constant
from entrypoints.http.introspection import INTROSPECTION_ROUTES
from entrypoints.http.jobs import JobsController
from entrypoints.http.links import LinksController
from entrypoints.http.metrics import Metrics, metrics
from entrypoints.http.model_chains import ModelChainsController
from entrypoints.http.oauth import OAUTH_ROUTES
from entrypoints.http.openai_models import ModelsController
from entrypoints.http.pages import Cursors
from entrypoints.http.provenance import ProvenanceController
from entrypoints.http.purposes import PurposesController
from entrypoints.http.records import RecordsController
from entrypoints.http.runs import RunsController
from entrypoints.http.schemas import SchemasController
from entrypoints.http.search import SearchController
from entrypoints.http.second_factor import SECOND_FACTOR_ROUTES
from entrypoints.http.service_clients import ServiceClientsController
from entrypoints.http.sockets import converse
from entrypoints.http.streams import StreamLimits
from entrypoints.http.token_exchange import TokenExchange
from entrypoints.http.ui_messages import UIMessagesController
from entrypoints.http.usage import UsageController
from entrypoints.http.withdrawal_policy import WithdrawalPolicyController

ROUTES: tuple[ControllerRouterHandler, ...] = (
    *ACCOUNT_ROUTES,
    erase_me,
    *SECOND_FACTOR_ROUTES,
    *OAUTH_ROUTES,
    *INTROSPECTION_ROUTES,
    ServiceClientsController,
    DocumentsController,
    CollectionsController,
    RecordsController,
    SchemasController,
    GrantsController,
    ConsentsController,
    LinksController,
    ModelChainsController,
    PurposesController,
    WithdrawalPolicyController,
    SearchController,
    FeaturesController,
    JobsController,
    ConversationsController,
    RunsController,
    ProvenanceController,
    complete_chat,
    ModelsController,
    UsageController,
    embed,
    UIMessagesController,
    converse,
    AuditController,
    TilesController,
    LogOfCheckpointsController,
    prove_checkpoint,
    AccessesController,
    live,
    ready,
    metrics,
)

# Providers of the container that handlers may ask for, by the same name.
EXPOSED = (
    "accounts",
    "sign_up",
    "sign_in",
    "erase_account",
    "sign_out",
    "second_factors",
    "enrol_totp",
    "confirm_totp",
    "remove_totp",
    "step_up_session",
    "refresh_session",
    "revoke_token",
    "introspect_token",
    "grant_client_token",
    "make_service_client",
    "rotate_client_secret",
    "revoke_service_client",
    "list_service_clients",
    "show_service_client",
    "erase_service_client",
    "signing_keys",
    "receipt_keys",
    "documents",
    "add_document",
    "describe_document",
    "list_documents",
    "read_content",
    "replace_content",
    "change_index_mode",
    "erase_document",
    "weigh_document",
    "feature_history",
    "collections",
    "add_collection",
    "rename_collection",
    "put_in_collection",
    "take_from_collection",
    "delete_collection",
    "describe_collections",
    "read_record",
    "keep_records",
    "schemas",
    "declare_schema",
    "consents",
    "give_grant",
    "tell_notice",
    "request_access",
    "approve_request",
    "refuse_request",
    "renew_consent",
    "export_consent",
    "show_receipt",
    "purposes",
    "register_purpose",
    "name_purpose",
    "withdrawal_policies",
    "set_withdrawal_policy",
    "revoke_grant",
    "links",
    "share_by_link",
    "redeem_link",
    "revoke_link",
    "withdraw_consent",
    "search",
    "chats",
    "start_conversation",
    "ask_question",
    "answer_again",
    "select_branch",
    "follow_run",
    "explain_answer",
    "cancel_run",
    "chain",
    "chain_of",
    "choose_models",
    "model_choices",
    "spending",
    "read_conversations",
    "delete_conversation",
    "ask_anew",
    "named_conversations",
    "embedder",
    "embed_texts",
    "list_jobs",
    "retry_job",
    "access_tokens",
    "list_accesses",
    "list_denials",
    "bundle_accesses",
    "prove_entry",
    "prove_releases",
    "attest_answer",
    "promise_entry",
    "accept_cosignatures",
    "prove_checkpoint",
    "prove_consistency",
    "audit_trail",
    "log_signer",
    "signals",
)


def http_application(
    container: Container,
    *,
    version: str,
    drain: Drain,
    cursors: Cursors,
    health: Health,
    measured: Metrics,
) -> Litestar:
    settings = container.settings()
    values: Mapping[str, object] = {
        "cursors": cursors,
        "health": health,
        "metrics": measured,
        "upload_limits": UploadLimits(bytes_max=settings.upload_bytes_max),
        "issuer": settings.public_url,
        "token_exchange": TokenExchange(
            access_tokens=container.access_tokens(),
            hold_grant_token=container.hold_grant_token(),
            exchange_token=container.exchange_token(),
        ),
    }
    dependencies = {name: _provided(getattr(container, name)) for name in EXPOSED}
    dependencies |= {name: constant(value) for name, value in values.items()}
    return application(
        route_handlers=ROUTES,
        version=version,
        drain=drain,
        dependencies=dependencies,
        middleware=[Authentication(container.access_tokens(), container.hold_grant_token())],
        observe=measured.observe,
        stream_limits=StreamLimits(heartbeat_seconds=settings.stream_heartbeat_seconds),
    )


def _provided(provider: Callable[[], Any]) -> Provide:
    """A provider itself is not something that the framework can inject: a function is."""
    return Provide(lambda: provider(), sync_to_thread=False)
