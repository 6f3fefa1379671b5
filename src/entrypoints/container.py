"""The composition root: what is plugged into what. Nothing else knows both sides."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

from dependency_injector import containers, providers
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.embedding.half_vectors import NumpyHalfVectors
from adapters.encryption.boxes import HpkeBoxes
from adapters.encryption.canonical_json import canonical_json
from adapters.encryption.cipher import AesGcmCipher
from adapters.encryption.keyring import LocalKeyring
from adapters.encryption.signatures import ed25519_verify
from adapters.extraction.content_type import media_type_of
from adapters.extraction.process import ProcessExtractor
from adapters.extraction.unsupported import why_unsupported
from adapters.files.ending_journal import EndingJournalFile
from adapters.identifiers import uuid7
from adapters.inprocess.excerpts import SearchedExcerpts
from adapters.inprocess.log_signer import KeyServiceLogSigner
from adapters.inprocess.pass_codes import HashedPassCodes
from adapters.inprocess.run_executor import RunExecutor
from adapters.inprocess.version_content import VaultContent
from adapters.json_schema.checker import ProcessSchemaChecker
from adapters.memory.rate_limits import MemoryRateLimits
from adapters.passwords.argon2id import Argon2idPasswords
from adapters.passwords.one_time import PyotpCodes
from adapters.postgres.accounts import PostgresAccounts
from adapters.postgres.audit import PostgresLog
from adapters.postgres.audit_probe import PostgresAuditProbe
from adapters.postgres.audit_trail import PostgresAuditTrail
from adapters.postgres.blobs import PostgresBlobs
from adapters.postgres.chat import PostgresChats
from adapters.postgres.checkpoint_log import PostgresCheckpointLog
from adapters.postgres.collections import PostgresCollections
from adapters.postgres.consent import PostgresConsents
from adapters.postgres.embedding_models import PostgresEmbeddingModels
from adapters.postgres.endings import PostgresEndings, PostgresSpentTokens
from adapters.postgres.engine import APPLICATION, KEYKEEPER, SEQUENCER, Database
from adapters.postgres.evidence import PostgresEvidence
from adapters.postgres.features import PostgresFeatureHistory
from adapters.postgres.gate import PostgresReleases
from adapters.postgres.kept_answers import PostgresKeptAnswers
from adapters.postgres.key_chain import KeyChain
from adapters.postgres.keykeeper import PostgresKeykeeper
from adapters.postgres.keys import LoggedOwnKeys, PostgresKeys, PostgresOwnKeys
from adapters.postgres.leases import PostgresLeases
from adapters.postgres.links import PostgresGrantTokens, PostgresLinks
from adapters.postgres.model_choices import PostgresModelChoices
from adapters.postgres.passage_index import PostgresPassageIndex
from adapters.postgres.passages import PostgresPassages
from adapters.postgres.person_erasure import PostgresPersonErasure
from adapters.postgres.purposes import PostgresPurposes
from adapters.postgres.queued_jobs import PostgresQueuedJobs
from adapters.postgres.releases_together import ReleasesTogether
from adapters.postgres.restorations import PostgresRestorations
from adapters.postgres.rewrapping import Rewrapping
from adapters.postgres.root_rewrapping import RootRewrapping
from adapters.postgres.run_events import PostgresRunEvents
from adapters.postgres.run_writer import PostgresRunWriter
from adapters.postgres.schemas import PostgresSchemas
from adapters.postgres.sealed_index import PostgresSealedIndex
from adapters.postgres.second_factors import PostgresSecondFactors
from adapters.postgres.service_clients import PostgresServiceClients
from adapters.postgres.sessions import PostgresSessions
from adapters.postgres.signals import PostgresSignals
from adapters.postgres.spending import PostgresSpending
from adapters.postgres.vault import PostgresDocuments
from adapters.postgres.vector_changes import PostgresVectorChanges
from adapters.postgres.vector_index import PostgresVectorIndex
from adapters.postgres.vector_route import VectorRoute
from adapters.postgres.withdrawal_policies import PostgresWithdrawalPolicies
from adapters.postgres.word_index import PostgresWordIndex
from adapters.stemming.snowball import SnowballStems
from adapters.telemetry.embedder_meter import PrometheusEmbedderMeter
from adapters.telemetry.model_meter import PrometheusModelMeter
from adapters.telemetry.release_gate import TracedReleaseGate
from adapters.telemetry.search_meter import PrometheusSearchMeter
from adapters.tokens.access_tokens import JwtAccessTokens
from adapters.tokens.client_secrets import KeyedClientSecrets
from adapters.tokens.opaque_tokens import GRANT, LINK, REFRESH, PrefixedTokens
from adapters.tokens.receipts import JwsReceipts
from adapters.tokens.recovery_codes import RandomRecoveryCodes
from adapters.tokens.signing_keys import SigningKeys
from application.accounts.check_code import CheckCode
from application.accounts.enrol_totp import ConfirmTotp, EnrolTotp, RemoveTotp
from application.accounts.erase_account import EraseAccount, ErasePrincipal, PersonErasure
from application.accounts.erase_service_client import EraseServiceClient
from application.accounts.grant_client_token import GrantClientToken, HeldAccessTokens
from application.accounts.introspect_token import (
    DescribeAccessToken,
    DescribeRefreshToken,
    IntrospectToken,
)
from application.accounts.keep_service_clients import (
    ListServiceClients,
    MakeServiceClient,
    RevokeServiceClient,
    RotateClientSecret,
    ShowServiceClient,
)
from application.accounts.ports import (
    AccessTokens,
    Accounts,
    Attempts,
    OneTimeCodes,
    Passwords,
    RecoveryCodes,
    SecondFactors,
    Sessions,
)
from application.accounts.refresh_session import RefreshSession
from application.accounts.revoke_token import RevokeToken
from application.accounts.service_clients import ClientSecrets, ServiceClients
from application.accounts.set_role import SetRole
from application.accounts.sign_in import SignIn
from application.accounts.sign_out import SignOut
from application.accounts.sign_up import SignUp
from application.accounts.step_up_session import StepUpSession
from application.accounts.time_codes import TimeCodes
from application.audit.accept_cosignatures import AcceptCosignatures
from application.audit.attest_answer import AttestAnswer
from application.audit.bundle_accesses import BundleAccesses
from application.audit.endings import (
    AcceptLostEntries,
    EndingJournal,
    KeepEndings,
    LookAtFence,
    Restorations,
)
from application.audit.integrate_entries import IntegrateEntries
from application.audit.list_accesses import ListAccesses
from application.audit.list_denials import ListDenials
from application.audit.ports import AuditTrail, Log, LogSigner
from application.audit.promise_entry import PromiseEntry
from application.audit.prove_checkpoint import ProveCheckpoint
from application.audit.prove_consistency import ProveConsistency
from application.audit.prove_entry import ProveEntry
from application.audit.prove_releases import ProveReleases
from application.chat.answer_again import AnswerAgain
from application.chat.answer_question import AnswerQuestion
from application.chat.ask_anew import AskAnew
from application.chat.ask_question import AskQuestion, QueueLimits
from application.chat.cancel_run import CancelRun
from application.chat.choose_models import ChooseModels
from application.chat.delete_conversation import DeleteConversation
from application.chat.end_queued_run import EndQueuedRun
from application.chat.explain_answer import ExplainAnswer
from application.chat.fail_abandoned_runs import FailAbandonedRuns
from application.chat.follow_run import FollowRun
from application.chat.guardrails import Guardrails
from application.chat.live_runs import LiveRuns
from application.chat.model_chain import ModelChain
from application.chat.model_choices import ChainOf, ModelChoices
from application.chat.model_health import ModelHealth
from application.chat.named_conversations import NamedConversations
from application.chat.ports import Chats, ExcerptSource, KeptAnswers, RunEvents, RunLogs
from application.chat.read_conversations import ReadConversations
from application.chat.reserve_answer import ReserveAnswer
from application.chat.select_branch import SelectBranch
from application.chat.settle_calls import ModelMeter, SettleCalls
from application.chat.shared_looks import SharedLooks
from application.chat.spending import ReleaseReservations, Spending
from application.chat.start_conversation import StartConversation
from application.chat.start_queued_runs import StartQueuedRuns
from application.consent.agreement import Agreement
from application.consent.answer_request import ApproveRequest, RefuseRequest
from application.consent.approval import Approval
from application.consent.exchange_token import ExchangeToken
from application.consent.expire_consents import ExpireConsents
from application.consent.export_consent import ExportConsent
from application.consent.give_grant import GiveGrant
from application.consent.grant_tokens import (
    DescribeGrantToken,
    HoldGrantToken,
    RevokeGrantToken,
)
from application.consent.log_failures import LogFailures
from application.consent.name_purpose import NamePurpose
from application.consent.ports import (
    Consents,
    GrantTokens,
    Links,
    PassCodes,
    Purposes,
    ReceiptSigner,
    Releases,
    WithdrawalPolicies,
)
from application.consent.redeem_link import RedeemLink
from application.consent.register_purpose import RegisterPurpose
from application.consent.release_content import ReleaseContent
from application.consent.renew_consent import RenewConsent
from application.consent.request_access import RequestAccess
from application.consent.set_withdrawal_policy import SetWithdrawalPolicy
from application.consent.share_by_link import RevokeLink, ShareByLink
from application.consent.show_receipt import ShowReceipt
from application.consent.tell_notice import TellNotice
from application.consent.withdraw_consent import RevokeGrant, WithdrawConsent
from application.ports import (
    Cipher,
    EndingsKept,
    Leases,
    LogWritable,
    OpaqueTokens,
    OwnKeys,
    RateLimits,
    ReleaseFailures,
    ReleaseGate,
    Signals,
    StepUp,
    TokenDescriber,
    TokenRevoker,
)
from application.retrieval.embed_texts import EmbedTexts
from application.retrieval.embedder import Embedder
from application.retrieval.embedding_models import EmbeddingModels, VectorIndex
from application.retrieval.extractor import Extractor
from application.retrieval.feature_history import FeatureHistory
from application.retrieval.guarded_embedder import EmbedderMeter, GuardedEmbedder
from application.retrieval.index_version import IndexVersion
from application.retrieval.list_jobs import ListJobs
from application.retrieval.meaning import Meanings
from application.retrieval.mirror_vectors import MirrorVectors
from application.retrieval.passages import Passages
from application.retrieval.ports import PassageIndex, QueuedJobs, VersionContent, WordIndex
from application.retrieval.reanalyse_versions import ReanalyseVersions
from application.retrieval.reembed_documents import ReembedDocuments
from application.retrieval.reranker import Reranker
from application.retrieval.retry_job import RetryJob
from application.retrieval.sealed_index import HalfVectors, SealedIndex, Stems
from application.retrieval.sealed_search import SealedSearch
from application.retrieval.search import Search, SearchMeter
from application.retrieval.vector_store import VectorChanges, VectorStore
from application.vault.add_document import AddDocument
from application.vault.change_index_mode import ChangeIndexMode
from application.vault.declare_schema import DeclareSchema
from application.vault.describe_collections import DescribeCollections
from application.vault.describe_documents import DescribeDocument, ListDocuments
from application.vault.descriptions import Descriptions
from application.vault.erase_document import EraseDocument
from application.vault.keep_collections import (
    AddCollection,
    DeleteCollection,
    PutInCollection,
    RenameCollection,
    TakeFromCollection,
)
from application.vault.keep_records import KeepRecords
from application.vault.key_service import KeyService, SigningPurpose
from application.vault.keykeeper import Keykeeper
from application.vault.ports import Blobs, Collections, Documents, SchemaChecker, Schemas
from application.vault.read_content import ReadContent
from application.vault.read_record import ReadRecord
from application.vault.replace_content import ReplaceContent
from application.vault.sealed_upload import SealedUpload
from application.vault.weigh_document import WeighDocument
from domain.consent.decision import POLICY_VERSION
from entrypoints import parts
from entrypoints.guardrails import chosen_guardrails
from entrypoints.settings import Settings


class Container(containers.DeclarativeContainer):
    """One flat graph. Each adapter is annotated with its port: the type checker proves the fit."""

    # Settings, and the database that they led to.
    settings: providers.Provider[Settings] = providers.Dependency(instance_of=Settings)
    database: providers.Provider[Database] = providers.Dependency(instance_of=Database)

    # Infrastructure.
    new_id = providers.Object(uuid7)
    engine: providers.Provider[AsyncEngine] = providers.Singleton(
        lambda database: database.engine(APPLICATION), database
    )
    # Tokens and leases do not queue behind requests.
    run_engine: providers.Provider[AsyncEngine] = providers.Singleton(
        lambda database: database.engine(APPLICATION, pool_size=4), database
    )
    sequencer_engine: providers.Provider[AsyncEngine] = providers.Singleton(
        lambda database: database.engine(SEQUENCER, pool_size=2), database
    )
    keykeeper_engine: providers.Provider[AsyncEngine] = providers.Singleton(
        lambda database: database.engine(KEYKEEPER, pool_size=2), database
    )
    keyring: providers.Provider[LocalKeyring] = providers.Singleton(parts.keyring, settings)
    postgres_signals: providers.Provider[PostgresSignals] = providers.Singleton(
        PostgresSignals, database
    )
    embedders: providers.Provider[Sequence[Embedder]] = providers.Singleton(
        parts.embedders, settings
    )
    extraction: providers.Provider[ProcessExtractor] = providers.Singleton(
        parts.extractor, settings
    )
    schema_processes: providers.Provider[ProcessSchemaChecker] = providers.Singleton(
        ProcessSchemaChecker
    )
    rates: providers.Provider[MemoryRateLimits] = providers.Singleton(
        lambda settings: MemoryRateLimits(parts.rates(settings)), settings
    )

    # Adapters, under the names of the ports that they fill.
    key_service: providers.Provider[KeyService] = providers.Singleton(lambda k: k, keyring)
    cipher: providers.Provider[Cipher] = providers.Singleton(AesGcmCipher)
    signals: providers.Provider[Signals] = providers.Singleton(lambda s: s, postgres_signals)
    # The one that is wanted, and those that may still serve: each behind a breaker of its own.
    embedder: providers.Provider[Embedder] = providers.Singleton(lambda e: e[0], embedders)
    prometheus_embedders: providers.Provider[PrometheusEmbedderMeter] = providers.Singleton(
        PrometheusEmbedderMeter
    )
    embedder_meter: providers.Provider[EmbedderMeter] = providers.Singleton(
        lambda m: m, prometheus_embedders
    )
    guarded_embedder: providers.Provider[GuardedEmbedder] = providers.Singleton(
        parts.guarded, embedder, embedder_meter, settings
    )
    other_embedders: providers.Provider[Sequence[GuardedEmbedder]] = providers.Singleton(
        parts.guarded_others, embedders, embedder_meter, settings
    )
    extractor: providers.Provider[Extractor] = providers.Singleton(lambda e: e, extraction)
    key_chain: providers.Provider[KeyChain] = providers.Singleton(
        KeyChain, root=key_service, cipher=cipher
    )
    keys: providers.Provider[PostgresKeys] = providers.Singleton(
        PostgresKeys, chain=key_chain, new_id=new_id
    )
    evidence: providers.Provider[PostgresEvidence] = providers.Singleton(
        PostgresEvidence,
        engine=engine,
        keys=keys,
        boxes=providers.Singleton(HpkeBoxes),
        canonical=providers.Object(canonical_json),
    )
    keykeeper: providers.Provider[Keykeeper] = providers.Singleton(
        PostgresKeykeeper,
        engine=keykeeper_engine,
        chain=key_chain,
        rewrapping=providers.Singleton(Rewrapping, engine=keykeeper_engine, chain=key_chain),
        root=providers.Singleton(
            RootRewrapping,
            engine=keykeeper_engine,
            root=key_service,
            evidence=evidence,
            new_id=new_id,
        ),
        evidence=evidence,
        new_id=new_id,
    )
    # Signing in shows nothing that is protected, and does not wait for the log.
    sign_in_keys: providers.Provider[OwnKeys] = providers.Singleton(
        PostgresOwnKeys, engine=engine, keys=keys
    )
    audit_probe: providers.Provider[PostgresAuditProbe] = providers.Singleton(
        PostgresAuditProbe, engine=run_engine
    )
    log_writable: providers.Provider[LogWritable] = providers.Singleton(lambda p: p, audit_probe)
    own_keys: providers.Provider[OwnKeys] = providers.Singleton(
        LoggedOwnKeys, own_keys=sign_in_keys, log_writable=log_writable
    )
    accounts: providers.Provider[Accounts] = providers.Singleton(PostgresAccounts, engine=engine)
    sessions: providers.Provider[Sessions] = providers.Singleton(PostgresSessions, engine=engine)
    passwords: providers.Provider[Passwords] = providers.Singleton(Argon2idPasswords)
    attempts: providers.Provider[Attempts] = providers.Singleton(lambda r: r, rates)
    rate_limits: providers.Provider[RateLimits] = providers.Singleton(lambda r: r, rates)
    signing_keys: providers.Provider[SigningKeys] = providers.Singleton(
        SigningKeys, signer=key_service
    )
    receipt_keys: providers.Provider[SigningKeys] = providers.Singleton(
        SigningKeys, signer=key_service, purpose=SigningPurpose.RECEIPTS
    )
    service_clients: providers.Provider[ServiceClients] = providers.Singleton(
        PostgresServiceClients, engine=engine, evidence=evidence, new_id=new_id
    )
    client_secrets: providers.Provider[ClientSecrets] = providers.Singleton(
        KeyedClientSecrets, secrets=key_service
    )
    signed_access_tokens: providers.Provider[AccessTokens] = providers.Singleton(
        JwtAccessTokens,
        keys=signing_keys,
        issuer=settings.provided.public_url,
        audience="strongroom",
        new_id=new_id,
        lifetime_seconds=settings.provided.access_token_seconds,
    )
    access_tokens: providers.Provider[AccessTokens] = providers.Singleton(
        HeldAccessTokens, tokens=signed_access_tokens, clients=service_clients
    )
    refresh_tokens: providers.Provider[OpaqueTokens] = providers.Singleton(
        PrefixedTokens, prefix=REFRESH
    )
    one_time_codes: providers.Provider[OneTimeCodes] = providers.Singleton(PyotpCodes)
    recovery_codes: providers.Provider[RecoveryCodes] = providers.Singleton(RandomRecoveryCodes)
    second_factors: providers.Provider[SecondFactors] = providers.Singleton(
        PostgresSecondFactors, engine=engine, keys=keys
    )
    consents: providers.Provider[Consents] = providers.Singleton(
        PostgresConsents, engine=engine, evidence=evidence, new_id=new_id
    )
    links: providers.Provider[Links] = providers.Singleton(
        PostgresLinks, engine=engine, evidence=evidence, new_id=new_id
    )
    grant_tokens: providers.Provider[GrantTokens] = providers.Singleton(
        PostgresGrantTokens, engine=engine
    )
    link_token_form: providers.Provider[OpaqueTokens] = providers.Singleton(
        PrefixedTokens, prefix=LINK
    )
    grant_token_form: providers.Provider[OpaqueTokens] = providers.Singleton(
        PrefixedTokens, prefix=GRANT
    )
    pass_codes: providers.Provider[PassCodes] = providers.Singleton(
        HashedPassCodes, passwords=passwords
    )
    purposes: providers.Provider[Purposes] = providers.Singleton(
        PostgresPurposes, engine=engine, evidence=evidence, new_id=new_id
    )
    withdrawal_policies: providers.Provider[WithdrawalPolicies] = providers.Singleton(
        PostgresWithdrawalPolicies, engine=engine, evidence=evidence, new_id=new_id
    )
    releases_together = providers.Singleton(ReleasesTogether, engine=engine)
    releases: providers.Provider[Releases] = providers.Singleton(
        PostgresReleases,
        engine=engine,
        keys=keys,
        evidence=evidence,
        together=releases_together,
    )
    receipts: providers.Provider[ReceiptSigner] = providers.Singleton(
        JwsReceipts, keys=receipt_keys, issuer=settings.provided.public_url
    )
    documents: providers.Provider[Documents] = providers.Singleton(
        PostgresDocuments, engine=engine, keys=keys, evidence=evidence, new_id=new_id
    )
    collections: providers.Provider[Collections] = providers.Singleton(
        PostgresCollections, engine=engine, keys=keys, evidence=evidence, new_id=new_id
    )
    schemas: providers.Provider[Schemas] = providers.Singleton(PostgresSchemas, engine=engine)
    schema_checker: providers.Provider[SchemaChecker] = providers.Singleton(
        lambda c: c, schema_processes
    )
    blobs: providers.Provider[Blobs] = providers.Singleton(PostgresBlobs, engine=engine)
    vector_store: providers.Provider[VectorStore | None] = providers.Singleton(
        parts.vector_store, settings, embedder
    )
    vector_changes: providers.Provider[VectorChanges] = providers.Singleton(
        PostgresVectorChanges, engine=engine
    )
    mirror_vectors = providers.Singleton(
        MirrorVectors, changes=vector_changes, store=vector_store, model=embedder.provided.model
    )
    reranker: providers.Provider[Reranker | None] = providers.Singleton(parts.reranker, settings)
    passages: providers.Provider[Passages] = providers.Singleton(
        PostgresPassages,
        engine=engine,
        route=providers.Singleton(
            VectorRoute, exact_passages_max=settings.provided.search_exact_passages_max
        ),
        saturation=settings.provided.search_saturation,
        length_weight=settings.provided.search_length_weight,
    )
    sealed_index: providers.Provider[SealedIndex] = providers.Singleton(
        PostgresSealedIndex, engine=engine
    )
    stems: providers.Provider[Stems] = providers.Singleton(SnowballStems)
    half_vectors: providers.Provider[HalfVectors] = providers.Singleton(NumpyHalfVectors)
    prometheus_searches: providers.Provider[PrometheusSearchMeter] = providers.Singleton(
        PrometheusSearchMeter
    )
    search_meter: providers.Provider[SearchMeter] = providers.Singleton(
        lambda m: m, prometheus_searches
    )
    word_index: providers.Provider[WordIndex] = providers.Singleton(
        PostgresWordIndex, engine=engine
    )
    passage_index: providers.Provider[PassageIndex] = providers.Singleton(
        PostgresPassageIndex, engine=engine
    )
    queued_jobs: providers.Provider[QueuedJobs] = providers.Singleton(
        PostgresQueuedJobs, engine=engine, evidence=evidence, new_id=new_id
    )
    process_id = providers.Singleton(uuid7)
    postgres_vectors: providers.Provider[PostgresVectorIndex] = providers.Singleton(
        PostgresVectorIndex,
        engine=engine,
        salt=providers.Singleton(lambda process_id: process_id.int & 0x7FFFFFFF, process_id),
    )
    vector_index: providers.Provider[VectorIndex] = providers.Singleton(
        lambda v: v, postgres_vectors
    )
    postgres_models: providers.Provider[PostgresEmbeddingModels] = providers.Singleton(
        PostgresEmbeddingModels, engine=engine, reader_id=process_id
    )
    embedding_models: providers.Provider[EmbeddingModels] = providers.Singleton(
        lambda m: m, postgres_models
    )

    chats: providers.Provider[Chats] = providers.Singleton(PostgresChats, engine=engine, keys=keys)
    run_events: providers.Provider[RunEvents] = providers.Singleton(
        PostgresRunEvents, engine=engine
    )
    kept_answers: providers.Provider[KeptAnswers] = providers.Singleton(
        PostgresKeptAnswers, engine=engine
    )
    live_runs: providers.Provider[LiveRuns] = providers.Singleton(LiveRuns)
    leases: providers.Provider[Leases] = providers.Singleton(
        PostgresLeases, engine=run_engine, signals=postgres_signals
    )
    run_logs: providers.Provider[RunLogs] = providers.Singleton(
        PostgresRunWriter,
        engine=run_engine,
        signals=postgres_signals,
        live=live_runs,
        cipher=cipher,
        lease_seconds=settings.provided.run_lease_seconds,
    )
    chain: providers.Provider[ModelChain] = providers.Singleton(parts.chain, settings)
    model_choices: providers.Provider[ModelChoices] = providers.Singleton(
        PostgresModelChoices, engine=engine, evidence=evidence, new_id=new_id
    )
    chain_of = providers.Singleton(ChainOf, deployment=chain, choices=model_choices)
    choose_models = providers.Singleton(ChooseModels, deployment=chain, choices=model_choices)
    model_health: providers.Provider[ModelHealth] = providers.Singleton(parts.health, settings)
    prometheus_models: providers.Provider[PrometheusModelMeter] = providers.Singleton(
        PrometheusModelMeter
    )
    model_meter: providers.Provider[ModelMeter] = providers.Singleton(
        lambda m: m, prometheus_models
    )
    spending: providers.Provider[Spending] = providers.Singleton(
        PostgresSpending, engine=engine, currency=chain.provided.prices.currency
    )
    guardrails: providers.Provider[Guardrails] = providers.Singleton(chosen_guardrails, settings)
    log: providers.Provider[Log] = providers.Singleton(PostgresLog, engine=sequencer_engine)
    audit_trail: providers.Provider[AuditTrail] = providers.Singleton(
        PostgresAuditTrail, engine=engine, evidence=evidence
    )
    log_signer: providers.Provider[LogSigner] = providers.Singleton(
        KeyServiceLogSigner, signer=key_service
    )

    # The restore fence.
    endings = providers.Singleton(PostgresEndings, engine=keykeeper_engine)
    spent_tokens = providers.Singleton(PostgresSpentTokens, engine=engine)
    ending_journal: providers.Provider[EndingJournal] = providers.Singleton(
        EndingJournalFile, directory=settings.provided.fence_directory, secrets=key_service
    )
    keep_endings = providers.Singleton(
        KeepEndings, endings=endings, journal=ending_journal, trail=audit_trail
    )
    endings_kept: providers.Provider[EndingsKept] = providers.Singleton(lambda k: k, keep_endings)
    look_at_fence = providers.Singleton(
        LookAtFence,
        endings=endings,
        journal=ending_journal,
        trail=audit_trail,
        signer=log_signer,
        verify=providers.Object(ed25519_verify),
    )
    restorations: providers.Provider[Restorations] = providers.Singleton(
        PostgresRestorations,
        engine=keykeeper_engine,
        sealing=evidence.provided.for_operators,
        new_id=new_id,
    )
    accept_lost_entries = providers.Singleton(
        AcceptLostEntries, journal=ending_journal, trail=audit_trail, restorations=restorations
    )

    # Use cases.
    release_failures: providers.Provider[ReleaseFailures] = providers.Singleton(
        LogFailures, releases=releases, new_id=new_id
    )
    release_content = providers.Singleton(
        ReleaseContent,
        releases=releases,
        failures=release_failures,
        new_id=new_id,
        gate_seconds_max=settings.provided.gate_seconds_max,
    )
    gate: providers.Provider[ReleaseGate] = providers.Singleton(
        TracedReleaseGate, gate=release_content
    )
    lifetime = providers.Singleton(
        lambda days: timedelta(days=days), settings.provided.refresh_token_days
    )
    sign_up = providers.Singleton(
        SignUp, accounts=accounts, passwords=passwords, limits=attempts, new_id=new_id
    )
    time_codes = providers.Singleton(
        TimeCodes, own_keys=sign_in_keys, cipher=cipher, codes=one_time_codes
    )
    step_up: providers.Provider[StepUp] = providers.Singleton(
        CheckCode,
        second_factors=second_factors,
        time_codes=time_codes,
        recovery_codes=recovery_codes,
        attempts=attempts,
    )
    enrol_totp = providers.Singleton(
        EnrolTotp,
        accounts=accounts,
        second_factors=second_factors,
        time_codes=time_codes,
        codes=one_time_codes,
        cipher=cipher,
        new_id=new_id,
    )
    confirm_totp = providers.Singleton(
        ConfirmTotp,
        second_factors=second_factors,
        time_codes=time_codes,
        recovery_codes=recovery_codes,
        attempts=attempts,
    )
    remove_totp = providers.Singleton(RemoveTotp, second_factors=second_factors, step_up=step_up)
    step_up_session = providers.Singleton(
        StepUpSession, sessions=sessions, access_tokens=access_tokens, step_up=step_up
    )
    sign_in = providers.Singleton(
        SignIn,
        accounts=accounts,
        sessions=sessions,
        passwords=passwords,
        access_tokens=access_tokens,
        refresh_tokens=refresh_tokens,
        step_up=step_up,
        attempts=attempts,
        new_id=new_id,
        refresh_token_lifetime=lifetime,
    )
    refresh_session = providers.Singleton(
        RefreshSession,
        sessions=sessions,
        access_tokens=access_tokens,
        refresh_tokens=refresh_tokens,
        refresh_token_lifetime=lifetime,
    )
    sign_out = providers.Singleton(SignOut, sessions=sessions)
    revoke_grant_token: providers.Provider[TokenRevoker] = providers.Singleton(
        RevokeGrantToken,
        tokens=grant_token_form,
        grant_tokens=grant_tokens,
        endings_kept=endings_kept,
    )
    revoke_token = providers.Singleton(
        RevokeToken,
        sessions=sessions,
        refresh_tokens=refresh_tokens,
        others=providers.Singleton(lambda *others: others, revoke_grant_token),
    )
    describe_access_token: providers.Provider[TokenDescriber] = providers.Singleton(
        DescribeAccessToken, access_tokens=access_tokens, sessions=sessions
    )
    describe_refresh_token: providers.Provider[TokenDescriber] = providers.Singleton(
        DescribeRefreshToken, refresh_tokens=refresh_tokens, sessions=sessions
    )
    hold_grant_token = providers.Singleton(
        HoldGrantToken, tokens=grant_token_form, grant_tokens=grant_tokens
    )
    describe_grant_token: providers.Provider[TokenDescriber] = providers.Singleton(
        DescribeGrantToken, hold_grant_token=hold_grant_token
    )
    introspect_token = providers.Singleton(
        IntrospectToken,
        describers=providers.Singleton(
            lambda *describers: describers,
            describe_access_token,
            describe_refresh_token,
            describe_grant_token,
        ),
    )
    grant_client_token = providers.Singleton(
        GrantClientToken,
        clients=service_clients,
        secrets=client_secrets,
        access_tokens=access_tokens,
        limits=rate_limits,
    )
    make_service_client = providers.Singleton(
        MakeServiceClient, clients=service_clients, secrets=client_secrets, new_id=new_id
    )
    rotate_client_secret = providers.Singleton(
        RotateClientSecret,
        clients=service_clients,
        secrets=client_secrets,
        endings_kept=endings_kept,
        new_id=new_id,
    )
    revoke_service_client = providers.Singleton(
        RevokeServiceClient, clients=service_clients, endings_kept=endings_kept
    )
    list_service_clients = providers.Singleton(ListServiceClients, clients=service_clients)
    show_service_client = providers.Singleton(ShowServiceClient, clients=service_clients)
    set_role = providers.Singleton(SetRole, accounts=accounts)
    controller = providers.Singleton(parts.controller, settings)
    agreement = providers.Singleton(
        Agreement, receipts=receipts, new_id=new_id, controller=controller
    )
    approval = providers.Singleton(Approval, consents=consents, step_up=step_up)
    give_grant = providers.Singleton(
        GiveGrant, consents=consents, agreement=agreement, approval=approval, new_id=new_id
    )
    tell_notice = providers.Singleton(TellNotice, give_grant=give_grant, limits=rate_limits)
    request_access = providers.Singleton(
        RequestAccess, consents=consents, agreement=agreement, limits=rate_limits, new_id=new_id
    )
    approve_request = providers.Singleton(
        ApproveRequest, consents=consents, agreement=agreement, approval=approval, new_id=new_id
    )
    refuse_request = providers.Singleton(
        RefuseRequest, consents=consents, agreement=agreement, new_id=new_id
    )
    renew_consent = providers.Singleton(
        RenewConsent, consents=consents, agreement=agreement, approval=approval, new_id=new_id
    )
    expire_consents = providers.Singleton(ExpireConsents, consents=consents)
    register_purpose = providers.Singleton(RegisterPurpose, purposes=purposes)
    name_purpose = providers.Singleton(NamePurpose, purposes=purposes)
    set_withdrawal_policy = providers.Singleton(SetWithdrawalPolicy, policies=withdrawal_policies)
    export_consent = providers.Singleton(ExportConsent, consents=consents, controller=controller)
    show_receipt = providers.Singleton(ShowReceipt, consents=consents, receipts=receipts)
    withdraw_consent = providers.Singleton(
        WithdrawConsent,
        consents=consents,
        receipts=receipts,
        endings_kept=endings_kept,
        new_id=new_id,
    )
    revoke_grant = providers.Singleton(
        RevokeGrant, consents=consents, withdraw_consent=withdraw_consent
    )
    share_by_link = providers.Singleton(
        ShareByLink,
        consents=consents,
        give_grant=give_grant,
        approval=approval,
        tokens=link_token_form,
        pass_codes=pass_codes,
        new_id=new_id,
    )
    exchange_token = providers.Singleton(
        ExchangeToken,
        consents=consents,
        give_grant=give_grant,
        tokens=grant_token_form,
        new_id=new_id,
    )
    redeem_link = providers.Singleton(
        RedeemLink,
        links=links,
        link_tokens=link_token_form,
        grant_tokens=grant_token_form,
        pass_codes=pass_codes,
        limits=rate_limits,
        endings_kept=endings_kept,
    )
    revoke_link = providers.Singleton(RevokeLink, links=links, revoke_grant=revoke_grant)
    descriptions = providers.Singleton(Descriptions, cipher=cipher)
    sealed_upload = providers.Singleton(
        SealedUpload,
        blobs=blobs,
        cipher=cipher,
        type_of=providers.Object(media_type_of),
        why_unsupported=providers.Object(why_unsupported),
        bytes_max=settings.provided.upload_bytes_max,
    )
    add_document = providers.Singleton(
        AddDocument,
        documents=documents,
        blobs=blobs,
        upload=sealed_upload,
        cipher=cipher,
        descriptions=descriptions,
        new_id=new_id,
    )
    replace_content = providers.Singleton(
        ReplaceContent,
        documents=documents,
        blobs=blobs,
        upload=sealed_upload,
        cipher=cipher,
        new_id=new_id,
    )
    weigh_document = providers.Singleton(
        WeighDocument, documents=documents, log_writable=log_writable
    )
    read_content = providers.Singleton(
        ReadContent,
        documents=documents,
        blobs=blobs,
        cipher=cipher,
        gate=gate,
        failures=release_failures,
        leases=leases,
    )
    describe_document = providers.Singleton(
        DescribeDocument,
        documents=documents,
        own_keys=own_keys,
        gate=gate,
        failures=release_failures,
        descriptions=descriptions,
    )
    list_documents = providers.Singleton(
        ListDocuments, documents=documents, own_keys=own_keys, descriptions=descriptions
    )
    backup_retention = providers.Singleton(
        lambda days: timedelta(days=days), settings.provided.backup_retention_days
    )
    erase_document = providers.Singleton(
        EraseDocument,
        documents=documents,
        receipts=receipts,
        endings_kept=endings_kept,
        new_id=new_id,
        backup_retention=backup_retention,
    )
    change_index_mode = providers.Singleton(ChangeIndexMode, documents=documents)
    person_erasure: providers.Provider[PersonErasure] = providers.Singleton(
        PostgresPersonErasure, engine=engine, evidence=evidence, new_id=new_id
    )
    erase_principal = providers.Singleton(
        ErasePrincipal,
        people=person_erasure,
        receipts=receipts,
        endings_kept=endings_kept,
        new_id=new_id,
        backup_retention=backup_retention,
    )
    erase_account = providers.Singleton(
        EraseAccount,
        accounts=accounts,
        erase=erase_principal,
        passwords=passwords,
        step_up=step_up,
        attempts=attempts,
    )
    erase_service_client = providers.Singleton(
        EraseServiceClient, clients=service_clients, erase=erase_principal
    )
    add_collection = providers.Singleton(
        AddCollection,
        collections=collections,
        log_writable=log_writable,
        cipher=cipher,
        new_id=new_id,
    )
    rename_collection = providers.Singleton(
        RenameCollection, collections=collections, own_keys=own_keys, cipher=cipher
    )
    put_in_collection = providers.Singleton(PutInCollection, collections=collections)
    take_from_collection = providers.Singleton(
        TakeFromCollection, collections=collections, endings_kept=endings_kept
    )
    delete_collection = providers.Singleton(
        DeleteCollection, collections=collections, endings_kept=endings_kept
    )
    describe_collections = providers.Singleton(
        DescribeCollections, collections=collections, own_keys=own_keys, cipher=cipher
    )
    read_record = providers.Singleton(
        ReadRecord,
        documents=documents,
        blobs=blobs,
        cipher=cipher,
        descriptions=descriptions,
        gate=gate,
        failures=release_failures,
    )
    keep_records = providers.Singleton(
        KeepRecords,
        documents=documents,
        blobs=blobs,
        schemas=schemas,
        checker=schema_checker,
        read_record=read_record,
        cipher=cipher,
        descriptions=descriptions,
        new_id=new_id,
    )
    declare_schema = providers.Singleton(DeclareSchema, schemas=schemas, checker=schema_checker)
    version_content: providers.Provider[VersionContent] = providers.Singleton(
        VaultContent,
        documents=documents,
        schemas=schemas,
        blobs=blobs,
        read_content=read_content,
        descriptions=descriptions,
        cipher=cipher,
        new_id=new_id,
        bytes_max=settings.provided.extraction_bytes_max,
    )
    index_version = providers.Singleton(
        IndexVersion,
        content=version_content,
        extractor=extractor,
        embedder=guarded_embedder,
        others=other_embedders,
        index=passage_index,
        cipher=cipher,
        stems=stems,
        half_vectors=half_vectors,
    )
    list_jobs = providers.Singleton(ListJobs, jobs=queued_jobs)
    retry_job = providers.Singleton(RetryJob, jobs=queued_jobs)
    reembed_documents = providers.Singleton(
        ReembedDocuments,
        models=embedding_models,
        index=vector_index,
        gate=gate,
        failures=release_failures,
        cipher=cipher,
        half_vectors=half_vectors,
        embedder=guarded_embedder,
        others=other_embedders,
    )
    reanalyse_versions = providers.Singleton(
        ReanalyseVersions, index=word_index, gate=gate, failures=release_failures, cipher=cipher
    )
    sealed_search = providers.Singleton(
        SealedSearch,
        index=sealed_index,
        gate=gate,
        failures=release_failures,
        cipher=cipher,
        stems=stems,
        half_vectors=half_vectors,
        passages_max=settings.provided.search_sealed_passages_max,
        documents_max=settings.provided.search_sealed_documents_max,
        saturation=settings.provided.search_saturation,
        length_weight=settings.provided.search_length_weight,
    )
    search = providers.Singleton(
        Search,
        meanings=providers.Singleton(Meanings, embedder=guarded_embedder, others=other_embedders),
        meter=search_meter,
        passages=passages,
        sealed=sealed_search,
        half_vectors=half_vectors,
        gate=gate,
        failures=release_failures,
        cipher=cipher,
        semantic_weight=settings.provided.search_semantic_weight,
        feedback_weight=settings.provided.search_feedback_weight,
        feature_weights=settings.provided.search_feature_weights,
        reranker=reranker,
        vectors=vector_store,
        compared_max=settings.provided.search_exact_passages_max,
        rerank_passages=settings.provided.reranker_passages,
    )
    feature_history: providers.Provider[FeatureHistory] = providers.Singleton(
        PostgresFeatureHistory, engine=engine
    )
    embed_texts = providers.Singleton(EmbedTexts, embedder=guarded_embedder, limits=rate_limits)
    excerpts: providers.Provider[ExcerptSource] = providers.Singleton(
        SearchedExcerpts, search=search
    )
    answer_limits = providers.Singleton(parts.answer_limits, settings)
    answer_question = providers.Singleton(
        AnswerQuestion,
        chats=chats,
        excerpts=excerpts,
        chain_of=chain_of,
        health=model_health,
        spending=spending,
        settle_calls=providers.Singleton(SettleCalls, spending=spending, meter=model_meter),
        guardrails=guardrails,
        cipher=cipher,
        limits=answer_limits,
        chance=providers.Object(random.random),
        policy_version=POLICY_VERSION,
    )
    run_executor: providers.Provider[RunExecutor] = providers.Singleton(
        RunExecutor,
        answer=answer_question,
        logs=run_logs,
        runs_at_once=settings.provided.runs_at_once,
    )
    start_conversation = providers.Singleton(
        StartConversation, chats=chats, log_writable=log_writable, cipher=cipher, new_id=new_id
    )
    reserve_answer = providers.Singleton(ReserveAnswer, limits=answer_limits, spending=spending)
    ask_question = providers.Singleton(
        AskQuestion,
        chats=chats,
        own_keys=own_keys,
        cipher=cipher,
        starter=run_executor,
        new_id=new_id,
        chain_of=chain_of,
        reserve_answer=reserve_answer,
        rates=rate_limits,
        queue=providers.Singleton(
            QueueLimits,
            waiting_max=settings.provided.queued_questions_max,
            seconds_max=settings.provided.queued_seconds_max,
        ),
        lease_seconds=settings.provided.run_lease_seconds,
    )
    answer_again = providers.Singleton(
        AnswerAgain, chats=chats, own_keys=own_keys, cipher=cipher, ask_question=ask_question
    )
    select_branch = providers.Singleton(SelectBranch, chats=chats)
    follow_run = providers.Singleton(
        FollowRun,
        chats=chats,
        looks=providers.Singleton(SharedLooks, stored=run_events),
        live=live_runs,
        signals=signals,
        own_keys=own_keys,
        cipher=cipher,
    )
    explain_answer = providers.Singleton(
        ExplainAnswer, kept=kept_answers, own_keys=own_keys, cipher=cipher
    )
    end_queued_run = providers.Singleton(
        EndQueuedRun, chats=chats, own_keys=own_keys, cipher=cipher
    )
    cancel_run = providers.Singleton(CancelRun, chats=chats, end_queued_run=end_queued_run)
    start_queued_runs = providers.Singleton(
        StartQueuedRuns,
        chats=chats,
        stored=run_events,
        own_keys=own_keys,
        cipher=cipher,
        starter=run_executor,
        end_queued_run=end_queued_run,
        lease_seconds=settings.provided.run_lease_seconds,
    )
    read_conversations = providers.Singleton(
        ReadConversations, chats=chats, own_keys=own_keys, cipher=cipher
    )
    delete_conversation = providers.Singleton(
        DeleteConversation, chats=chats, log_writable=log_writable, endings_kept=endings_kept
    )
    ask_anew = providers.Singleton(
        AskAnew,
        start_conversation=start_conversation,
        ask_question=ask_question,
        reserve_answer=reserve_answer,
        delete_conversation=delete_conversation,
    )
    named_conversations = providers.Singleton(
        NamedConversations, chats=chats, start_conversation=start_conversation
    )
    fail_abandoned_runs = providers.Singleton(
        FailAbandonedRuns, chats=chats, stored=run_events, own_keys=own_keys, cipher=cipher
    )
    release_reservations = providers.Singleton(ReleaseReservations, spending=spending)
    integrate_entries = providers.Singleton(
        IntegrateEntries,
        log=log,
        signer=log_signer,
        canonical=providers.Object(canonical_json),
        verify=providers.Object(ed25519_verify),
    )
    list_accesses = providers.Singleton(ListAccesses, trail=audit_trail)
    list_denials = providers.Singleton(ListDenials, trail=audit_trail)
    bundle_accesses = providers.Singleton(BundleAccesses, trail=audit_trail)
    prove_entry = providers.Singleton(ProveEntry, trail=audit_trail)
    prove_releases = providers.Singleton(ProveReleases, trail=audit_trail)
    attest_answer = providers.Singleton(
        AttestAnswer, signer=log_signer, canonical=providers.Object(canonical_json)
    )
    promise_entry = providers.Singleton(
        PromiseEntry,
        trail=audit_trail,
        signer=log_signer,
        canonical=providers.Object(canonical_json),
        within=settings.provided.max_merge_delay,
    )
    accept_cosignatures = providers.Singleton(
        AcceptCosignatures,
        trail=audit_trail,
        signer=log_signer,
        verify=providers.Object(ed25519_verify),
        witnesses=settings.provided.witnesses,
    )
    prove_checkpoint = providers.Singleton(
        ProveCheckpoint, trail=audit_trail, prove_entry=prove_entry
    )
    checkpoint_log = providers.Singleton(
        PostgresCheckpointLog,
        engine=engine,
        sealing=providers.Singleton(lambda e: e.for_operators, evidence),
    )
    prove_consistency = providers.Singleton(ProveConsistency, trail=audit_trail)
