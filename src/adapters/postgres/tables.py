"""The tables as SQLAlchemy Core sees them. The migrations are what makes them.

`alembic check` holds the two together. What a column means is said in the migration.
"""

from __future__ import annotations

from typing import Any

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import TypeEngine, UserDefinedType

metadata = MetaData()


class TransactionId(UserDefinedType[int]):
    """PostgreSQL's xid8."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


def _table(name: str, *parts: Any, key: tuple[str, ...]) -> Table:
    tenant = Column("tenant_id", Uuid, nullable=False)
    return Table(name, metadata, tenant, *parts, PrimaryKeyConstraint("tenant_id", *key))


def _id(name: str, *, optional: bool = False) -> Column[Any]:
    return Column(name, Uuid, nullable=optional)


def _of(kind: type[TypeEngine[Any]] | TypeEngine[Any], name: str, **options: Any) -> Column[Any]:
    return Column(name, kind, nullable=options.pop("optional", False), **options)


def _time(name: str, *, optional: bool = False, now: bool = False) -> Column[Any]:
    default = func.clock_timestamp() if now else None
    return Column(name, DateTime(timezone=True), nullable=optional, server_default=default)


def _count(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


def _amount(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


def _refers(table: str, *columns: str, cascade: bool = False) -> ForeignKeyConstraint:
    """A foreign key from (tenant_id, columns...) to the primary key of `table`."""
    keys = {
        "tenants": ["tenant_id"],
        "notices": ["tenant_id", "hash"],
        "totp": ["tenant_id", "person_id"],
        "purposes": ["tenant_id", "code"],
        "versions": ["tenant_id", "document_id", "version"],
        "schemas": ["tenant_id", "name"],
        "audit_checkpoints": ["tenant_id", "size"],
        "audit_resources": ["tenant_id", "event_id", "document_id", "version"],
    }
    target = [f"{table}.{column}" for column in keys.get(table, ["tenant_id", "id"])]
    own = ["tenant_id", *columns]
    return ForeignKeyConstraint(own, target, ondelete="CASCADE" if cascade else None)


def _belongs_to_document() -> ForeignKeyConstraint:
    """A foreign key by which a row and its document have the same owner."""
    target = ["documents.tenant_id", "documents.owner_id", "documents.id"]
    return ForeignKeyConstraint(
        ["tenant_id", "owner_id", "document_id"], target, ondelete="CASCADE"
    )


tenants = _table(
    "tenants",
    _of(Text, "name"),
    _of(Boolean, "sign_up_open", server_default=text("false")),
    _time("created_at", now=True),
    UniqueConstraint("name"),
    key=(),
)

purposes = _table(
    "purposes",
    _of(Text, "code"),
    _of(Text, "title"),
    _of(Text, "dpv_term"),
    _refers("tenants"),
    key=("code",),
)

model_chains = _table(
    "model_chains",
    _of(Text, "task"),
    _of(ARRAY(Text), "models"),
    _refers("tenants"),
    key=("task",),
)

withdrawal_policies = _table(
    "withdrawal_policies",
    _of(Text, "answers"),
    _of(Text, "lawful_basis", optional=True),
    _of(Text, "reference", optional=True),
    _time("set_at", now=True),
    _refers("tenants"),
    key=(),
)

people = _table(
    "people",
    _id("id"),
    _of(Text, "email"),
    _of(Text, "display_name"),
    _of(Text, "password_hash"),
    _of(Text, "role"),
    _of(Text, "kind", server_default=text("'person'")),
    _time("created_at", now=True),
    _time("erased_at", optional=True),
    _refers("tenants"),
    UniqueConstraint("tenant_id", "email", name="people_email_key"),
    key=("id",),
)

sessions = _table(
    "sessions",
    _id("id"),
    _id("person_id"),
    _time("created_at", now=True),
    _time("ended_at", optional=True),
    _of(Text, "end_reason", optional=True),
    _of(Text, "acr", server_default=text("'pwd'")),
    _time("auth_time", now=True),
    _refers("people", "person_id"),
    Index("sessions_ended_idx", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
    key=("id",),
)

refresh_tokens = _table(
    "refresh_tokens",
    _of(LargeBinary, "token_hash"),
    _id("session_id"),
    _time("expires_at"),
    _time("used_at", optional=True),
    _refers("sessions", "session_id"),
    Index("refresh_tokens_expiry_idx", "expires_at"),
    Index("refresh_tokens_session_idx", "tenant_id", "session_id"),
    key=("token_hash",),
)

totp = _table(
    "totp",
    _id("person_id"),
    _id("id"),
    _of(LargeBinary, "sealed_secret"),
    _of(BigInteger, "last_step", server_default=text("0")),
    _time("created_at", now=True),
    _time("confirmed_at", optional=True),
    _refers("people", "person_id"),
    key=("person_id",),
)

recovery_codes = _table(
    "recovery_codes",
    _id("person_id"),
    _of(LargeBinary, "code_hash"),
    _time("used_at", optional=True),
    _refers("totp", "person_id", cascade=True),
    key=("person_id", "code_hash"),
)

wrapping_keys = _table(
    "wrapping_keys",
    _id("id"),
    _id("subject_id", optional=True),
    _of(Integer, "version"),
    _of(LargeBinary, "wrapped"),
    _id("wrapping_key_id", optional=True),
    _time("created_at", now=True),
    _time("retired_at", optional=True),
    _refers("tenants"),
    _refers("wrapping_keys", "wrapping_key_id"),
    UniqueConstraint(
        "tenant_id",
        "subject_id",
        "version",
        name="wrapping_keys_version_key",
        postgresql_nulls_not_distinct=True,
    ),
    Index(
        "wrapping_keys_active_idx",
        "tenant_id",
        "subject_id",
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=text("retired_at IS NULL"),
    ),
    Index(
        "wrapping_keys_retired_idx",
        "tenant_id",
        postgresql_where=text("retired_at IS NOT NULL"),
    ),
    Index("wrapping_keys_under_idx", "tenant_id", "wrapping_key_id"),
    key=("id",),
)

data_keys = _table(
    "data_keys",
    _id("id"),
    _of(Text, "kind"),
    _id("owner_id"),
    _id("resource_id"),
    _count("version"),
    _id("wrapping_key_id"),
    _of(LargeBinary, "wrapped"),
    _of(LargeBinary, "public_key", optional=True),
    _time("created_at", now=True),
    _refers("people", "owner_id"),
    _refers("wrapping_keys", "wrapping_key_id"),
    UniqueConstraint("tenant_id", "resource_id", "kind", "version", name="data_keys_resource_key"),
    Index("data_keys_under_idx", "tenant_id", "wrapping_key_id", "id"),
    key=("id",),
)

blobs = _table(
    "blobs",
    _id("id"),
    _id("owner_id"),
    _of(BigInteger, "length", optional=True),
    _time("created_at", now=True),
    _refers("tenants"),
    key=("id",),
)

blob_parts = _table(
    "blob_parts",
    _id("blob_id"),
    _of(BigInteger, "start"),
    _of(LargeBinary, "bytes"),
    _refers("blobs", "blob_id", cascade=True),
    key=("blob_id", "start"),
)

schemas = _table(
    "schemas",
    _of(Text, "name"),
    _id("owner_id"),
    _of(Integer, "current_version"),
    _refers("people", "owner_id"),
    key=("name",),
)

schema_versions = _table(
    "schema_versions",
    _of(Text, "name"),
    _of(Integer, "version"),
    _of(Text, "body"),
    _time("created_at"),
    _refers("schemas", "name"),
    key=("name", "version"),
)

documents = _table(
    "documents",
    _id("id"),
    _id("owner_id"),
    _of(Integer, "current_version"),
    _of(Integer, "searchable_version", optional=True),
    _count("passage_count"),
    _of(BigInteger, "lexeme_count", server_default=text("0")),
    _of(Text, "index_mode"),
    _of(Text, "audit_mode"),
    _of(Text, "approval_acr", server_default=text("'pwd'")),
    _of(LargeBinary, "sealed_metadata"),
    _count("event_count"),
    _count("index_attempt"),
    _of(Text, "kind", server_default=text("'document'")),
    _of(Text, "language", optional=True),
    _of(Text, "configuration", server_default=text("'english'")),
    _count("analysis"),
    _of(Double, "weight", server_default=text("1")),
    _time("created_at"),
    _time("updated_at"),
    _refers("people", "owner_id"),
    UniqueConstraint("tenant_id", "owner_id", "id", name="documents_owner_key"),
    Index(
        "documents_searchable_idx",
        "tenant_id",
        "owner_id",
        postgresql_include=[
            "id",
            "searchable_version",
            "passage_count",
            "lexeme_count",
            "configuration",
        ],
        postgresql_where=text("searchable_version IS NOT NULL AND index_mode = 'clear'"),
    ),
    Index(
        "documents_sealed_idx",
        "tenant_id",
        "owner_id",
        postgresql_include=["id", "searchable_version", "passage_count"],
        postgresql_where=text("searchable_version IS NOT NULL AND index_mode = 'sealed'"),
    ),
    Index(
        "documents_analysis_idx",
        "tenant_id",
        "id",
        postgresql_where=text(
            "searchable_version IS NOT NULL AND index_mode = 'clear' AND analysis < 1"
        ),
    ),
    key=("id",),
)

versions = _table(
    "versions",
    _id("document_id"),
    _of(Integer, "version"),
    _of(Text, "media_type"),
    _of(BigInteger, "content_length"),
    _id("content_blob_id"),
    _id("text_blob_id", optional=True),
    _of(LargeBinary, "text_commitment", optional=True),
    _of(Text, "state"),
    _of(Text, "state_reason", optional=True),
    _count("passage_count"),
    _of(BigInteger, "lexeme_count", server_default=text("0")),
    _of(Text, "schema_name", optional=True),
    _of(Integer, "schema_version", optional=True),
    _of(Text, "language", optional=True),
    _of(Text, "configuration", server_default=text("'english'")),
    _of(ARRAY(Text), "embedded_as", server_default=text("'{}'")),
    _time("created_at"),
    _refers("documents", "document_id", cascade=True),
    ForeignKeyConstraint(
        ["tenant_id", "schema_name", "schema_version"],
        ["schema_versions.tenant_id", "schema_versions.name", "schema_versions.version"],
        name="versions_schema_fkey",
    ),
    Index(
        "versions_schema_idx",
        "tenant_id",
        "schema_name",
        "schema_version",
        postgresql_where=text("schema_name IS NOT NULL"),
    ),
    Index(
        "versions_unembedded_idx",
        "tenant_id",
        "document_id",
        postgresql_where=text("embedded_as = '{}' AND passage_count > 0"),
    ),
    key=("document_id", "version"),
)

document_events = _table(
    "document_events",
    _id("document_id"),
    _of(Integer, "number"),
    _of(Integer, "version"),
    _of(Text, "state"),
    _of(Text, "reason", optional=True),
    _of(Integer, "done", optional=True),
    _of(Integer, "total", optional=True),
    _time("at", now=True),
    _refers("documents", "document_id", cascade=True),
    key=("document_id", "number"),
)

notices = _table(
    "notices",
    _of(LargeBinary, "hash"),
    _of(Text, "language"),
    _of(Text, "body"),
    _refers("tenants"),
    key=("hash",),
)

collections = _table(
    "collections",
    _id("id"),
    _id("owner_id"),
    _of(LargeBinary, "sealed_title"),
    _time("created_at"),
    _refers("people", "owner_id"),
    UniqueConstraint("tenant_id", "owner_id", "id", name="collections_owner_key"),
    key=("id",),
)

collection_items = _table(
    "collection_items",
    _id("collection_id"),
    _id("document_id"),
    _id("owner_id"),
    _time("added_at", now=True),
    ForeignKeyConstraint(
        ["tenant_id", "owner_id", "collection_id"],
        ["collections.tenant_id", "collections.owner_id", "collections.id"],
        ondelete="CASCADE",
    ),
    ForeignKeyConstraint(
        ["tenant_id", "owner_id", "document_id"],
        ["documents.tenant_id", "documents.owner_id", "documents.id"],
        ondelete="CASCADE",
    ),
    Index("collection_items_document_idx", "tenant_id", "document_id"),
    key=("collection_id", "document_id"),
)

consents = _table(
    "consents",
    _id("id"),
    _id("pii_principal_id"),
    _id("recipient_id"),
    _of(LargeBinary, "notice_hash"),
    _of(JSONB, "record"),
    _id("parent_id", optional=True),
    _time("created_at"),
    _refers("consents", "parent_id"),
    _refers("people", "pii_principal_id"),
    _refers("people", "recipient_id"),
    _refers("notices", "notice_hash"),
    Index("consents_principal_idx", "tenant_id", "pii_principal_id", "id"),
    Index("consents_recipient_idx", "tenant_id", "recipient_id", "id"),
    key=("id",),
)

consent_events = _table(
    "consent_events",
    _id("consent_id"),
    _of(Integer, "seq"),
    _of(Text, "event_type"),
    _of(Text, "event_state"),
    _id("entity_id"),
    _time("event_time"),
    _time("valid_until", optional=True),
    _of(JSONB, "outcome", optional=True),
    _refers("consents", "consent_id"),
    Index(
        "consent_events_valid_until_idx",
        "valid_until",
        postgresql_where=text("valid_until IS NOT NULL"),
    ),
    key=("consent_id", "seq"),
)

consent_receipts = _table(
    "consent_receipts",
    _id("consent_id"),
    _id("party_id"),
    _id("id"),
    _of(Text, "receipt"),
    _time("issued_at"),
    _refers("consents", "consent_id"),
    key=("consent_id", "party_id", "id"),
)

grants = _table(
    "grants",
    _id("id"),
    _id("consent_id"),
    _id("parent_id", optional=True),
    _of(ARRAY(Uuid), "ancestors", server_default=text("'{}'")),
    _id("owner_id"),
    _id("grantor_id"),
    _id("grantee_id"),
    _of(Text, "resource_kind"),
    _id("resource_id"),
    _of(ARRAY(Text), "fields", optional=True),
    _of(ARRAY(Integer), "versions", optional=True),
    _of(ARRAY(Text), "actions"),
    _of(Text, "purpose"),
    _time("not_before"),
    _time("expires_at"),
    _of(Integer, "max_uses", optional=True),
    _of(Integer, "uses_left", optional=True),
    _of(Integer, "interval_uses", optional=True),
    _of(Integer, "interval_seconds", optional=True),
    _time("interval_started_at", optional=True),
    _of(Integer, "interval_left", optional=True),
    _of(BigInteger, "retention_seconds", optional=True),
    _of(Text, "required_acr", optional=True),
    _of(Boolean, "is_counted"),
    _of(Integer, "epoch", server_default=text("1")),
    _time("revoked_at", optional=True),
    _time("created_at"),
    _refers("consents", "consent_id"),
    _refers("grants", "parent_id"),
    _refers("people", "owner_id"),
    _refers("people", "grantor_id"),
    _refers("people", "grantee_id"),
    _refers("purposes", "purpose"),
    Index("grants_ancestors_idx", "ancestors", postgresql_using="gin"),
    Index("grants_grantee_idx", "tenant_id", "grantee_id", "id"),
    Index("grants_grantor_idx", "tenant_id", "grantor_id", "id"),
    Index("grants_resource_idx", "tenant_id", "resource_id"),
    Index("grants_consent_idx", "tenant_id", "consent_id"),
    key=("id",),
)

audit_events = _table(
    "audit_events",
    _id("id"),
    _of(Text, "type"),
    _time("at"),
    _id("actor_id"),
    _of(Text, "action", optional=True),
    _of(Text, "purpose", optional=True),
    _of(Text, "policy_version", optional=True),
    _of(TransactionId, "transaction_id", server_default=text("pg_current_xact_id()")),
    _of(LargeBinary, "actor_commitment", optional=True),
    _of(LargeBinary, "body_commitment", optional=True),
    _refers("tenants"),
    Index("audit_events_actor_idx", "tenant_id", "actor_id", "id"),
    key=("id",),
)

audit_bodies = _table(
    "audit_bodies",
    _id("event_id"),
    _of(LargeBinary, "salt"),
    _of(JSONB, "body", optional=True),
    _id("key_id", optional=True),
    _of(LargeBinary, "sealed_body", optional=True),
    _refers("audit_events", "event_id"),
    key=("event_id",),
)

audit_resources = _table(
    "audit_resources",
    _id("event_id"),
    _id("document_id"),
    _of(Integer, "version"),
    _id("grant_id", optional=True),
    _of(Integer, "grant_epoch", optional=True),
    _id("consent_id", optional=True),
    _of(TransactionId, "transaction_id", server_default=text("pg_current_xact_id()")),
    _of(LargeBinary, "commitment", optional=True),
    _of(LargeBinary, "evidence_commitment", optional=True),
    _refers("audit_events", "event_id"),
    key=("event_id", "document_id", "version"),
)

audit_openings = _table(
    "audit_openings",
    _id("document_id"),
    _id("event_id"),
    _of(Integer, "version"),
    _of(LargeBinary, "salt"),
    _id("key_id", optional=True),
    _of(LargeBinary, "sealed_evidence", optional=True),
    _refers("audit_resources", "event_id", "document_id", "version"),
    key=("document_id", "event_id", "version"),
)

audit_pending = _table(
    "audit_pending", _id("event_id"), _refers("audit_events", "event_id"), key=("event_id",)
)

audit_takes = _table(
    "audit_takes",
    _id("event_id"),
    _time("at", now=True),
    _refers("audit_events", "event_id"),
    key=("event_id",),
)

audit_failures = _table(
    "audit_failures",
    _id("release_id"),
    _id("event_id"),
    _of(Text, "reason"),
    _refers("audit_events", "release_id"),
    _refers("audit_events", "event_id"),
    key=("release_id",),
)

audit_leaves = _table(
    "audit_leaves",
    _of(BigInteger, "leaf_index"),
    _id("event_id"),
    _of(LargeBinary, "leaf"),
    _refers("audit_events", "event_id"),
    UniqueConstraint("tenant_id", "event_id", name="audit_leaves_event_key"),
    key=("leaf_index",),
)

audit_numbers = _table(
    "audit_numbers",
    _id("document_id"),
    _of(BigInteger, "release_seq"),
    _id("event_id"),
    _of(Integer, "version"),
    _refers("audit_resources", "event_id", "document_id", "version"),
    UniqueConstraint(
        "tenant_id", "event_id", "document_id", "version", name="audit_numbers_resource_key"
    ),
    key=("document_id", "release_seq"),
)

audit_nodes = _table(
    "audit_nodes",
    _of(Integer, "level"),
    _of(BigInteger, "index"),
    _of(LargeBinary, "hash"),
    _refers("tenants"),
    key=("level", "index"),
)

audit_checkpoints = _table(
    "audit_checkpoints",
    _of(BigInteger, "size"),
    _of(LargeBinary, "root"),
    _of(Text, "note"),
    _time("at", now=True),
    _refers("tenants"),
    key=("size",),
)

audit_cosignatures = _table(
    "audit_cosignatures",
    _of(BigInteger, "size"),
    _of(Text, "witness"),
    _time("at"),
    _of(Text, "line"),
    _refers("audit_checkpoints", "size"),
    key=("size", "witness"),
)

endings = _table(
    "endings",
    Column("id", Uuid, nullable=False, server_default=func.gen_random_uuid()),
    _of(Text, "kind"),
    _of(Text, "what"),
    _id("by_id", optional=True),
    _of(Text, "detail", optional=True),
    _time("at", now=True),
    _of(TransactionId(), "transaction", server_default=func.pg_current_xact_id()),
    Index("endings_transaction_idx", "transaction"),
    key=("id",),
)

passages = _table(
    "passages",
    Column("id", BigInteger, Identity(always=True), nullable=False),
    _id("document_id"),
    _of(Integer, "version"),
    _of(Integer, "ordinal"),
    _of(BigInteger, "start_byte"),
    _of(BigInteger, "end_byte"),
    _of(Integer, "page", optional=True),
    _of(Text, "field", optional=True),
    _of(Integer, "lexeme_count", server_default=text("0")),
    _of(LargeBinary, "sealed_text"),
    _refers("versions", "document_id", "version", cascade=True),
    UniqueConstraint("tenant_id", "document_id", "version", "ordinal", name="passages_ordinal_key"),
    key=("id",),
)

passage_vectors = _table(
    "passage_vectors",
    _id("owner_id"),
    _id("document_id"),
    _of(Integer, "version"),
    _of(BigInteger, "passage_id"),
    _of(Text, "model"),
    _of(HALFVEC(), "embedding"),
    _belongs_to_document(),
    Index(
        "passage_vectors_near_idx",
        literal_column("(embedding::halfvec(384))").label("near"),
        postgresql_using="hnsw",
        postgresql_ops={"near": "halfvec_ip_ops"},
        postgresql_with={"m": 24, "ef_construction": 128},
        postgresql_where=text("vector_dims(embedding) = 384"),
    ),
    key=("owner_id", "document_id", "passage_id", "model"),
)

embedding_models = _table(
    "embedding_models",
    _of(Text, "model"),
    _of(Integer, "dimensions"),
    _of(Text, "state"),
    _time("since", now=True),
    _of(Boolean, "served"),
    _refers("tenants"),
    Index(
        "embedding_models_serving_idx",
        "tenant_id",
        unique=True,
        postgresql_where=text("state = 'serving'"),
    ),
    Index(
        "embedding_models_arriving_idx",
        "tenant_id",
        unique=True,
        postgresql_where=text("state = 'arriving'"),
    ),
    key=("model",),
)

embedding_readers = Table(
    "embedding_readers",
    metadata,
    Column("id", Uuid, primary_key=True),
    _of(Text, "wanted"),
    _of(ARRAY(Text), "known"),
    _time("seen_at", now=True),
)

vector_changes = _table(
    "vector_changes",
    _id("owner_id"),
    _id("document_id"),
    Column("change", Uuid, nullable=False, server_default=text("gen_random_uuid()")),
    key=("document_id",),
)

postings = _table(
    "postings",
    _id("owner_id"),
    _of(Text(collation="C"), "lexeme"),
    _id("document_id"),
    _of(Integer, "version"),
    _of(BigInteger, "passage_id"),
    _of(SmallInteger, "frequency"),
    _of(Integer, "length"),
    Index("postings_document_idx", "document_id", "tenant_id"),
    key=("owner_id", "lexeme", "document_id", "passage_id"),
)

sealed_index = _table(
    "sealed_index",
    _id("document_id"),
    _of(Integer, "version"),
    _of(Integer, "first_ordinal"),
    _of(ARRAY(BigInteger), "passages"),
    _of(ARRAY(Text), "models"),
    _of(LargeBinary, "sealed_entries"),
    _refers("versions", "document_id", "version", cascade=True),
    key=("document_id", "version", "first_ordinal"),
)

passage_features = _table(
    "passage_features",
    _id("document_id"),
    _of(Integer, "version"),
    _of(Integer, "ordinal"),
    _of(Integer, "length"),
    _of(SmallInteger, "heading_depth", optional=True),
    _of(SmallInteger, "features"),
    _refers("versions", "document_id", "version", cascade=True),
    key=("document_id", "version", "ordinal"),
)

version_features = _table(
    "version_features",
    _id("owner_id"),
    _id("document_id"),
    _of(Integer, "number"),
    _of(Integer, "version"),
    _of(Text, "source"),
    _of(Text, "language", optional=True),
    _of(Integer, "passage_count"),
    _time("at", now=True),
    _belongs_to_document(),
    key=("owner_id", "document_id", "number"),
)

document_weights = _table(
    "document_weights",
    _id("owner_id"),
    _id("document_id"),
    _of(Integer, "number"),
    _of(Double, "weight"),
    _time("at", now=True),
    _belongs_to_document(),
    key=("owner_id", "document_id", "number"),
)

conversations = _table(
    "conversations",
    _id("id"),
    _id("owner_id"),
    _of(LargeBinary, "sealed_title"),
    _count("message_count"),
    _time("created_at"),
    _id("selected_id", optional=True),
    _refers("people", "owner_id"),
    Index("conversations_owner_idx", "tenant_id", "owner_id", "id"),
    key=("id",),
)

messages = _table(
    "messages",
    _id("conversation_id"),
    _of(Integer, "sequence"),
    _id("id"),
    _id("parent_id", optional=True),
    _of(Text, "role"),
    _of(LargeBinary, "sealed_content", optional=True),
    _of(Text, "tombstone", optional=True),
    _time("created_at"),
    _time("kept_at", optional=True),
    _of(Text, "kept_basis", optional=True),
    _of(Text, "kept_reference", optional=True),
    _of(JSONB, "kept_before", optional=True),
    _refers("conversations", "conversation_id", cascade=True),
    _refers("messages", "parent_id"),
    UniqueConstraint("tenant_id", "conversation_id", "sequence", name="messages_sequence_key"),
    Index("messages_parent_idx", "tenant_id", "parent_id"),
    key=("id",),
)

runs = _table(
    "runs",
    _id("id"),
    _id("conversation_id"),
    _id("owner_id"),
    _id("question_id"),
    _id("answer_id"),
    _of(Text, "purpose"),
    _of(Text, "model"),
    _of(Text, "prompt_version"),
    _of(Text, "state"),
    _count("event_count"),
    _time("cancel_requested_at", optional=True),
    _time("lease_expires_at"),
    _time("created_at"),
    _time("ended_at", optional=True),
    _of(LargeBinary, "sealed_terms", optional=True),
    _refers("conversations", "conversation_id", cascade=True),
    _refers("messages", "question_id", cascade=True),
    _refers("messages", "answer_id", cascade=True),
    Index(
        "runs_one_active_idx",
        "tenant_id",
        "conversation_id",
        unique=True,
        postgresql_where=text("state = 'running'"),
    ),
    Index(
        "runs_queued_idx",
        "tenant_id",
        "conversation_id",
        "created_at",
        postgresql_where=text("state = 'queued'"),
    ),
    Index("runs_lease_idx", "lease_expires_at", postgresql_where=text("state = 'running'")),
    key=("id",),
)

run_events = _table(
    "run_events",
    _id("run_id"),
    _of(Integer, "number"),
    _of(Text, "type"),
    _of(LargeBinary, "sealed_data"),
    _time("at", now=True),
    _refers("runs", "run_id", cascade=True),
    key=("run_id", "number"),
)

run_sources = _table(
    "run_sources",
    _id("run_id"),
    _id("document_id"),
    _of(Integer, "version"),
    _id("release_id"),
    _id("grant_id", optional=True),
    _refers("runs", "run_id", cascade=True),
    Index("run_sources_document_idx", "tenant_id", "document_id"),
    Index("run_sources_grant_idx", "tenant_id", "grant_id"),
    key=("run_id", "document_id", "version", "release_id"),
)

citations = _table(
    "citations",
    _id("person_id"),
    _id("document_id"),
    _id("run_id"),
    _time("at", now=True),
    _refers("runs", "run_id", cascade=True),
    Index("citations_document_idx", "tenant_id", "document_id"),
    Index("citations_run_idx", "tenant_id", "run_id"),
    key=("person_id", "document_id", "run_id"),
)

answer_manifests = _table(
    "answer_manifests",
    _id("run_id"),
    _of(LargeBinary, "sealed_manifest"),
    _refers("runs", "run_id", cascade=True),
    key=("run_id",),
)

idempotency_keys = _table(
    "idempotency_keys",
    _id("person_id"),
    _of(Text, "route"),
    _of(Text, "key"),
    _of(LargeBinary, "request_hash"),
    _id("resource_id"),
    _time("created_at", now=True),
    _refers("people", "person_id"),
    key=("person_id", "route", "key"),
)

share_links = _table(
    "share_links",
    _id("id"),
    _id("grant_id"),
    _id("creator_id"),
    _of(LargeBinary, "token_hash"),
    _of(Text, "pass_code_hash", optional=True),
    _of(Integer, "redemptions_max"),
    _of(Integer, "redemptions_left"),
    _of(Integer, "attempts_left"),
    _count("refused_count"),
    _time("refused_at", optional=True),
    _time("created_at", now=True),
    _refers("people", "id"),
    _refers("people", "creator_id"),
    _refers("grants", "grant_id"),
    UniqueConstraint("tenant_id", "token_hash", name="share_links_token_key"),
    UniqueConstraint("tenant_id", "grant_id", name="share_links_grant_key"),
    Index("share_links_creator_idx", "tenant_id", "creator_id", "id"),
    key=("id",),
)

grant_tokens = _table(
    "grant_tokens",
    _of(LargeBinary, "token_hash"),
    _id("grant_id"),
    _id("person_id"),
    _time("created_at", now=True),
    _time("expires_at"),
    _time("revoked_at", optional=True),
    _refers("grants", "grant_id"),
    _refers("people", "person_id"),
    Index("grant_tokens_grant_idx", "tenant_id", "grant_id"),
    key=("token_hash",),
)

service_clients = _table(
    "service_clients",
    _id("id"),
    _id("created_by"),
    _time("created_at"),
    _time("expires_at"),
    _time("revoked_at", optional=True),
    _time("last_used_at", optional=True),
    _refers("people", "id"),
    _refers("people", "created_by"),
    key=("id",),
)

client_secrets = _table(
    "client_secrets",
    _of(LargeBinary, "secret_hash"),
    _id("client_id"),
    _time("created_at", now=True),
    _time("expires_at", optional=True),
    _refers("service_clients", "client_id"),
    Index("client_secrets_client_idx", "tenant_id", "client_id"),
    key=("secret_hash",),
)

usage_ledger = _table(
    "usage_ledger",
    _id("run_id"),
    _of(Integer, "number"),
    _id("person_id"),
    _of(Text, "purpose"),
    _of(Text, "model"),
    _of(Text, "outcome"),
    _of(Date, "day"),
    _time("at", now=True),
    _of(BigInteger, "input_tokens"),
    _of(BigInteger, "cached_tokens"),
    _of(BigInteger, "output_tokens"),
    _of(Boolean, "is_estimated"),
    _of(BigInteger, "cost_micros", optional=True),
    _of(Text, "currency"),
    _of(Integer, "first_piece_ms", optional=True),
    _refers("people", "person_id"),
    Index("usage_ledger_person_idx", "tenant_id", "person_id", "day"),
    Index("usage_ledger_day_idx", "tenant_id", "day"),
    key=("run_id", "number"),
)

spending = _table(
    "spending",
    _of(Date, "day"),
    _id("spender_id"),
    _amount("tokens_spent"),
    _amount("tokens_reserved"),
    _amount("cost_micros_spent"),
    _amount("cost_micros_reserved"),
    _refers("tenants"),
    key=("day", "spender_id"),
)

reservations = _table(
    "reservations",
    _id("run_id"),
    _id("person_id"),
    _of(Text, "purpose"),
    _of(Text, "model"),
    _of(Date, "day"),
    _of(BigInteger, "tokens"),
    _of(BigInteger, "cost_micros"),
    _time("created_at", now=True),
    _refers("people", "person_id"),
    Index("reservations_created_idx", "created_at"),
    key=("run_id",),
)
