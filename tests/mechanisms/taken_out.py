"""What each invariant rests on, how that is taken out, and the test that must fail then.

The numbers are those of the invariants: 1 order of a conversation, 2 resuming, 3 once under a key,
5 the log fails closed, 6 the log is not rewritten, 7 isolation and authorization, 8 citations, 9
counted uses, 10 revocation, 11 consent inside search, 12 ciphertexts in their place, 13 rotation,
14 erasure, 19 secrets, 20 nothing is told of what is hidden, 22 the ledger is what was enforced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """`old` stands in the file exactly once."""

    file: str
    old: str
    new: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """`test` is one of pytest's names: of a test, a file or a directory."""

    invariant: int
    what: str
    taken_out: Sequence[Edit]
    test: str


_TOGETHER = "migrations/sql/0033_releases_together.sql"
_GRANTS = "migrations/sql/0002_grants.sql"
_RELEASE = "migrations/sql/0029_release_in_one_statement.sql"
_GATE = "tests/integration/consent/test_gate.py::test_"
_RUNS = "tests/integration/chat/test_runs.py::test_"
_SQL = "src/adapters/postgres/sql"
_ASSURANCE = "tests/integration/chat/test_assurance_of_readers.py::test_"

MECHANISMS = (
    Mechanism(
        invariant=1,
        what="a conversation's row is locked before its messages are numbered",
        taken_out=[
            Edit(
                file="src/adapters/postgres/chat.py",
                old="        if lock:\n",
                new="        if lock and not self:\n",
            )
        ],
        test=_RUNS + "sequences_have_no_gaps_under_thirty_two_writers",
    ),
    Mechanism(
        invariant=2,
        what="a reader asks for what comes after the number that it has",
        taken_out=[
            Edit(
                file="src/application/chat/follow_run.py",
                old="after=number)\n        if page",
                new="after=max(0, number - 1))\n        if page",
            )
        ],
        test=_RUNS + "a_stream_cut_anywhere_goes_on_to_the_byte_in_this_and_in_another_process",
    ),
    Mechanism(
        invariant=3,
        what="a request under a key takes effect once",
        taken_out=[
            Edit(
                file="src/adapters/postgres/idempotency.py",
                old="    if inserted.rowcount == 1:\n",
                new="    if inserted.rowcount >= 0:\n",
            )
        ],
        test=_RUNS + "sixteen_at_once_with_one_key_are_one_question",
    ),
    Mechanism(
        invariant=5,
        what="no key without a release",
        taken_out=[
            Edit(
                file=_TOGETHER,
                old="AND e.actor_id = asked.person\n",
                new="\n",
            )
        ],
        test=_GATE + "nobody_else_takes_the_keys_of_a_release",
    ),
    Mechanism(
        invariant=5,
        what="no key before its release is committed",
        taken_out=[
            Edit(file=_TOGETHER, old="      AND e.transaction_id <> pg_current_xact_id()\n")
        ],
        test=_GATE + "keys_are_not_to_be_had_before_the_release_is_committed",
    ),
    Mechanism(
        invariant=5,
        what="the keys of a release are taken once",
        taken_out=[
            Edit(
                file=_TOGETHER,
                old="    INSERT INTO audit_takes (tenant_id, event_id)"
                "  -- a second take fails here\n    SELECT tenant",
                new="    PERFORM tenant",
            )
        ],
        test=_GATE + "a_release_opens_its_keys_once",
    ),
    Mechanism(
        invariant=5,
        what="nothing is added to a release once it is committed",
        taken_out=[
            Edit(
                file=_TOGETHER,
                old="             AND r.transaction_id = e.transaction_id  -- nothing is added",
                new="  --",
            )
        ],
        test=_GATE + "nothing_is_added_to_a_release_afterwards",
    ),
    Mechanism(
        invariant=5,
        what="a log that hangs is waited for a bounded time",
        taken_out=[
            Edit(
                file="src/application/consent/release_content.py",
                old="asyncio.timeout(self.gate_seconds_max)",
                new="asyncio.timeout(None)",
            )
        ],
        test=_GATE + "an_audit_that_hangs_discloses_nothing_and_is_bounded",
    ),
    Mechanism(
        invariant=6,
        what="a leaf is in the tree whose root was signed",
        taken_out=[
            Edit(
                file="src/entrypoints/verifier/entry.py",
                old="    require(included, ",
                new="    require(True, ",
            )
        ],
        test="tests/unit/entrypoints/verifier/test_verify_command.py",
    ),
    Mechanism(
        invariant=6,
        what="a checkpoint begins with exactly the kept one",
        taken_out=[
            Edit(
                file="src/entrypoints/verifier/history.py",
                old="        is_consistent(\n",
                new="        True or is_consistent(\n",
            )
        ],
        test="tests/integration/audit/test_witnesses.py",
    ),
    Mechanism(
        invariant=6,
        what="a witness signs only what was held against what it signed last",
        taken_out=[
            Edit(
                file="src/entrypoints/verifier/witness.py",
                old="            if self.last(log) != after:\n",
                new="            if False:\n",
            )
        ],
        test="tests/unit/entrypoints/verifier/test_overlapping_witnesses.py",
    ),
    Mechanism(
        invariant=6,
        what="the evidence of releases is held against each other",
        taken_out=[
            Edit(
                file="src/entrypoints/verifier/bundle.py",
                old="            self.testimony.add(checked, document)\n",
            )
        ],
        test="tests/integration/audit/test_bundles.py"
        "::test_made_up_evidence_contradicts_that_of_others",
    ),
    Mechanism(
        invariant=6,
        what="a decision that was not made again is not said to hold",
        taken_out=[
            Edit(
                file="src/entrypoints/verifier/bundle.py",
                old="            findings.unexplained(self.unexplained)\n",
                new="            pass\n",
            )
        ],
        test="tests/integration/audit/test_bundles.py"
        "::test_evidence_that_is_left_out_or_empty_does_not_pass_for_a_decision",
    ),
    Mechanism(
        invariant=7,
        what="a run is its owner's",
        taken_out=[
            Edit(
                file="src/adapters/postgres/chat_rows.py",
                old="            runs.c.owner_id == caller.person_id,\n",
            )
        ],
        test=_RUNS + "a_run_is_nobody_elses",
    ),
    Mechanism(
        invariant=7,
        what="row-level security binds the owner of a table as well",
        taken_out=[
            Edit(
                file=_GRANTS,
                old="    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', name);\n",
            )
        ],
        test="tests/integration/test_isolation.py",
    ),
    Mechanism(
        invariant=7,
        what="the models that a tenant has chosen are asked for anew for each answer",
        taken_out=[
            Edit(
                file="src/application/chat/model_choices.py",
                old="await self.choices.find(caller, task)",
                new='globals().setdefault("once", {}).setdefault('
                "caller.tenant_id, await self.choices.find(caller, task))",
            )
        ],
        test="tests/integration/running/test_chosen_models_of_two_processes.py"
        "::test_the_next_answer_on_the_other_process_is_made_by_what_was_chosen",
    ),
    Mechanism(
        invariant=8,
        what="a quote is verified where its bytes stand in the text",
        taken_out=[
            Edit(
                file="src/domain/chat/citation.py",
                old="    if excerpt is None or not _stands_at(excerpt, start, end, quote):\n",
                new="    if excerpt is None:\n",
            )
        ],
        test="tests/unit/domain/chat/test_citations.py",
    ),
    Mechanism(
        invariant=9,
        what="a use is taken only where there is one",
        taken_out=[
            Edit(
                file=_RELEASE,
                old="          AND (g.uses_left IS NULL OR g.uses_left > 0)\n"
                "          AND (g.interval_uses IS NULL OR j.",
                new="          AND (g.interval_uses IS NULL OR j.",
            ),
            Edit(
                file=_RELEASE,
                old="g.is_counted AND g.revoked_at IS NULL\n"
                "          AND (g.uses_left IS NULL OR g.uses_left > 0)\n",
                new="g.is_counted AND g.revoked_at IS NULL\n",
            ),
        ],
        test=_GATE + "a_grant_for_some_uses_opens_exactly_that_often",
    ),
    Mechanism(
        invariant=9,
        what="the database refuses a child grant with actions that its parent has not",
        taken_out=[Edit(file=_GRANTS, old="        AND NEW.actions <@ parent.actions\n")],
        test="tests/integration/consent/test_sharing_onward.py",
    ),
    Mechanism(
        invariant=9,
        what="each redemption of a link is kept beside the database",
        taken_out=[
            Edit(
                file="migrations/sql/0040_every_redemption.sql",
                old="NEW.redemptions_left < OLD.redemptions_left",
                new="NEW.redemptions_left < 0",
            )
        ],
        test="tests/integration/audit/test_restore_fence.py"
        "::test_each_redemption_of_a_link_is_kept_and_taken_again",
    ),
    Mechanism(
        invariant=10,
        what="a reader holds its grant FOR SHARE until its release is committed",
        taken_out=[
            Edit(
                file=_RELEASE,
                old="        ORDER BY g.id\n        FOR SHARE;\n",
                new="        ORDER BY g.id;\n",
            )
        ],
        test=_GATE + "a_withdrawal_is_not_acknowledged_while_a_release_is_written",
    ),
    Mechanism(
        invariant=10,
        what="what was decided on is looked at once more where the release is written",
        taken_out=[Edit(file=_RELEASE, old="    IF NOT stands THEN\n", new="    IF false THEN\n")],
        test=_GATE + "what_changes_between_asking_and_releasing_is_not_released",
    ),
    Mechanism(
        invariant=10,
        what="readers whose releases are written together hold their grants as long",
        taken_out=[
            Edit(
                file=_TOGETHER,
                old="          FOR SHARE SKIP LOCKED) AS h;",
                new="          ) AS h;",
            )
        ],
        test=_GATE + "a_withdrawal_is_not_acknowledged_while_a_release_is_written",
    ),
    Mechanism(
        invariant=10,
        what="of releases that are written together, what does not stand is left out",
        taken_out=[
            Edit(file=_TOGETHER, old="    RETURN left_out;\n", new="    RETURN '{}';\n"),
            Edit(
                file=_TOGETHER,
                old="        WHERE w.document <> ALL (found_documents)\n",
                new="        WHERE false\n",
            ),
            Edit(file=_TOGETHER, old="AND f.item = w.item)\n", new=")\n AND false\n"),
            Edit(file=_TOGETHER, old="AND f.epoch = w.epoch));\n", new=") AND false);\n"),
        ],
        test=_GATE + "what_changes_between_asking_and_releasing_is_not_released",
    ),
    Mechanism(
        invariant=10,
        what="each commit of an answer looks at the grants that it rests on",
        taken_out=[
            Edit(
                file=f"{_SQL}/append_run_events.sql",
                old="AND NOT j.closed AND NOT j.erased\n",
                new="AND NOT j.erased\n",
            ),
            Edit(
                file=f"{_SQL}/append_run_events.sql",
                old="WHERE j.state = 'running' AND (j.closed OR j.erased)\n",
                new="WHERE j.state = 'running' AND j.erased\n",
            ),
        ],
        test="tests/integration/chat/test_taking_back.py",
    ),
    Mechanism(
        invariant=10,
        what="a withdrawal reaches the answers that are written",
        taken_out=[
            Edit(
                file="src/adapters/postgres/tombstones.py",
                old='        "grants": list(grants),\n',
                new='        "grants": list(grants)[:0],\n',
            )
        ],
        test="tests/integration/chat/test_taking_back.py",
    ),
    Mechanism(
        invariant=10,
        what="what was answered for one purpose goes into no prompt for another",
        taken_out=[
            Edit(file=f"{_SQL}/earlier_messages.sql", old=" OR g.purpose <> :purpose", new="")
        ],
        test="tests/integration/chat/test_taint.py"
        "::test_what_was_answered_for_one_purpose_is_no_history_for_another",
    ),
    Mechanism(
        invariant=10,
        what="what is shown for long is asked for again, several times a second",
        taken_out=[
            Edit(
                file="src/adapters/postgres/leases.py",
                old="LEASE_SECONDS if lease.about in permitted else 0.0)",
                new="LEASE_SECONDS)",
            )
        ],
        test="tests/integration/vault/test_leases.py",
    ),
    Mechanism(
        invariant=11,
        what="what may be seen is part of the query",
        taken_out=[
            Edit(
                file=f"{_SQL}/visible.sql",
                old="AND g.grantee_id = :person AND g.owner_id <> :person\n",
                new="AND g.owner_id <> :person\n",
            )
        ],
        test="tests/integration/retrieval/test_ranking_sees_what_is_visible.py"
        " tests/integration/retrieval/test_consent_in_search.py",
    ),
    Mechanism(
        invariant=12,
        what="a sealed value opens in its own context",
        taken_out=[
            Edit(
                file="src/adapters/encryption/sealed.py",
                old="encrypt(nonce, plaintext, encode_context(context))",
                new="encrypt(nonce, plaintext, None)",
            ),
            Edit(
                file="src/adapters/encryption/sealed.py",
                old="decrypt(nonce, ciphertext, encode_context(context))",
                new="decrypt(nonce, ciphertext, None)",
            ),
        ],
        test="tests/integration/vault/test_tampering.py",
    ),
    Mechanism(
        invariant=12,
        what="a message that was cut is noticed by its length",
        taken_out=[
            Edit(
                file="src/adapters/encryption/chunked.py",
                old="    if sealed_length < HEADER_BYTES or rest < TAG_BYTES:\n",
                new="    if sealed_length < 0:\n",
            )
        ],
        test="tests/unit/adapters/encryption",
    ),
    Mechanism(
        invariant=13,
        what="keys move from the old version to the new one",
        taken_out=[
            Edit(
                file="src/adapters/postgres/rewrapping.py",
                old="cipher.seal(new_key, secret, context)",
                new="cipher.seal(old_key, secret, context)",
            )
        ],
        test="tests/integration/vault/rotation/test_rotating_keys.py",
    ),
    Mechanism(
        invariant=13,
        what="no nonce comes twice",
        taken_out=[
            Edit(
                file="src/adapters/encryption/sealed.py",
                old="os.urandom(NONCE_BYTES)",
                new="bytes(NONCE_BYTES)",
            )
        ],
        test="tests/unit/adapters/encryption/test_cipher_values.py",
    ),
    Mechanism(
        invariant=14,
        what="erasing deletes what opens the log's commitments",
        taken_out=[
            Edit(
                file="src/adapters/postgres/erasure.py",
                old='    await connection.execute(_ERASE_OPENINGS, {"document": document.id})\n',
            )
        ],
        test="tests/integration/running/test_erasing.py",
    ),
    Mechanism(
        invariant=14,
        what="an erasure waits for what is being logged of the document",
        taken_out=[
            Edit(
                file=_RELEASE,
                old="    ORDER BY d.id\n    FOR KEY SHARE;\n",
                new="    ORDER BY d.id;\n",
            )
        ],
        test=_GATE + "an_erasure_waits_for_what_is_being_logged_and_leaves_nothing_of_it",
    ),
    Mechanism(
        invariant=19,
        what="a line of the log names the route and not what was asked for",
        taken_out=[
            Edit(
                file="src/entrypoints/http/edge.py",
                old='            "request_answered",\n',
                new='            "request_answered", q=scope["query_string"], p=scope["path"],\n',
            )
        ],
        test="tests/integration/running/test_secrets.py",
    ),
    Mechanism(
        invariant=20,
        what="what does not exist goes the way of what is hidden, and is logged like it",
        taken_out=[
            Edit(
                file=_RELEASE,
                old="        LEFT JOIN documents d ON d.tenant_id = tenant AND d.id = wanted",
                new="        JOIN documents d ON d.tenant_id = tenant AND d.id = wanted",
            )
        ],
        test=_GATE + "what_does_not_exist_is_refused_along_the_same_path",
    ),
    Mechanism(
        invariant=7,
        what="a list of jobs is of one tenant",
        taken_out=[
            Edit(
                file=f"{_SQL}/list_jobs.sql",
                old="WHERE CAST(j.headers ->> 'tenant_id' AS uuid) = :tenant\n",
                new="WHERE CAST(:tenant AS uuid) IS NOT NULL\n",
            )
        ],
        test="tests/integration/worker/test_jobs_of_a_tenant.py"
        "::test_nobody_but_an_administrator_of_the_tenant_sees_its_jobs",
    ),
    Mechanism(
        invariant=7,
        what="an answer demands of whoever rereads it what a grant that it rests on demands",
        taken_out=[
            Edit(
                file="src/domain/chat/run.py",
                old="        if self.required_acr is Acr.MFA and acr is not Acr.MFA:\n",
                new="        if not self:\n",
            )
        ],
        test=_ASSURANCE + "an_answer_is_shown_to_sessions_that_may_open_what_it_rests_on",
    ),
    Mechanism(
        invariant=7,
        what="a list of messages leaves out what the session may not open",
        taken_out=[
            Edit(
                file="src/application/chat/read_conversations.py",
                old="    if message.is_withheld_from(acr):\n",
                new="    if not message:\n",
            )
        ],
        test=_ASSURANCE + "an_answer_is_shown_to_sessions_that_may_open_what_it_rests_on",
    ),
    Mechanism(
        invariant=7,
        what="what a run demands of its reader is looked at again with its events",
        taken_out=[
            Edit(
                file="src/application/chat/follow_run.py",
                old="        page.run.assert_replayable(caller.acr)\n",
            )
        ],
        test=_ASSURANCE + "whoever_follows_from_before_anything_was_found_is_stopped_there",
    ),
    Mechanism(
        invariant=7,
        what="what a run demands of its reader is as of the same moment as its events",
        taken_out=[
            Edit(
                file="src/adapters/postgres/run_events.py",
                old="            run = replace(run, required_acr=acr and Acr(acr))\n",
            )
        ],
        test=_ASSURANCE + "what_comes_in_the_middle_of_a_look_is_read_with_what_it_demands",
    ),
    Mechanism(
        invariant=7,
        what="what was asked with a second factor is read from memory with one alone",
        taken_out=[
            Edit(
                file="src/application/chat/follow_run.py",
                old=" and caller.acr in (run.acr, Acr.MFA)",
            )
        ],
        test=_ASSURANCE + "whoever_follows_from_before_anything_was_found_is_stopped_there",
    ),
    Mechanism(
        invariant=7,
        what="what demands a second factor goes into no prompt of a session without",
        taken_out=[
            Edit(
                file=f"{_SQL}/earlier_messages.sql",
                old="\n                 OR g.required_acr <> :acr",
            )
        ],
        test=_ASSURANCE + "what_demands_a_second_factor_is_no_history_without",
    ),
    Mechanism(
        invariant=7,
        what="a token of a service client is looked at with each use",
        taken_out=[
            Edit(
                file="src/application/accounts/grant_client_token.py",
                old="        if token.authenticated.is_client:\n",
                new="        if not token:\n",
            )
        ],
        test="tests/integration/accounts/test_service_clients.py"
        "::test_no_token_and_no_secret_works_once_a_revocation_was_acknowledged",
    ),
    Mechanism(
        invariant=10,
        what="what a service client handed on ends with it",
        taken_out=[
            Edit(file="src/adapters/postgres/links.py", old="        ~handed_on_by_what_is_over,\n")
        ],
        test="tests/integration/accounts/test_service_clients.py"
        "::test_what_a_client_handed_to_agents_and_behind_links_ends_with_it",
    ),
    Mechanism(
        invariant=22,
        what="what was agreed to is not called something else afterwards",
        taken_out=[
            Edit(
                file="src/adapters/postgres/purposes.py",
                old="                raise PurposeAgreedTo\n",
                new="                pass\n",
            )
        ],
        test="tests/integration/consent/test_purposes.py"
        "::test_what_was_agreed_to_is_not_called_something_else_afterwards",
    ),
    Mechanism(
        invariant=22,
        what="a decision asks for the state of the consent",
        taken_out=[
            Edit(
                file="src/domain/consent/decision.py",
                old="    if held.consent_state not in VALID_STATES:\n",
                new="    if not held.consent_state:\n",
            )
        ],
        test="tests/unit/domain/consent",
    ),
    Mechanism(
        invariant=22,
        what="a window is judged by the clock",
        taken_out=[
            Edit(
                file="src/domain/consent/decision.py",
                old="        return Denial.OUTSIDE_WINDOW\n",
                new="        pass\n",
            )
        ],
        test="tests/integration/consent/test_ledger_and_log_agree.py",
    ),
)
